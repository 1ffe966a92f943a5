// SPDX-License-Identifier: BSL-1.0
// What all copies of a proxy in one process share: where the object is, and what keeps it alive.
#pragma once
#include <memory>
#include <multiprocessing/detail/managers/proxy_call.hpp>
#include <multiprocessing/detail/managers/referent.hpp>
#include <string>

#include "managers/frames.hpp"
#include "managers/link.hpp"

namespace multiprocessing::managers {

struct ProxyCore {
  std::shared_ptr<ServerLink> link;
  Ident ident = 0;        // 0: the server itself
  std::string python_id;  // of an object in a CPython server
  std::string type_id;
  detail::Handle ticket;       // keeps the object alive, or
  std::shared_ptr<void> hold;  // a lease, or a reference in the server's own process
};

/// What Python calls the proxy of such an object: "ListProxy".
[[nodiscard]] std::string class_name(const std::string& type_id);

/// While one lives with `yes`, what this thread encodes goes to where no shared object can go:
/// proxies travel without their tickets.
class ToStrangers {
 public:
  explicit ToStrangers(bool yes) noexcept;
  ~ToStrangers();
  ToStrangers(const ToStrangers&) = delete;
  ToStrangers& operator=(const ToStrangers&) = delete;

 private:
  bool before_;
};

}  // namespace multiprocessing::managers
