// SPDX-License-Identifier: BSL-1.0
#include <multiprocessing/context.hpp>
#include <mutex>

#include "process/core.hpp"
#include "process/start_method.hpp"
#include "process/tree.hpp"

namespace multiprocessing {

Context get_context(std::string_view method) { return Context(method); }

Context::Context(std::string_view method)
    : launcher_(method.empty() ? nullptr : &process::launcher_named(method)) {}

std::string Context::get_start_method() const {
  return launcher_ != nullptr ? std::string(launcher_->method())
                              : multiprocessing::get_start_method();
}

void Context::choose_for(multiprocessing::Process& process) const {
  const std::lock_guard guard(process::lock());
  process::Access::core(process)->launcher = launcher_;
}

}  // namespace multiprocessing
