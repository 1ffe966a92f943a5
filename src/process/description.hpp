// SPDX-License-Identifier: BSL-1.0
// What the parent of a child in a fresh image tells it: who it is and what it shall do.
//
// description := child parent log start_method subclass? target?
#pragma once
#include <memory>
#include <string>

#include "process/core.hpp"
#include "process/log_state.hpp"

namespace multiprocessing::process {

/// Writes it; what this process has printed is flushed, to come before what the child prints.
/// THROWS: TypeError for a target or subclass that cannot go to a fresh image.
void encode_description(detail::Encoder& encoder, const Process& process, const Core& core);

/// Whether this thread is writing the target of a child and its arguments: what others may not
/// read goes to it, too.
[[nodiscard]] bool handing_down() noexcept;

/// What the child reads of it before any code of the program's runs.
struct Description {
  explicit Description(detail::Decoder& decoder, memory::Serial parent_serial);

  std::shared_ptr<Core> core;
  std::shared_ptr<Core> parent;
  LogState log;
  std::string start_method;  // empty: the program has not chosen one
};

/// What it reads then: the process, with its target bound to it.
[[nodiscard]] std::unique_ptr<Process> decode_process(detail::Decoder& decoder,
                                                      const std::shared_ptr<Core>& core);

}  // namespace multiprocessing::process
