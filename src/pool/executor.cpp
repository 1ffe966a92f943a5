// SPDX-License-Identifier: BSL-1.0
#include <csignal>
#include <multiprocessing/futures.hpp>

#include "process/start_method.hpp"

namespace multiprocessing {

detail::PoolPlan ProcessPoolExecutor::plan(const ExecutorOptions& options) {
  return {.workers = detail::checked_workers(options.max_workers),
          .maxtasksperchild = detail::checked_maxtasks(options.max_tasks_per_child),
          .task_timeout_ns = detail::task_timeout_ns(options.task_timeout),
          .executor = true,
          .initializer = nullptr,
          .launcher =
              options.mp_context.empty() ? nullptr : &process::launcher_named(options.mp_context)};
}

void ProcessPoolExecutor::stop(int signal) const {
  handle_->shutdown(false, true);
  handle_->terminate(signal, false);
}

}  // namespace multiprocessing
