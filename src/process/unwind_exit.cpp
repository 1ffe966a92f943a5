// SPDX-License-Identifier: BSL-1.0
// multiprocessing::exit: from any depth, with every frame's destructors.
//
// An exception that nobody catches ends in std::terminate without unwinding. Where no one above is
// known to catch, the stack is unwound as pthread_exit does it: by force, frame by frame, up to
// its end, where the process is left.
#include <unwind.h>

#include <cstdlib>
#include <cstring>
#include <multiprocessing/process.hpp>

#include "process/bootstrap.hpp"
#include "process/exit.hpp"

namespace multiprocessing {

void process::end_process(int code) noexcept {
  if (is_child()) leave(code);
  std::exit(code);
}

namespace {

struct ForcedExit {
  _Unwind_Exception header;
  int code;
};

_Unwind_Reason_Code stop_at_end(int, _Unwind_Action actions, _Unwind_Exception_Class,
                                _Unwind_Exception*, _Unwind_Context*, void* forced) {
  if ((actions & _UA_END_OF_STACK) != 0)
    process::end_process(static_cast<ForcedExit*>(forced)->code);
  return _URC_NO_REASON;
}

}  // namespace

void exit(int code) {
  if (process::in_exit_scope()) throw SystemExit(code);
  auto* forced = new ForcedExit{};
  // Not the class of C++ exceptions: `catch (...)` takes it, a catch by type does not.
  std::memcpy(&forced->header.exception_class, "MPEXIT\0\0", 8);
  forced->header.exception_cleanup = [](_Unwind_Reason_Code, _Unwind_Exception* header) {
    delete reinterpret_cast<ForcedExit*>(header);
  };
  forced->code = code;
  _Unwind_ForcedUnwind(&forced->header, stop_at_end, forced);
  // A frame without unwind tables is in the way: the rest of the stack is left as it is.
  process::end_process(code);
}

}  // namespace multiprocessing
