// SPDX-License-Identifier: BSL-1.0
// Proxies as values: copied, compared, sent.
//
// proxy := flags:u8 type_id:string address ident:u64 python_id:string ticket:handle
#include "managers/proxy_core.hpp"

#include <fmt/format.h>

#include <multiprocessing/detail/managers/registered_callable.hpp>
#include <multiprocessing/errors.hpp>
#include <ostream>
#include <system_error>

#include "managers/proxy_object.hpp"
#include "managers/server_core.hpp"
#include "managers/ticket.hpp"
#include "os/anew_after_fork.hpp"
#include "process/description.hpp"

namespace multiprocessing::managers {
namespace {

thread_local bool to_strangers = false;

// A reference of a client to an object in a server that shares no arena with it.
class Lease {
 public:
  Lease(std::shared_ptr<ServerLink> link, Ident ident) : link_(std::move(link)), ident_(ident) {}
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() { link_->tell(Op::kRelease, ident_); }

 private:
  std::shared_ptr<ServerLink> link_;
  Ident ident_;
};

// The same of a server's own process.
class OwnReference {
 public:
  OwnReference(const std::shared_ptr<ServerCore>& server, Ident ident)
      : server_(server), ident_(ident) {}
  OwnReference(const OwnReference&) = delete;
  OwnReference& operator=(const OwnReference&) = delete;
  ~OwnReference() {
    if (const auto server = server_.lock()) server->objects().release(ident_);
  }

 private:
  std::weak_ptr<ServerCore> server_;
  Ident ident_;
};

// Here, and not beside the function: whatever uses a proxy or serves one has this unit.
[[maybe_unused]] const bool decoder_is_set = [] {
  detail::set_proxy_decoder(&decode_held_proxy);
  return true;
}();

}  // namespace

std::string class_name(const std::string& type_id) {
  if (type_id == "dict") return "DictProxy";
  if (type_id == "list") return "ListProxy";
  if (type_id == "set") return "SetProxy";
  return type_id + "Proxy";
}

ToStrangers::ToStrangers(bool yes) noexcept : before_(to_strangers) { to_strangers |= yes; }
ToStrangers::~ToStrangers() { to_strangers = before_; }

std::shared_ptr<void> make_lease(std::shared_ptr<ServerLink> link, Ident ident) {
  return std::make_shared<Lease>(std::move(link), ident);
}

}  // namespace multiprocessing::managers

namespace multiprocessing::detail {

using managers::ProxyCore;
using managers::ServerCore;
using managers::ServerLink;

void encode_proxy(Encoder& encoder, const BaseProxy& proxy) {
  const auto& core = ProxyAccess::core(proxy);
  if (core == nullptr) throw ValueError("a proxy that names nothing cannot be sent");
  detail::encode(encoder, core->type_id);
  detail::encode(encoder, core->link->address());
  encoder.put(core->ident);
  detail::encode(encoder, core->python_id);
  Handle ticket = managers::to_strangers ? Handle() : core->ticket;
  const auto here = ServerCore::here(core->ident);
  if (!ticket && here != nullptr && !managers::to_strangers &&
      here->objects().retain(core->ident)) {
    ticket = here->objects().issue_ticket(core->ident);
  }
  encoder.write_handle(ticket);
  // A ticket has it. Others find the server among those that they know, or have its key themselves.
  const bool with_key = !ticket && process::handing_down();
  const AuthKey& key = core->link->key();
  detail::encode(encoder, with_key ? std::vector(key.bytes().begin(), key.bytes().end())
                                   : std::vector<std::byte>());
  if (ticket || !core->python_id.empty()) return;
  // Who gets it refers to the object himself, some time from now.
  if (here != nullptr) {
    static_cast<void>(here->objects().keep_for_a_while(core->ident));
  } else {
    core->link->ask(managers::Op::kKeep, core->ident);
  }
}

std::shared_ptr<const ProxyCore> decode_proxy(Decoder& decoder) {
  auto core = std::make_shared<ProxyCore>();
  core->type_id = detail::decode<std::string>(decoder);
  const auto address = detail::decode<Address>(decoder);
  core->ident = decoder.take<managers::Ident>();
  core->python_id = detail::decode<std::string>(decoder);
  core->ticket = decoder.read_handle();
  auto key = detail::decode<std::vector<std::byte>>(decoder);
  const AuthKey given = key.empty() ? AuthKey() : AuthKey(std::move(key));
  core->link = ServerLink::to(address, core->ticket ? managers::key_of(core->ticket) : given);
  if (core->ticket || !core->python_id.empty()) return core;
  if (auto here = ServerCore::here(core->ident)) {
    if (!here->objects().retain(core->ident)) {
      throw RemoteError("KeyError", "the server has no object of that number (any more)", "", 0);
    }
    core->hold = std::make_shared<managers::OwnReference>(std::move(here), core->ident);
  } else {
    core->link->ask(managers::Op::kLease, core->ident);
    core->hold = managers::make_lease(core->link, core->ident);
  }
  return core;
}

fmt::format_context::iterator TextFormatter::format_text(std::string_view text,
                                                         fmt::format_context& context) const {
  return format(fmt::string_view(text.data(), text.size()), context);
}

std::shared_ptr<Referent> referent_behind(const BaseProxy& proxy) {
  const auto& core = ProxyAccess::core(proxy);
  const auto server = core == nullptr ? nullptr : ServerCore::here(core->ident);
  auto referent = server == nullptr ? nullptr : server->objects().find(core->ident);
  if (referent == nullptr) throw TypeError("the proxy is of an object in another server");
  return referent;
}

std::shared_ptr<Referent> referent_at(const void* thing,
                                      const std::function<std::shared_ptr<Referent>()>& make) {
  // Of the process, not of a server: two servers here must not guard one thing by two mutexes.
  constinit static os::ForkMutex mutex;
  constinit static os::AnewAfterFork<std::unordered_map<const void*, std::shared_ptr<Referent>>>
      all;
  const std::lock_guard guard(mutex);
  auto& referent = all.get()[thing];
  if (referent == nullptr) referent = make();
  return referent;
}

}  // namespace multiprocessing::detail

namespace multiprocessing {

namespace {
const managers::ProxyCore& there(const std::shared_ptr<const managers::ProxyCore>& core) {
  if (core == nullptr) throw ValueError("this proxy names no object");
  return *core;
}
}  // namespace

std::string BaseProxy::str() const {
  try {
    return run<std::string>("__str__");
  } catch (const std::exception&) {
    // As there: what is printed says so.
  }
  std::string text = repr();
  text.pop_back();
  return text + "; '__str__()' failed>";
}

std::string BaseProxy::id() const {
  const auto& core = there(core_);
  return core.python_id.empty() ? fmt::format("{:x}", core.ident) : core.python_id;
}

std::string BaseProxy::repr() const {
  if (core_ == nullptr) return "<BaseProxy object of nothing>";
  const std::string& type = core_->type_id;
  return fmt::format("<{} object, typeid '{}' at 0x{}>", managers::class_name(type), type, id());
}

bool BaseProxy::of_python() const noexcept { return core_ != nullptr && !core_->python_id.empty(); }

const Address& BaseProxy::address() const { return there(core_).link->address(); }

bool BaseProxy::same_as(const BaseProxy& other) const noexcept {
  if (core_ == other.core_) return true;
  if (core_ == nullptr || other.core_ == nullptr) return false;
  return core_->ident == other.core_->ident && core_->python_id == other.core_->python_id &&
         core_->link->address() == other.core_->link->address();
}

std::ostream& BaseProxy::print(std::ostream& out) const { return out << str(); }

}  // namespace multiprocessing
