// SPDX-License-Identifier: BSL-1.0
#include <fmt/format.h>

#include <multiprocessing/detail/async_result.hpp>

namespace multiprocessing::detail {

void fail_not_in_time(Timeout timeout) {
  throw TimeoutError(fmt::format("the result was not there within {} s",
                                 static_cast<double>(timeout.nanoseconds()) * 1e-9));
}

void fail_not_ready() {
  throw ValueError("successful() before the result is there: call wait(), or ask ready()");
}

void call_with(const std::function<void(const std::exception&)>& on_error,
               const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& caught) {
    on_error(caught);
  } catch (...) {
    on_error(RuntimeError("a task threw something that is no std::exception"));
  }
}

}  // namespace multiprocessing::detail
