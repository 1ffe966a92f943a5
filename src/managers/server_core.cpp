// SPDX-License-Identifier: BSL-1.0
#include "managers/server_core.hpp"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>
#include <vector>

#include "connection/resolve.hpp"
#include "managers/session.hpp"
#include "memory/arena.hpp"
#include "os/first_use.hpp"
#include "os/fork_mutex.hpp"
#include "os/log.hpp"
#include "os/poll.hpp"
#include "os/random.hpp"
#include "os/stream_socket.hpp"
#include "os/system_error.hpp"

namespace multiprocessing::managers {
namespace {

using namespace std::chrono_literals;

constexpr int kBacklog = 4096;

// The servers of this process, by nonce.
os::ForkMutex servers_mutex;
std::unordered_map<std::uint64_t, std::weak_ptr<ServerCore>>& servers() {
  static constinit os::FirstUse<std::unordered_map<std::uint64_t, std::weak_ptr<ServerCore>>> all;
  return all.get();
}

}  // namespace

ServerCore::ServerCore(detail::Registry registry, ServerSettings settings, std::uint64_t nonce)
    : registry_(std::move(registry)),
      settings_(std::move(settings)),
      nonce_(nonce),
      objects_(nonce, settings_.authkey) {}

std::shared_ptr<ServerCore> ServerCore::make(detail::Registry registry, ServerSettings settings) {
  const auto random = os::random_bytes<3>();
  std::uint64_t nonce = 0;
  for (const std::byte byte : random) nonce = nonce << 8 | std::to_integer<std::uint64_t>(byte);
  std::shared_ptr<ServerCore> core(
      new ServerCore(std::move(registry), std::move(settings), nonce | 1));
  core->listen();
  const std::lock_guard guard(servers_mutex);
  servers()[core->nonce_] = core;
  return core;
}

ServerCore::~ServerCore() {
  remove_file();
  const std::lock_guard guard(servers_mutex);
  servers().erase(nonce_);
}

std::shared_ptr<ServerCore> ServerCore::here(Ident ident) {
  const std::lock_guard guard(servers_mutex);
  const auto found = servers().find(ident >> kIdentBits);
  auto server = found == servers().end() ? nullptr : found->second.lock();
  // A child of the server has but a copy, whose mutexes may be held by threads that it lacks.
  return server != nullptr && server->maker_ == os::fork_generation() ? server : nullptr;
}

void ServerCore::listen() {
  made_up_ = settings_.address.empty();
  const Address to = made_up_ ? connection::made_up_address() : settings_.address;
  try {
    const auto all = connection::resolve(to, SOCK_STREAM, os::Use::kBind);
    listening_ =
        OwnSocket::made_by([&] { return os::make_listening_socket(all.front().family()); });
    const int fd = listening_.get();
    if (!to.path().empty() && to.path().front() != '\0') {
      file_ = os::SocketFile(fd, all.front(), kBacklog);
      address_ = to;
    } else {
      os::listen_at(fd, all.front(), kBacklog);
      address_ = connection::address_of(os::bound_address(fd));
    }
  } catch (const std::system_error& error) {
    os::rethrow_about(fmt::format("manager's server at {}", to), error);
  }
  wake_ = OwnSocket::made_by([] { return os::Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); });
  if (wake_.get() < 0) {
    throw std::system_error(errno, std::generic_category(), "cannot make an eventfd");
  }
}

void ServerCore::serve(std::span<const int> others) {
  std::vector<pollfd> entries{{listening_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
  for (const int fd : others) entries.push_back({fd, POLLIN, 0});
  while (!stopping()) {
    for (pollfd& entry : entries) entry.revents = 0;
    os::poll_until(entries, os::Deadline::after(200ms));
    if (std::any_of(entries.begin() + 2, entries.end(), [](auto& e) { return e.revents != 0; })) {
      break;
    }
    memory::note_death();
    objects_.collect();
    give_back_for_the_dead();
    if (entries[0].revents != 0 && !stopping()) accept_one();
  }
  stopping_.store(true);
  listening_.close();
  remove_file();
}

// A forked child has but a copy of the living server.
void ServerCore::remove_file() noexcept {
  if (maker_ == os::fork_generation()) file_.remove();
}

void ServerCore::accept_one() {
  try {
    auto socket = OwnSocket::made_by([this] {
      auto accepted = os::try_accept(listening_.get());
      return accepted ? std::move(accepted->fd) : os::Fd();
    });
    if (socket.get() < 0) return;
    if (made_up_) {
      const uid_t user = os::peer_user(socket.get());
      if (user != ::geteuid() && user != 0) return;
    }
    auto session = std::make_unique<Session>(shared_from_this(), std::move(socket));
    {
      const std::lock_guard guard(mutex_);
      sessions_.emplace(session.get(), nullptr);
    }
    Session::start(std::move(session));
  } catch (const std::system_error& error) {
    // Out of descriptors or threads: who waits is served when others have gone.
    os::log_warning(fmt::format("manager's server at {}: {}", address_, error.what()));
    os::poll_until({}, os::Deadline::after(50ms));
  }
}

void ServerCore::stop() noexcept {
  stopping_.store(true);
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

void ServerCore::end_sessions() {
  std::unique_lock lock(mutex_);
  for (const auto& [session, client] : sessions_) session->hang_up();
  lock.unlock();
  give_back_for_the_dead();
  lock.lock();
  session_ended_.wait(lock, [&] { return sessions_.empty(); });
  lock.unlock();
  objects_.clear();
}

void ServerCore::session_ended(const Session& session) noexcept {
  const std::lock_guard guard(mutex_);
  sessions_.erase(&session);
  session_ended_.notify_all();
}

std::shared_ptr<Client> ServerCore::enter(const Session& session, const Hello& hello,
                                          std::string name, bool in_tree) {
  const std::lock_guard guard(mutex_);
  std::shared_ptr<Client> client;
  if (hello.client != 0) {
    auto& known = clients_[hello.client];
    client = known.lock();
    if (client == nullptr) known = client = std::make_shared<Client>();
    if (client->sessions == 0) {
      const auto parent = clients_.find(hello.inherits);
      const auto of = parent == clients_.end() ? nullptr : parent->second.lock();
      if (of != nullptr) {
        const std::lock_guard parents(of->mutex);
        const std::lock_guard own(client->mutex);
        for (const auto& [ident, times] : of->leases) {
          if (objects_.retain(ident)) client->leases[ident] = 1;
        }
      }
    }
  } else {
    client = std::make_shared<Client>();
  }
  // Its other sessions read this without a lock.
  if (client->sessions++ == 0) {
    client->id = hello.client != 0 ? hello.client : last_even_id_ += 2;
    client->pid = static_cast<pid_t>(hello.pid);
    client->name = std::move(name);
    client->in_tree = in_tree;
    client->taken_items = &taken_items_;
  }
  sessions_.at(&session) = client;
  return client;
}

namespace {
void give_back_all(Client& client) noexcept {
  decltype(client.holdings) holdings;
  {
    const std::lock_guard guard(client.mutex);
    holdings.swap(client.holdings);
  }
  for (const auto& [_, held] : holdings) {
    if (const auto referent = held.referent.lock()) referent->client_died(client);
  }
}
}  // namespace

// A session may be in a function of the program's that waits for what its dead client holds: its
// end cannot be waited for.
void ServerCore::give_back_for_the_dead() {
  std::vector<std::shared_ptr<Client>> dead;
  {
    const std::lock_guard guard(mutex_);
    for (const auto& [session, client] : sessions_) {
      if (client != nullptr) client->lives = false;
    }
    for (const auto& [session, client] : sessions_) {
      if (client != nullptr && !client->lives) client->lives = !session->caller_is_gone();
    }
    for (const auto& [session, client] : sessions_) {
      if (client == nullptr || client->lives) continue;
      const std::lock_guard holds(client->mutex);
      if (!client->holdings.empty()) dead.push_back(client);
    }
  }
  for (const auto& client : dead) give_back_all(*client);
}

void ServerCore::leave(const std::shared_ptr<Client>& client) noexcept {
  {
    const std::lock_guard guard(mutex_);
    if (--client->sessions != 0) return;
    clients_.erase(client->id);
  }
  give_back_all(*client);
  decltype(client->leases) leases;
  {
    const std::lock_guard guard(client->mutex);
    leases.swap(client->leases);
  }
  taken_items_.client_died(*client);
  for (const auto& [ident, times] : leases) objects_.release(ident, times);
  if (client->in_tree) memory::note_death();
}

}  // namespace multiprocessing::managers
