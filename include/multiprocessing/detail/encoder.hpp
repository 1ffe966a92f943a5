// SPDX-License-Identifier: BSL-1.0
// The bytes of a message, and what travels beside them: handles and descriptors.
//
// message := value…                 whatever encode<T> wrote, in the machine's own byte order
// length  := n:u8 | 0xff n:u64      how many elements follow
// handle  := u32                    0: an empty handle; i + 1: the i-th that travels beside
// fd      := u32                    the i-th descriptor that travels beside
//
// Arrays of numbers are padded with zero bytes so that they lie aligned, counted from the
// message's first byte. A message that lies at a multiple of 16 is therefore read without a copy
// in between; at any other address it is read as well, only slower. Whoever puts one message into
// another and cuts it out again begins it at a multiple of 16: `encoder.align(16)`.
#pragma once
#include <multiprocessing/detail/handle.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

namespace multiprocessing::detail {

/// What goes out. One thread at a time. Knows nothing of the descriptors' ownership: they are
/// borrowed and have to stay open until the message has been sent.
class Encoder {
 public:
  Encoder() noexcept = default;

  /// Writes into `buffer` (shared memory, say), which lies at a multiple of 16, for as long as it
  /// suffices; what is longer moves to memory of the encoder's own. in_place() tells the two apart.
  explicit Encoder(std::span<std::byte> buffer) noexcept
      : begin_(buffer.data()), cursor_(buffer.data()), end_(buffer.data() + buffer.size()) {}

  Encoder(Encoder&& other) noexcept;
  Encoder& operator=(Encoder&& other) noexcept;
  ~Encoder();

  void write(const void* data, std::size_t n) {
    if (n > room()) [[unlikely]]
      grow(n);
    if (n != 0) std::memcpy(cursor_, data, n);
    cursor_ += n;
  }

  /// One number, as it lies in memory. For types without padding.
  template <class T> void put(T value) {
    static_assert(std::is_trivially_copyable_v<T>);
    write(&value, sizeof value);
  }

  /// Writes over a number that was put at that position: a size that is known only afterwards.
  template <class T> void put_at(std::size_t position, T value) {
    static_assert(std::is_trivially_copyable_v<T>);
    std::memcpy(begin_ + position, &value, sizeof value);
  }

  /// Room for `n` bytes or more behind what was written; advance() says how many were put there.
  [[nodiscard]] std::span<std::byte> room_for(std::size_t n) {
    if (n > room()) grow(n);
    return {cursor_, end_};
  }
  void advance(std::size_t n) noexcept { cursor_ += n; }

  /// How many elements follow.
  void write_length(std::uint64_t n) {
    if (n < 0xff) return put(static_cast<std::uint8_t>(n));
    put(std::uint8_t{0xff});
    put(n);
  }

  /// Zero bytes up to the next multiple of `alignment`, a power of two of at most 16.
  void align(std::size_t alignment) {
    constexpr std::byte kZeros[16] = {};
    write(kZeros, (alignment - size() % alignment) % alignment);
  }

  /// Remembers the handle, so that the object lives as long as this encoder, and writes its index.
  void write_handle(const Handle& handle);

  /// Remembers a handle whose index is in bytes that are written as they are.
  void attach_handle(const Handle& handle) { handles_.push_back(handle); }

  /// Remembers the descriptor (borrowed) and writes its index.
  void write_descriptor(int fd);

  /// What was written so far; valid until the next write.
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {begin_, cursor_}; }
  [[nodiscard]] std::size_t size() const noexcept {
    return static_cast<std::size_t>(cursor_ - begin_);
  }

  /// True while everything lies in the buffer given to the constructor.
  [[nodiscard]] bool in_place() const noexcept { return own_ == nullptr; }

  /// How many more bytes fit before there has to be more memory.
  [[nodiscard]] std::size_t room() const noexcept {
    return static_cast<std::size_t>(end_ - cursor_);
  }

  [[nodiscard]] const std::vector<Handle>& handles() const noexcept { return handles_; }
  [[nodiscard]] const std::vector<int>& descriptors() const noexcept { return descriptors_; }

  /// Forgets all that was written, handles and descriptors too. Keeps the memory.
  void clear() noexcept { cut_back({}); }

  /// How much has been written.
  struct Mark {
    std::size_t bytes = 0;
    std::size_t handles = 0;
    std::size_t descriptors = 0;
  };
  [[nodiscard]] Mark mark() const noexcept {
    return {size(), handles_.size(), descriptors_.size()};
  }

  /// Forgets what was written since: the torn message that an exception left, say.
  void cut_back(const Mark& mark) noexcept {
    cursor_ = begin_ + mark.bytes;
    handles_.resize(mark.handles);
    descriptors_.resize(mark.descriptors);
  }

  /// Goes on in `buffer`, as if it had been given to the constructor: what was written is copied
  /// there, handles and descriptors stay. REQUIRES: room for what was written.
  void move_to(std::span<std::byte> buffer) noexcept;

 private:
  void grow(std::size_t n);

  std::byte* begin_ = nullptr;
  std::byte* cursor_ = nullptr;
  std::byte* end_ = nullptr;
  std::byte* own_ = nullptr;  // equal to begin_ once the memory is the encoder's own
  std::vector<Handle> handles_;
  std::vector<int> descriptors_;
};

/// What came in. Every read is checked: a message that is cut short, or that tells of more than it
/// has, is a ValueError that says where. All that is given is borrowed.
class Decoder {
 public:
  /// `descriptors`: the i-th is handed to who reads it and then becomes -1 in the span, so that
  /// the caller closes those that nobody took.
  explicit Decoder(std::span<const std::byte> message, std::span<const Handle> handles = {},
                   std::span<int> descriptors = {}) noexcept
      : begin_(message.data()),
        cursor_(message.data()),
        end_(message.data() + message.size()),
        handles_(handles),
        descriptors_(descriptors) {}

  void read(void* to, std::size_t n) {
    const std::byte* from = view(n);
    if (n != 0) std::memcpy(to, from, n);
  }

  /// One number, as Encoder::put wrote it.
  template <class T> [[nodiscard]] T take() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    read(&value, sizeof value);
    return value;
  }

  /// The next `n` bytes where they lie; valid as long as the message.
  const std::byte* view(std::size_t n) {
    if (n > remaining()) [[unlikely]]
      fail_short(n);
    const std::byte* from = cursor_;
    cursor_ += n;
    return from;
  }

  /// What write_length wrote, unchecked: a number that nobody allocates memory for.
  [[nodiscard]] std::uint64_t read_number() {
    const auto n = take<std::uint8_t>();
    return n == 0xff ? take<std::uint64_t>() : n;
  }

  /// How many elements follow, each of at least `element_bytes` (not 0) bytes; more than can be
  /// there is an error, before anybody allocates memory for them.
  [[nodiscard]] std::size_t read_length(std::size_t element_bytes = 1) {
    const std::uint64_t n = read_number();
    if (n > remaining() / element_bytes) [[unlikely]]
      fail_length(n, element_bytes);
    return static_cast<std::size_t>(n);
  }

  /// Skips what Encoder::align wrote.
  void align(std::size_t alignment) { view((alignment - position() % alignment) % alignment); }

  /// The handle that write_handle wrote.
  [[nodiscard]] Handle read_handle();

  /// The descriptor that write_descriptor wrote. The taker owns it, and each can be taken once.
  [[nodiscard]] int read_descriptor();

  /// All that the message's bytes name by number.
  [[nodiscard]] std::span<const Handle> handles() const noexcept { return handles_; }

  [[nodiscard]] std::size_t position() const noexcept {
    return static_cast<std::size_t>(cursor_ - begin_);
  }
  [[nodiscard]] std::size_t remaining() const noexcept {
    return static_cast<std::size_t>(end_ - cursor_);
  }

 private:
  [[noreturn]] void fail_short(std::size_t n) const;
  [[noreturn]] void fail_length(std::uint64_t n, std::size_t element_bytes) const;

  const std::byte* begin_;
  const std::byte* cursor_;
  const std::byte* end_;
  std::span<const Handle> handles_;
  std::span<int> descriptors_;
};

}  // namespace multiprocessing::detail
