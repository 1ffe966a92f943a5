// SPDX-License-Identifier: BSL-1.0
#include "connection/challenge.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <multiprocessing/errors.hpp>
#include <optional>

#include "os/random.hpp"

namespace multiprocessing::connection {
namespace {

constexpr std::string_view kChallenge = "#CHALLENGE#";
constexpr std::string_view kWelcome = "#WELCOME#";
constexpr std::string_view kFailure = "#FAILURE#";
constexpr std::string_view kMd5 = "md5";
constexpr std::size_t kRandomBytes = 40;
constexpr std::size_t kOldChallengeBytes = 20;
constexpr std::size_t kOldAnswerBytes = 16;

struct Digest {
  std::string_view name;
  const EVP_MD* (*method)();
};
constexpr std::array kDigests = {Digest{kMd5, ::EVP_md5}, Digest{"sha256", ::EVP_sha256},
                                 Digest{"sha384", ::EVP_sha384}, Digest{"sha3_256", ::EVP_sha3_256},
                                 Digest{"sha3_384", ::EVP_sha3_384}};
constexpr std::size_t kNameMax = 8;

BytesView bytes_of(std::string_view text) noexcept { return std::as_bytes(std::span(text)); }

std::string_view text_of(BytesView bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

const Digest* find_digest(std::string_view name) noexcept {
  for (const Digest& digest : kDigests)
    if (digest.name == name) return &digest;
  return nullptr;
}

// The digest in braces in front of a message; null if there is none that is known.
const Digest* named_digest(std::string_view message) noexcept {
  if (!message.starts_with('{')) return nullptr;
  const std::size_t end = message.substr(0, kNameMax + 2).find('}');
  return end == std::string_view::npos ? nullptr : find_digest(message.substr(1, end - 1));
}

std::string braced(std::string_view name) { return fmt::format("{{{}}}", name); }

Bytes hmac(const Digest& digest, BytesView key, BytesView message) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned size = 0;
  // A null key means to HMAC() the key of the call before.
  static constexpr unsigned char kNoBytes[1] = {};
  const void* from = key.empty() ? kNoBytes : static_cast<const void*>(key.data());
  if (::HMAC(digest.method(), from, static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(message.data()), message.size(), mac.data(),
             &size) == nullptr) {
    throw AuthenticationError(
        fmt::format("this system's libcrypto refuses the digest {}; choose another on both sides",
                    digest.name));
  }
  const BytesView bytes = std::as_bytes(std::span(mac).first(size));
  return {bytes.begin(), bytes.end()};
}

void append(Bytes& to, BytesView bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

[[noreturn]] void refuse_md5() {
  throw AuthenticationError(
      "the other side wants MD5, as CPython before 3.12 does, and allow_md5 is false here");
}

}  // namespace

BytesView welcome() noexcept { return bytes_of(kWelcome); }
BytesView failure() noexcept { return bytes_of(kFailure); }

Challenge::Challenge(Secret secret, std::string_view digest, BytesView random) : secret_(secret) {
  if (find_digest(digest) == nullptr || (digest == kMd5 && !secret.allow_md5)) {
    throw ValueError(fmt::format(
        "deliver_challenge: '{}' is no digest that can be asked for here; take md5 (if it is "
        "allowed), sha256, sha384, sha3_256 or sha3_384",
        digest));
  }
  append(message_, bytes_of(kChallenge));
  append(message_, bytes_of(braced(digest)));
  append(message_, random);
}

Challenge::Challenge(Secret secret, std::string_view digest)
    : Challenge(secret, digest, os::random_bytes<kRandomBytes>()) {}

void Challenge::verify(BytesView answer) const {
  const BytesView asked = BytesView(message_).subspan(kChallenge.size());
  const Digest* digest = nullptr;
  if (answer.size() == kOldAnswerBytes || answer.size() == kOldChallengeBytes) {
    digest = find_digest(kMd5);
  } else {
    digest = named_digest(text_of(answer));
    if (digest == nullptr) {
      throw AuthenticationError("the other side did not answer the challenge as the protocol says");
    }
    answer = answer.subspan(digest->name.size() + 2);
  }
  if (digest->name == kMd5 && !secret_.allow_md5) refuse_md5();
  const Bytes expected = hmac(*digest, secret_.key, asked);
  if (expected.size() != answer.size() ||
      ::CRYPTO_memcmp(expected.data(), answer.data(), expected.size()) != 0) {
    throw AuthenticationError("the digest received was wrong: the other side has another key");
  }
}

Bytes answer_to(Secret secret, BytesView challenge) {
  if (!text_of(challenge).starts_with(kChallenge)) {
    throw AuthenticationError(
        "the other side sent no challenge: it has no key, or does not speak this protocol");
  }
  const BytesView asked = challenge.subspan(kChallenge.size());
  if (asked.size() < kOldChallengeBytes) {
    throw AuthenticationError(fmt::format("the challenge is too short: {} bytes, {} at least",
                                          asked.size(), kOldChallengeBytes));
  }
  // CPython says "legacy" by the length alone; 16 bytes are too short to come here.
  const bool is_old = asked.size() == kOldChallengeBytes;
  if (is_old && secret.allow_md5) return hmac(*find_digest(kMd5), secret.key, asked);
  // One that does not know MD5 answers an old challenge so too.
  const Digest* digest = is_old ? find_digest("sha256") : named_digest(text_of(asked));
  if (digest == nullptr) {
    throw AuthenticationError("the challenge names no digest that is known here");
  }
  if (digest->name == kMd5 && !secret.allow_md5) refuse_md5();
  Bytes answer;
  append(answer, bytes_of(braced(digest->name)));
  append(answer, hmac(*digest, secret.key, asked));
  return answer;
}

void check_verdict(BytesView verdict) {
  if (text_of(verdict) == kWelcome) return;
  if (text_of(verdict) == kFailure) {
    throw AuthenticationError("the digest sent was rejected: the other side has another key");
  }
  throw AuthenticationError("the other side sent no verdict on the answer to its challenge");
}

}  // namespace multiprocessing::connection
