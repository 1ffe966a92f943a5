// SPDX-License-Identifier: BSL-1.0
#include "process/fresh_launch.hpp"

#include "os/socket.hpp"
#include "os/stdio.hpp"
#include "os/thread.hpp"
#include "process/description.hpp"
#include "process/handover.hpp"
#include "process/tree.hpp"

namespace multiprocessing::process {
namespace {

std::string name_of(const Core& core) {
  const std::lock_guard guard(lock());
  return core.name;
}

}  // namespace

FreshLaunch::FreshLaunch(const Process& process, const Core& core,
                         const std::optional<Surroundings>& surroundings)
    : name_(name_of(core)), record_(process::take_record(RecordPlace::kArena)) {
  encode_description(description_, process, core, *image_for_children(), record_, surroundings);
  // What this process has printed comes before what the child prints.
  os::flush_standard_streams(os::program_threads() == 1);
  auto [ours, theirs] = os::packet_pair();
  ours_ = std::move(ours);
  theirs_ = std::move(theirs);
}

void FreshLaunch::describe() {
  theirs_.reset();
  memory::expect_adoption_by_message(record_->adoption);
  hand_over(ours_.get(), description_);
}

}  // namespace multiprocessing::process
