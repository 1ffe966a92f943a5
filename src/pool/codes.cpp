// SPDX-License-Identifier: BSL-1.0
#include "pool/codes.hpp"

#include <cstring>
#include <memory>
#include <multiprocessing/detail/callable.hpp>

#include "memory/parcel.hpp"
#include "memory/reference_word.hpp"

namespace multiprocessing::pool {
namespace {

// Its block in the row that the board's end frees.
std::uint64_t publish_code(Board& board, const detail::TaskCode& code) {
  detail::Encoder encoder;
  detail::encode_function(encoder, code.entry);
  encoder.put(code.function != nullptr);
  if (code.function != nullptr) detail::encode_function(encoder, code.function);
  memory::Parcel* parcel = memory::make_parcel(encoder.size(), 0, {});
  std::memcpy(parcel->payload().data(), encoder.bytes().data(), encoder.size());
  const std::uint64_t name = memory::name_of(parcel);
  parcel->place[0] = board.codes.load();
  // It is in the row only when it belongs to the board: who follows the row finds no dead end.
  board.code_in_hand.store(name);
  memory::publish(parcel);
  board.codes.store(name);
  return name;
}

}  // namespace

std::uint64_t CodeBook::name_of(Board& board, const detail::TaskCode& code) {
  const Key key{code.entry, code.function};
  const std::lock_guard guard(mutex_);
  if (last_name_ != 0 && key == last_) return last_name_;
  auto found = names_.find(key);
  if (found == names_.end()) found = names_.emplace(key, publish_code(board, code)).first;
  last_ = key;
  last_name_ = found->second;
  return last_name_;
}

const detail::TaskCode& CodeReader::find(std::uint64_t name) {
  if (name == last_name_) return *last_;
  auto found = known_.find(name);
  if (found == known_.end()) {
    auto* parcel = memory::block_of<memory::Parcel>(name);
    detail::Decoder decoder(parcel->payload());
    detail::TaskCode code;
    code.entry = detail::decode_function<void(detail::Chunk&)>(decoder);
    if (decoder.take<bool>()) code.function = detail::decode_function<void()>(decoder);
    found = known_.emplace(name, code).first;
  }
  last_name_ = name;
  last_ = &found->second;
  return *last_;
}

}  // namespace multiprocessing::pool
