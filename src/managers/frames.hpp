// SPDX-License-Identifier: BSL-1.0
// What a client and a server of this library say to each other behind the handshake. A CPython
// client begins with a pickle instead, see python_session.hpp.
//
// frame   := length:i32be payload | -1:i32be length:u64be payload       as CPython frames
// payload := hello | welcome | request | reply
// hello   := Hello name:string arena:string         the first of a client
// welcome := Welcome name:string                    the answer
// request := RequestHeader value* objects
// reply   := ReplyHeader result objects
// result  := what encode<T> wrote | error (process/error_codec.hpp) | object
// object  := ident:u64 ticket:handle type_id:string
// objects := align8 u64[handles]     names of shared objects, between processes that share an arena
//
// A client sends its next request when it has its reply. kRelease and kTaken have none.
#pragma once
#include <cstddef>
#include <cstdint>
#include <multiprocessing/detail/encoder.hpp>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "os/patience.hpp"

namespace multiprocessing::managers {

/// An object's number in its server: 24 bits of the server's own, then a count.
using Ident = std::uint64_t;
inline constexpr int kIdentBits = 40;

inline constexpr std::uint64_t kMagic = 0x0001'004d'706d'00ff;  // no pickle begins with 0xff

struct Hello {
  std::uint64_t magic = kMagic;
  std::uint64_t client = 0;    ///< of a process, whatever the number of its connections; odd
  std::uint64_t inherits = 0;  ///< the client that it was forked from
  std::uint32_t pid = 0;
  std::uint32_t zero = 0;
};

struct Welcome {
  std::uint64_t magic = kMagic;
  std::uint64_t max_message_bytes = 0;
  std::uint32_t pid = 0;
  std::uint8_t in_tree = 0;  ///< both share an arena: shared objects may travel
  std::uint8_t zeros[3] = {};
};

enum class Op : std::uint8_t {
  kCall,       ///< a method of an object
  kMake,       ///< an object of a type of the library
  kCreate,     ///< one by a registration
  kCallNamed,  ///< a value by a registration
  kLease,      ///< refers to an object from now on
  kRelease,    ///< no longer; no reply
  kKeep,       ///< a reference is under way to somebody: the object stays for a while
  kTaken,      ///< has taken references to the shared objects of the last reply; no reply
  kDummy,
  kCount,
  kDebug,
  kShutdown,
};

inline constexpr std::uint8_t kNoCpu = 0xff;

struct RequestHeader {
  Op op = Op::kCall;
  std::uint8_t cpu = kNoCpu;  ///< where the client is; only with a server on the same machine
  std::uint16_t arguments = 0;
  std::uint32_t method = 0;  ///< hash; of kMake: of the type id
  Ident ident = 0;
  std::uint32_t thread = 0;
  std::uint32_t handles = 0;
  std::uint64_t key = 0;  ///< of kMake
};
static_assert(sizeof(RequestHeader) == 32);

enum class ReplyKind : std::uint8_t { kReturn, kError, kObject };

struct ReplyHeader {
  ReplyKind kind = ReplyKind::kReturn;
  std::uint8_t crowded = 0;  ///< the client had better give way than look for its next reply
  std::uint8_t zeros[2] = {};
  std::uint32_t type = 0;  ///< fingerprint of what follows
  std::uint32_t handles = 0;
  std::uint32_t zero = 0;
};
static_assert(sizeof(ReplyHeader) == 16);

/// Sends a payload, with the names of its handles' objects behind it. False: nobody can receive it.
/// THROWS: std::system_error.
bool send_frame(int fd, const detail::Encoder& payload);
bool send_frame(int fd, std::span<const std::byte> payload);

/// How many bytes the frame's payload has.
[[nodiscard]] std::size_t frame_bytes(const detail::Encoder& payload) noexcept;

/// Reads frames; the last one stays until the next is read. One thread at a time.
class FrameReader {
 public:
  FrameReader() noexcept = default;
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;
  ~FrameReader();

  /// The next payload, at a multiple of 16; none at the end of the stream. THROWS:
  /// std::system_error, EMSGSIZE for one longer than `limit`: then the stream cannot be read on;
  /// std::bad_alloc: then skip_rest() comes first.
  [[nodiscard]] std::optional<std::span<const std::byte>> read(int fd, std::uint64_t limit);

  /// Takes away the rest of a frame that there was no memory for. False: the stream has ended, or
  /// it is not known where the next frame begins.
  [[nodiscard]] bool skip_rest(int fd) noexcept;

  /// Whether it looks for a frame before it sleeps; so it does at first. Otherwise it leaves the
  /// CPU to others before.
  void look_first(bool looks) noexcept { looks_ = looks; }

 private:
  [[nodiscard]] bool fill(int fd, std::size_t wanted);
  void reserve(std::size_t bytes);

  os::Patience patience_;
  bool looks_ = true;
  std::byte* memory_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;  // of what was received and not yet read
  std::size_t end_ = 0;
  std::uint64_t announced_ = 0;  // the length of a payload that is not here yet
};

/// The shared objects named behind a payload, of which there are `handles`; cuts the names off.
/// Death of the sender: its references kept them alive; where they have been swept, EOFError.
/// THROWS: ValueError where it names fewer, MemoryError.
[[nodiscard]] std::vector<detail::Handle> take_objects(std::span<const std::byte>& payload,
                                                       std::uint32_t handles);

template <class Header> [[nodiscard]] Header header_of(std::span<const std::byte> payload) {
  return detail::Decoder(payload).take<Header>();
}

}  // namespace multiprocessing::managers
