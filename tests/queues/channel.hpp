// SPDX-License-Identifier: BSL-1.0
// A queue of byte strings, without the typed classes above it.
#pragma once
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "memory/parcel.hpp"
#include "queues/consumer.hpp"
#include "queues/ledger.hpp"
#include "queues/producer.hpp"
#include "queues/queue_object.hpp"

namespace multiprocessing::test {

class Channel {
 public:
  using Flavour = queues::QueueObject::Flavour;
  static constexpr std::uint32_t kType = 7;

  explicit Channel(std::uint32_t maxsize = 0, Flavour flavour = Flavour::kQueue)
      : handle_(queues::make_queue(flavour, maxsize)) {}

  [[nodiscard]] queues::QueueObject& object() const { return handle_.as<queues::QueueObject>(); }
  [[nodiscard]] const memory::Handle& handle() const { return handle_; }
  [[nodiscard]] std::uint32_t size() const { return queues::size_of(object()); }

  bool put(std::string_view text, Timeout timeout = forever) {
    if (text.size() > queues::kInlineMax) return put_parcel(text, {}, timeout);
    return queues::put(object(), {kType, std::as_bytes(std::span(text))},
                       os::Deadline::after(timeout), patience_);
  }

  bool put_parcel(std::string_view text, std::span<const memory::Handle> handles = {},
                  Timeout timeout = forever) {
    auto* parcel = memory::make_parcel(text.size(), kType, handles);
    if (!text.empty()) std::memcpy(parcel->payload().data(), text.data(), text.size());
    const bool done =
        queues::put(object(), {kType, {}, parcel}, os::Deadline::after(timeout), patience_);
    if (!done) memory::free_parcel(parcel);
    return done;
  }

  std::optional<std::string> get(Timeout timeout = forever) {
    Refuse refuse;
    queues::Taken taken;
    const auto got =
        queues::get(object(), kType, refuse, taken, os::Deadline::after(timeout), patience_);
    if (got != queues::Got::kMessage) return std::nullopt;
    const auto bytes = taken.bytes();
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  std::optional<std::string> get_nowait() { return get(std::chrono::seconds(0)); }

 private:
  struct Refuse final : queues::Inspector {
    void inspect(std::uint32_t, std::span<const std::byte>,
                 std::span<const memory::Handle>) override {
      throw std::logic_error("a message of another type");
    }
  };

  memory::Handle handle_;
  os::Patience patience_;
};

/// A text of that length, which is easily told from others and from a torn one.
inline std::string text_of(std::size_t length, unsigned number = 1) {
  std::string text(length, '\0');
  for (std::size_t i = 0; i < length; ++i) {
    text[i] = static_cast<char>('a' + (i * 7 + number * 31 + i / 251) % 26);
  }
  return text;
}

}  // namespace multiprocessing::test
