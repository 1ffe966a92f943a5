// SPDX-License-Identifier: BSL-1.0
// The messages of CPython's handshake, made and judged; nothing here reads or writes.
//
// challenge := "#CHALLENGE#" asked         who asks sends it first
// asked     := "{" digest "}" byte[40]     CPython before 3.12: byte[20], and MD5 is meant
// answer    := "{" digest "}" hmac         keyed over `asked`; before 3.12: the HMAC-MD5 alone
// verdict   := "#WELCOME#" | "#FAILURE#"
//
// Who accepts a connection asks first and answers then, the other way round who connects. The
// digest's name is part of what is authenticated, so nobody in between can talk the sides into
// another; a peer that knows the key may choose MD5 where it is allowed.
#pragma once
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace multiprocessing::connection {

using Bytes = std::vector<std::byte>;
using BytesView = std::span<const std::byte>;

/// Longer messages have no place in a handshake.
inline constexpr std::size_t kHandshakeBytesMax = 256;

[[nodiscard]] BytesView welcome() noexcept;
[[nodiscard]] BytesView failure() noexcept;

struct Secret {
  BytesView key;
  bool allow_md5;
};

/// What one side asks of the other.
class Challenge {
 public:
  /// THROWS: ValueError for an unknown digest, or MD5 where it is not allowed.
  Challenge(Secret secret, std::string_view digest);
  /// The same with known bytes behind the name, for tests.
  Challenge(Secret secret, std::string_view digest, BytesView random);

  [[nodiscard]] const Bytes& message() const noexcept { return message_; }
  /// THROWS: AuthenticationError if the answer does not show that the other side knows the key.
  void verify(BytesView answer) const;

 private:
  Secret secret_;
  Bytes message_;
};

/// What to answer. THROWS: AuthenticationError if it is no challenge, or if MD5 is asked for where
/// it is not allowed.
[[nodiscard]] Bytes answer_to(Secret secret, BytesView challenge);

/// THROWS: AuthenticationError if the verdict is not a welcome.
void check_verdict(BytesView verdict);

}  // namespace multiprocessing::connection
