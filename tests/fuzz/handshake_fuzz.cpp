// SPDX-License-Identifier: BSL-1.0
// Any messages as the other side of a handshake: only who answers with the key's digest is
// believed, everything else is AuthenticationError or EOFError.
//
// The first byte of the input says which half is played and what is allowed. Then come messages: a
// byte that says of what sort it is, and for one of any bytes its length and them. Some sorts are
// answers by the key or nearly, which no fuzzer would come by.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <multiprocessing/errors.hpp>
#include <string_view>
#include <system_error>
#include <vector>

#include "connection/handshake.hpp"
#include "os/fd.hpp"

namespace mp = multiprocessing;
using mp::connection::Bytes;
using mp::connection::BytesView;
using mp::connection::Secret;

namespace {

constexpr std::string_view kDigests[] = {"sha256", "md5", "sha384", "sha3_256", "sha3_384"};
constexpr std::string_view kKey = "the key";

Bytes bytes_of(std::string_view text) {
  const BytesView bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

const Bytes kKeyBytes = bytes_of(kKey);

// The peer that the input describes.
class Script final : public mp::connection::Channel {
 public:
  explicit Script(BytesView input) noexcept : input_(input) {}

  void send(BytesView message) override { sent_.assign(message.begin(), message.end()); }

  Bytes receive() override {
    is_proof_ = false;
    switch (take() % 6) {
      case 0:
        return proof();
      case 1: {
        Bytes answer = proof();
        if (answer.empty()) return answer;
        const std::size_t at = take() % answer.size();
        const std::byte change{take()};
        answer[at] ^= change;
        is_proof_ = is_proof_ && change == std::byte{0};
        return answer;
      }
      case 2:
        return bytes_of("#WELCOME#");
      case 3:
        return bytes_of("#CHALLENGE#{sha256}0123456789012345678901234567890123456789");
      default:
        return any();
    }
  }

  /// Whether what was received last proves the key.
  [[nodiscard]] bool is_proof() const noexcept { return is_proof_; }
  [[nodiscard]] const Bytes& sent() const noexcept { return sent_; }

 private:
  std::uint8_t take() {
    if (input_.empty()) throw mp::EOFError("the script is over");
    const auto value = std::to_integer<std::uint8_t>(input_.front());
    input_ = input_.subspan(1);
    return value;
  }
  Bytes any() {
    const std::size_t length = std::min<std::size_t>(take(), input_.size());
    const BytesView bytes = input_.first(length);
    input_ = input_.subspan(length);
    return {bytes.begin(), bytes.end()};
  }
  Bytes proof() {
    if (sent_.empty()) return any();
    try {
      Bytes answer = mp::connection::answer_to({kKeyBytes, true}, sent_);
      is_proof_ = true;
      return answer;
    } catch (const mp::AuthenticationError&) {
      return any();  // what was sent is no challenge
    }
  }

  BytesView input_;
  Bytes sent_;
  bool is_proof_ = false;
};

// What a real socket brings: frames, or what is none.
void play_over_socket(BytesView stream, bool deliver, const Secret& secret) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
  const mp::os::Fd end(ends[0]);
  mp::os::Fd peer(ends[1]);
  if (::send(peer.get(), stream.data(), stream.size(), MSG_NOSIGNAL) < 0) std::abort();
  ::shutdown(peer.get(), SHUT_WR);
  mp::connection::SocketChannel channel(end.get(), mp::os::Deadline::never());
  try {
    if (deliver) {
      mp::connection::deliver(channel, secret, "sha256");
      std::abort();  // nobody could know the answer
    }
    mp::connection::answer(channel, secret);
  } catch (const mp::AuthenticationError&) {
  } catch (const mp::EOFError&) {
  } catch (const std::system_error&) {
  }
}

void play_deliver(BytesView input, std::string_view digest, const Secret& secret) {
  Script script(input);
  bool believed = false;
  try {
    mp::connection::deliver(script, secret, digest);
    believed = true;
  } catch (const mp::AuthenticationError&) {
    if (script.is_proof() && (secret.allow_md5 || digest != "md5")) std::abort();
  } catch (const mp::EOFError&) {
  }
  if (believed && !script.is_proof()) std::abort();
  if (believed != (script.sent() == bytes_of("#WELCOME#"))) std::abort();
}

void play_answer(BytesView input, const Secret& secret) {
  Script script(input);
  try {
    mp::connection::answer(script, secret);
  } catch (const mp::AuthenticationError&) {
  } catch (const mp::EOFError&) {
  }
  if (script.sent().size() > mp::connection::kHandshakeBytesMax) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 10'000) return 0;
  const BytesView input = std::as_bytes(std::span(data, size)).subspan(1);
  const unsigned how = data[0];
  const bool allow_md5 = (how & 1U) != 0;
  const Secret secret{kKeyBytes, allow_md5};
  const std::string_view digest = kDigests[(how >> 3U) % 5];
  switch (how >> 1U & 3U) {
    case 0:
      play_over_socket(input, (how & 8U) != 0, secret);
      break;
    case 1:
      play_answer(input, secret);
      break;
    default:
      if (digest != "md5" || allow_md5) play_deliver(input, digest, secret);
  }
  return 0;
}
