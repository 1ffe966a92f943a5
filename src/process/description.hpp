// SPDX-License-Identifier: BSL-1.0
// What the parent of a child in a fresh image tells it: who it is and what it shall do.
//
// description := child parent log start_method record surroundings? subclass? target?
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "process/core.hpp"
#include "process/log_state.hpp"
#include "process/surroundings.hpp"

namespace multiprocessing::process {

/// Writes it. `parent` is this process as its children see it. THROWS: TypeError for a target or
/// subclass that cannot go to a fresh image.
void encode_description(detail::Encoder& encoder, const Process& process, const Core& core,
                        const Core& parent, const RecordHandle& record,
                        const std::optional<Surroundings>& surroundings);

/// What the child reads of it before any code of the program's runs. Assumes the surroundings.
struct Description {
  explicit Description(detail::Decoder& decoder, memory::Serial parent_serial);

  std::shared_ptr<Core> core;
  std::shared_ptr<Core> parent;
  LogState log;
  std::string start_method;
  memory::Offset record_page = 0;
  memory::Offset record = 0;
};

/// What it reads then: the process, with its target bound to it.
[[nodiscard]] std::unique_ptr<Process> decode_process(detail::Decoder& decoder,
                                                      const std::shared_ptr<Core>& core);

}  // namespace multiprocessing::process
