// SPDX-License-Identifier: BSL-1.0
// What a parent does for a child in a fresh image, whoever makes its process.
#pragma once
#include <optional>
#include <string>

#include "process/core.hpp"
#include "process/surroundings.hpp"

namespace multiprocessing::process {

class FreshLaunch {
 public:
  /// Makes the description and the channel; `surroundings` for a child that does not inherit this
  /// process's. THROWS: TypeError, std::system_error.
  FreshLaunch(const Process& process, const Core& core,
              const std::optional<Surroundings>& surroundings = std::nullopt);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// For the child.
  [[nodiscard]] int child_end() const noexcept { return theirs_.get(); }

  /// The record, which its page tells of too.
  [[nodiscard]] const RecordHandle& record() const noexcept { return record_; }
  [[nodiscard]] RecordHandle take_record() noexcept { return std::move(record_); }

  /// The child is there: tells it all. One that has ended already will be found by its exit code.
  void describe();

 private:
  std::string name_;
  RecordHandle record_;
  detail::Encoder description_;
  os::Fd ours_;
  os::Fd theirs_;
};

}  // namespace multiprocessing::process
