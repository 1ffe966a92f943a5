// SPDX-License-Identifier: BSL-1.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <multiprocessing/detail/managers/list.hpp>
#include <multiprocessing/detail/managers/referent.hpp>
#include <multiprocessing/detail/pickle.hpp>
#include <unordered_map>

#include "connection/parking.hpp"
#include "managers/session.hpp"
#include "os/clock.hpp"
#include "os/fork_mutex.hpp"

namespace multiprocessing::detail {
namespace {

// How long the death of a caller that waits may go unnoticed.
constexpr std::int64_t kSliceNs = 100'000'000;

// Made before main by whoever is first.
std::unordered_map<std::uint64_t, std::pair<KnownReferent::Make, int>>& makers() {
  static auto* const all =
      new std::unordered_map<std::uint64_t, std::pair<KnownReferent::Make, int>>;
  return *all;
}
os::ForkMutex& makers_mutex() {
  static auto* const mutex = new os::ForkMutex;
  return *mutex;
}

// Which of "obj,block,timeout" is the i-th; empty: there are not so many.
std::string_view parameter(const char* names, std::size_t i) {
  std::string_view rest = names == nullptr ? "" : names;
  for (; i > 0; --i) {
    const std::size_t comma = rest.find(',');
    if (comma == std::string_view::npos) return {};
    rest.remove_prefix(comma + 1);
  }
  return rest.substr(0, rest.find(','));
}

}  // namespace

bool ServerCall::has_next() const {
  if (!python_) return taken_ < count_;
  if (taken_ < positional_.size()) return true;
  const std::string_view name = parameter(parameters_, taken_);
  return !name.empty() && !keywords_.is_none() && keywords_.contains(Object(name));
}

void ServerCall::expect_at_most(std::size_t arguments) const {
  const std::size_t given = count_ - std::min(taken_, count_);
  if (given <= arguments) return;
  throw TypeError(fmt::format("it takes {} argument{}, and {} were given", arguments,
                              arguments == 1 ? "" : "s", given));
}

Fingerprint ServerCall::begin_argument() {
  if (taken_ >= count_) throw TypeError(fmt::format("argument {} is missing", taken_ + 1));
  ++taken_;
  decoder_.align(16);
  const auto type = decoder_.take<Fingerprint>();
  static_cast<void>(decoder_.take<std::uint32_t>());
  if (decoder_.take<std::uint64_t>() > decoder_.remaining()) {
    throw ValueError(fmt::format("argument {} is cut short", taken_));
  }
  return type;
}

const Object& ServerCall::next_object() {
  const std::size_t i = taken_++;
  if (i < positional_.size()) return positional_[i];
  const std::string_view name = parameter(parameters_, i);
  if (name.empty() || keywords_.is_none() || !keywords_.contains(Object(name))) {
    throw TypeError(name.empty() ? fmt::format("argument {} is missing", i + 1)
                                 : fmt::format("argument '{}' is missing", name));
  }
  if (positional_.capacity() < i + 8) positional_.reserve(i + 8);
  // Named ones join the others in their order, so that the reference stays good.
  while (positional_.size() < i) positional_.emplace_back();
  positional_.push_back(keywords_.at(Object(name)));
  return positional_.back();
}

RawValue ServerCall::raw_arg() {
  RawValue value;
  if (python_) {
    Encoder encoder;
    encode_object(encoder, next_object());
    value.type = object_fingerprint();
    value.bytes.assign(encoder.bytes().begin(), encoder.bytes().end());
    return value;
  }
  if (taken_ >= count_) throw TypeError(fmt::format("argument {} is missing", taken_ + 1));
  ++taken_;
  decoder_.align(16);
  value.type = decoder_.take<Fingerprint>();
  static_cast<void>(decoder_.take<std::uint32_t>());
  const auto size = decoder_.take<std::uint64_t>();
  if (size > decoder_.remaining())
    throw ValueError(fmt::format("argument {} is cut short", taken_));
  const std::byte* const at = decoder_.view(size);
  value.bytes.assign(at, at + size);
  value.handles.assign(handles_.begin(), handles_.end());
  return value;
}

void ServerCall::begin_reply(Fingerprint type) {
  out_.put_at(offsetof(managers::ReplyHeader, type), type);
}

// While the method still holds whatever they belong to.
void ServerCall::park_descriptors() { connection::park_descriptors_of(out_); }

void ServerCall::reply_raw(const RawValue& value) {
  if (python_) {
    Decoder decoder(value.bytes, value.handles);
    result_ = read_value<Object>(value.type, decoder);
    return;
  }
  begin_reply(value.type);
  out_.write(value.bytes.data(), value.bytes.size());
  // The bytes name them by number.
  for (const Handle& handle : value.handles) out_.attach_handle(handle);
}

void ServerCall::reply_object(const std::shared_ptr<Referent>& object) {
  if (python_) {
    if (object->type_id() != kIteratorType) {
      refuse_in_python(fmt::format("a {} of a method", object->type_id()));
    }
    object_ = object;
    return;
  }
  session_.reply_object(object, out_);
}

const managers::ServerCore& ServerCall::server() const noexcept { return session_.server(); }

void ServerCall::refuse_in_python(const std::string& type) {
  throw TypeError(type + " has no counterpart in Python");
}

bool ServerCall::wait(std::unique_lock<std::mutex>& lock, std::condition_variable& changed,
                      const os::Deadline& deadline) {
  if (deadline.passed()) return false;
  const std::int64_t slice_ends = os::now_ns() + kSliceNs;
  const std::int64_t until_ns = std::min(deadline.at_ns(), slice_ends);
  // The steady clock counts as the kernel's monotonic one, from the same moment.
  const std::chrono::steady_clock::time_point until{std::chrono::nanoseconds(until_ns)};
  const bool notified = changed.wait_until(lock, until) == std::cv_status::no_timeout;
  try {
    session_.check_caller();
  } catch (const managers::CallerGone&) {
    // What it was told of is for another.
    if (notified) changed.notify_one();
    throw;
  }
  return true;
}

void ServerCall::check_caller() const { session_.check_caller(); }

std::string Referent::print() const { return fmt::format("<{} object>", type_id()); }

Object Referent::value() const {
  throw TypeError(fmt::format("{}: it has no counterpart in Python", type_id()));
}

const Method* Referent::find(const MethodName& method) const noexcept {
  for (const Method& each : methods()) {
    if (each.name.hash == method.hash) return &each;
  }
  return nullptr;
}

void Referent::call(const MethodName& method, ServerCall& call) {
  if (const Method* const found = find(method)) return found->run(*this, call);
  if (method.hash == MethodName("__str__").hash) return call.reply(print());
  fail_no_method(type_id(), method, method_names());
}

std::vector<std::string> Referent::method_names() const {
  std::vector<std::string> names;
  for (const Method& each : methods()) names.emplace_back(each.name.text);
  return names;
}

void Referent::client_died(managers::Client& /*client*/) noexcept {}

void fail_no_method(std::string_view type_id, const MethodName& method,
                    const std::vector<std::string>& known) {
  throw AttributeError(fmt::format(
      "'{}' object has no method{}; it has {}", type_id,
      method.text.empty() ? std::string(" of that name") : fmt::format(" '{}'", method.text),
      fmt::join(known, ", ")));
}

KnownReferent::KnownReferent(std::uint64_t key, Make make) : key_(key) {
  const std::lock_guard guard(makers_mutex());
  auto& entry = makers()[key];
  entry.first = make;
  ++entry.second;
}

KnownReferent::~KnownReferent() {
  const std::lock_guard guard(makers_mutex());
  if (--makers()[key_].second == 0) makers().erase(key_);
}

KnownReferent::Make maker_of(std::uint64_t key) {
  const std::lock_guard guard(makers_mutex());
  const auto found = makers().find(key);
  if (found == makers().end()) {
    throw TypeError(
        "the manager's server is a program that does not use a proxy of this type anywhere; "
        "use one of mp::Object, or name the type there");
  }
  return found->second.first;
}

std::size_t checked_index(std::int64_t index, std::size_t size, std::string_view what) {
  const auto n = static_cast<std::int64_t>(size);
  if (index < -n || index >= n) throw IndexError(fmt::format("{} out of range", what));
  return static_cast<std::size_t>(index < 0 ? index + n : index);
}

std::optional<std::pair<std::size_t, std::size_t>> slice_in(const Object& index, std::size_t size) {
  // (class, (start, stop, step)), see decode_python.
  if (index.kind() != Object::Kind::kTuple || index.size() != 2 || index[1].size() != 3) {
    return std::nullopt;
  }
  const Object parts = index[1];
  const Object step = parts[2];
  if (!step.is_none() && step != Object(1)) {
    throw ValueError("list: a slice with a step cannot be had from this server");
  }
  const auto end = [&](const Object& given, std::size_t otherwise) {
    return given.is_none() ? otherwise : clamped_index(given.as<std::int64_t>(), size);
  };
  const std::size_t from = end(parts[0], 0);
  return std::pair(from, std::max(from, end(parts[1], size)));
}

std::size_t clamped_index(std::int64_t index, std::size_t size) noexcept {
  const auto n = static_cast<std::int64_t>(size);
  return static_cast<std::size_t>(std::clamp<std::int64_t>(index < 0 ? index + n : index, 0, n));
}

}  // namespace multiprocessing::detail
