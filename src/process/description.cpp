// SPDX-License-Identifier: BSL-1.0
#include "process/description.hpp"

#include <limits>
#include <multiprocessing/detail/callable.hpp>
#include <typeinfo>

#include "os/stdio.hpp"
#include "process/start_method.hpp"
#include "process/tree.hpp"

namespace multiprocessing::process {
namespace {

using detail::decode;
using detail::encode;

constinit thread_local bool writes_target = false;

struct HandingDown {
  HandingDown() noexcept { writes_target = true; }
  ~HandingDown() { writes_target = false; }
  HandingDown(const HandingDown&) = delete;
  HandingDown& operator=(const HandingDown&) = delete;
};

struct Person {
  std::string name;
  std::vector<int> identity;
  bool daemon;
};

Person person_of(const Core& core) {
  const std::lock_guard guard(lock());
  return {core.name, core.identity, core.daemon};
}

std::shared_ptr<Core> core_of(Person person) {
  auto core = std::make_shared<Core>();
  core->name = std::move(person.name);
  core->name_is_given = true;
  core->identity = std::move(person.identity);
  core->daemon = person.daemon;
  core->state = State::kStarted;
  return core;
}

}  // namespace

bool handing_down() noexcept { return writes_target; }

void encode_description(detail::Encoder& encoder, const Process& process, const Core& core) {
  const std::shared_ptr<Core> parent = image_for_children();
  encode(encoder, person_of(core));
  std::shared_ptr<detail::Target> target;
  std::vector<std::byte> authkey;
  {
    const std::lock_guard guard(lock());
    authkey = core.authkey;
    target = core.target;
  }
  encode(encoder, authkey);
  encode(encoder, person_of(*parent));
  encoder.put(static_cast<std::int32_t>(parent->parent.pid));
  const LogState log = log_state();
  encode(encoder, log.to_stderr);
  encode(encoder, log.level);
  encode(encoder, std::string(chosen_method()));
  const HandingDown handing_down;
  const bool is_subclass = typeid(process) != typeid(Process);
  encode(encoder, is_subclass);
  if (is_subclass) Access::encode_subclass(process, encoder);
  encode(encoder, target != nullptr);
  if (target != nullptr) target->encode(encoder);
  os::flush_standard_streams();
}

Description::Description(detail::Decoder& decoder, memory::Serial parent_serial)
    : core(core_of(decode<Person>(decoder))) {
  core->maker = std::numeric_limits<unsigned>::max();  // another image of the program
  core->authkey = decode<std::vector<std::byte>>(decoder);
  parent = core_of(decode<Person>(decoder));
  parent->role = Role::kParent;
  parent->pid = decoder.take<std::int32_t>();
  parent->parent = {parent->pid, parent_serial};
  log.to_stderr = decode<bool>(decoder);
  log.level = decode<LogLevel>(decoder);
  start_method = decode<std::string>(decoder);
}

std::unique_ptr<Process> decode_process(detail::Decoder& decoder,
                                        const std::shared_ptr<Core>& core) {
  std::unique_ptr<Process> process;
  if (decode<bool>(decoder)) {
    process = detail::decode_function<std::unique_ptr<Process>(detail::Decoder&)>(decoder)(decoder);
  } else {
    process = std::make_unique<Process>();
  }
  Access::set_core(*process, core);
  if (decode<bool>(decoder)) {
    core->target = detail::decode_target(decoder);
    core->has_target = true;
  }
  return process;
}

}  // namespace multiprocessing::process
