// SPDX-License-Identifier: BSL-1.0
// Managers: who starts a server, and ends it.
//
// The starter and its server share a Pipe: by it the server says where it listens, or why not, and
// is told to end. It ends by itself when its starter has ended.
#include <fmt/format.h>

#include <csignal>
#include <multiprocessing/managers.hpp>
#include <multiprocessing/process.hpp>
#include <mutex>
#include <system_error>
#include <tuple>

#include "managers/initializer.hpp"
#include "managers/proxy_core.hpp"
#include "managers/python_pickle.hpp"
#include "managers/server_core.hpp"
#include "os/fork_mutex.hpp"
#include "os/log.hpp"
#include "process/core.hpp"
#include "process/exit.hpp"
#include "process/tree.hpp"

namespace multiprocessing {

namespace managers {

namespace {

// errno (0: it listens), what went wrong, where it listens.
using Report = std::tuple<int, std::string, Address>;

// In the server process.
void run_server(const detail::Registry& registry, const Address& address,
                const std::vector<std::byte>& key, std::uint64_t max_message_bytes,
                const Initializer& initializer, Connection starter) {
  // An interrupt from the keyboard is for the program, which shuts the server down.
  ::signal(SIGINT, SIG_IGN);
  if (initializer.target != nullptr) initializer.target->call();
  std::shared_ptr<ServerCore> server;
  try {
    server = ServerCore::make(registry, {address, AuthKey(key), max_message_bytes});
  } catch (const std::system_error& error) {
    starter.send(Report(error.code().value(), error.what(), address));
    return;
  }
  starter.send(Report(0, {}, server->address()));
  const int others[] = {starter.fileno(), parent_process()->sentinel()};
  server->serve(others);
}

}  // namespace

class ManagerCore {
 public:
  ManagerCore(ManagerOptions given, process::Launcher* launched_by, std::string named)
      : options(std::move(given)), launcher(launched_by), class_name(std::move(named)) {}
  ManagerCore(const ManagerCore&) = delete;
  ManagerCore& operator=(const ManagerCore&) = delete;
  ~ManagerCore() {
    try {
      if (is_maker()) end_server();
    } catch (const std::exception& error) {
      os::log_warning(fmt::format("{} could not be shut down: {}", class_name, error.what()));
    }
  }

  [[nodiscard]] bool is_maker() const noexcept { return maker == os::fork_generation(); }

  void end_server() {
    if (!server) return;
    process::remove_finalizer(finalizer);
    const Timeout patience = options.shutdown_timeout;
    if (server->is_alive()) {
      try {
        starter.send(nullptr);
      } catch (const std::exception&) {
        // It has ended meanwhile, or is about to.
      }
    }
    if (server->join(patience)) return;
    os::log_warning(fmt::format("{} did not end in time and is terminated", server->name()));
    server->terminate();
    if (server->join(patience)) return;
    server->kill();
    server->join();
  }

  ManagerOptions options;
  process::Launcher* const launcher;  // null: that of the default start method
  const std::string class_name;
  const std::uint32_t maker = os::fork_generation();
  detail::Registry registry;
  std::optional<Process> server;  // once started
  Connection starter;
  process::FinalizerId finalizer = 0;
  bool has_own_server = false;  // by get_server()
  ProxyCore asks;               // no link: neither started nor connected
};

}  // namespace managers

using managers::ManagerCore;
using managers::ServerCore;
using managers::ServerLink;

namespace {

std::vector<std::byte> key_of(const ManagerOptions& options) {
  if (!options.authkey) return current_process().authkey();
  const auto bytes = options.authkey.bytes();
  return {bytes.begin(), bytes.end()};
}

void require_initial(const ManagerCore& core, const char* what) {
  if (core.server || core.has_own_server || core.asks.link != nullptr) {
    throw ProcessError(
        fmt::format("{}: {}: it was started, connected or shut down already; make "
                    "another one",
                    core.class_name, what));
  }
}

// Python's "SyncManager-2": the class in the place of "Process".
std::string name_of_server(const std::string& class_name, const std::string& process_name) {
  const std::size_t dash = process_name.find('-');
  return class_name + (dash == std::string::npos ? "" : process_name.substr(dash));
}

}  // namespace

const Address& Server::address() const { return core_->address(); }
void Server::stop() { core_->stop(); }
void Server::serve_forever() {
  if (core_->stopping()) throw RuntimeError("this server has ended; get another one");
  core_->serve({});
  core_->end_sessions();
}

BaseManager::BaseManager(const Address& address, const AuthKey& authkey)
    : BaseManager(ManagerOptions{.address = address, .authkey = authkey}) {}
BaseManager::BaseManager(ManagerOptions options)
    : BaseManager(std::move(options), nullptr, "BaseManager") {}
BaseManager::BaseManager(ManagerOptions options, process::Launcher* launcher,
                         const char* class_name)
    : core_(std::make_shared<ManagerCore>(std::move(options), launcher, class_name)) {}

void BaseManager::add(std::shared_ptr<const detail::Registration> registration) {
  core_->registry.add(std::move(registration));
}

void BaseManager::start_with(std::shared_ptr<detail::Target> initializer) {
  ManagerCore& core = *core_;
  require_initial(core, "start");
  const auto key = key_of(core.options);
  auto [here, there] = Pipe();
  Process server(&managers::run_server, core.registry, core.options.address, key,
                 core.options.max_message_bytes, managers::Initializer{std::move(initializer)},
                 there);
  server.name(name_of_server(core.class_name, server.name()));
  if (core.launcher != nullptr) {
    const std::lock_guard guard(process::lock());
    process::Access::core(server)->launcher = core.launcher;
  }
  server.start();
  there.close();
  managers::Report report;
  try {
    report = here.recv<managers::Report>();
  } catch (const EOFError&) {
    server.join();
    throw EOFError(fmt::format("{}: start: its server {} ended before it listened", core.class_name,
                               server.name()));
  }
  const auto& [error, what, address] = report;
  if (error != 0) {
    server.join();
    throw std::system_error(error, std::generic_category(), what);
  }
  core.starter = here;
  core.server.emplace(std::move(server));
  core.asks.link = ServerLink::to(address, AuthKey(key));
  core.finalizer = process::add_finalizer(0, [weak = std::weak_ptr<ManagerCore>(core_)] {
    if (const auto live = weak.lock()) live->end_server();
  });
}

void BaseManager::connect() {
  ManagerCore& core = *core_;
  require_initial(core, "connect");
  auto link = ServerLink::to(core.options.address, AuthKey(key_of(core.options)));
  link->give_back(link->connect());
  core.asks.link = std::move(link);
}

Server BaseManager::get_server() {
  ManagerCore& core = *core_;
  require_initial(core, "get_server");
  auto server = ServerCore::make(
      core.registry,
      {core.options.address, AuthKey(key_of(core.options)), core.options.max_message_bytes});
  core.has_own_server = true;
  core.options.address = server->address();
  return Server(std::move(server));
}

void BaseManager::shutdown() {
  ManagerCore& core = *core_;
  if (core.server && core.is_maker()) return core.end_server();
  if (core.asks.link == nullptr) {
    throw AttributeError(fmt::format("{}: shutdown: it was not started", core.class_name));
  }
  core.asks.link->ask(managers::Op::kShutdown, 0);
}

bool BaseManager::join(Timeout timeout) {
  if (!core_->server) {
    throw AttributeError(fmt::format("{}: join: it was not started", core_->class_name));
  }
  return core_->server->join(timeout);
}

Address BaseManager::address() const {
  return core_->asks.link != nullptr ? core_->asks.link->address() : core_->options.address;
}

const managers::ProxyCore* BaseManager::asks() const {
  if (core_->asks.link == nullptr) {
    throw AssertionError(fmt::format(
        "{}: its server is not there yet; call start() or connect() first", core_->class_name));
  }
  return &core_->asks;
}

std::size_t BaseManager::number_of_objects() const {
  detail::ProxyCall call(asks(), "number_of_objects");
  call.ask_count();
  return call.run<std::uint64_t>();
}

std::string BaseManager::debug_info() const {
  detail::ProxyCall call(asks(), "debug_info");
  call.ask_debug();
  return call.run<std::string>();
}

NamespaceProxy SyncManager::Namespace(
    std::initializer_list<std::pair<std::string, Object>> attributes) const {
  if (attributes.size() == 0) return make_of_key<NamespaceProxy>("Namespace", 0);
  return make_of_key<NamespaceProxy>("Namespace", 0,
                                     std::vector<std::pair<std::string, Object>>(attributes));
}

LockProxy SyncManager::Lock() const { return make_of_key<LockProxy>("Lock", 0); }
RLockProxy SyncManager::RLock() const { return make_of_key<RLockProxy>("RLock", 0); }
SemaphoreProxy SyncManager::Semaphore(int value) const {
  return make_of_key<SemaphoreProxy>("Semaphore", 0, value);
}
BoundedSemaphoreProxy SyncManager::BoundedSemaphore(int value) const {
  return make_of_key<BoundedSemaphoreProxy>("BoundedSemaphore", 0, value);
}
EventProxy SyncManager::Event() const { return make_of_key<EventProxy>("Event", 0); }
ConditionProxy SyncManager::Condition() const {
  return make_of_key<ConditionProxy>("Condition", 0);
}
ConditionProxy SyncManager::Condition(const LockProxy& lock) const {
  return make_of_key<ConditionProxy>(
      "Condition", 0, detail::ProxyAccess::make<AutoProxy>(detail::ProxyAccess::core(lock)));
}
ConditionProxy SyncManager::Condition(const RLockProxy& lock) const {
  return make_of_key<ConditionProxy>(
      "Condition", 0, detail::ProxyAccess::make<AutoProxy>(detail::ProxyAccess::core(lock)));
}
BarrierProxy SyncManager::Barrier(int parties, Timeout timeout) const {
  return make_of_key<BarrierProxy>("Barrier", 0, parties, nullptr, detail::seconds_of(timeout));
}

PoolProxy SyncManager::make_pool(const PoolOptions& options,
                                 std::shared_ptr<detail::Target> initializer) const {
  return make_of_key<PoolProxy>("Pool", 0, options.processes, options.maxtasksperchild,
                                detail::task_timeout_ns(options.task_timeout),
                                managers::Initializer{std::move(initializer)});
}

Manager::Manager(ManagerOptions options, process::Launcher* launcher)
    : SyncManager(std::move(options), launcher, "SyncManager") {
  start();
}

}  // namespace multiprocessing
