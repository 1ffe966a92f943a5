// SPDX-License-Identifier: BSL-1.0
// The pickle machine, as far as plain data needs it.
#include <fmt/format.h>

#include <array>
#include <iterator>
#include <multiprocessing/detail/pickle.hpp>
#include <multiprocessing/errors.hpp>
#include <optional>

#include "wire/hash_table.hpp"
#include "wire/pickle_callables.hpp"
#include "wire/pickle_opcodes.hpp"
#include "wire/pickle_stack.hpp"
#include "wire/utf8.hpp"

namespace multiprocessing::wire {

using detail::HashCost;
using detail::ObjectAccess;
using detail::ObjectKind;

namespace {

class PickleReader {
 public:
  // The analyzer does not see into the constructor of the stack, which leaves nothing out.
  // NOLINTNEXTLINE(clang-analyzer-optin.cplusplus.UninitializedObject)
  explicit PickleReader(std::span<const std::byte> bytes) : in_(bytes), stack_(in_) {}

  Object read();

 private:
  using Keys = PickleStack::Keys;
  using Traits = PickleStack::Traits;
  using Operation = void (*)(PickleReader&);
  using Operations = std::array<Operation, 256>;

  // One jump for each that is less frequent.
  static constexpr Operations operations() {
    Operations ops{};
    add_atoms(ops);
    add_memo(ops);
    add_containers(ops);
    return ops;
  }

  static constexpr void add_atoms(Operations& ops) {
    ops[kLong1] = [](PickleReader& r) { r.push_long(r.in_.take(r.in_.take<std::uint8_t>())); };
    ops[kLong4] = [](PickleReader& r) { r.push_long(r.in_.take(r.in_.take<std::uint32_t>())); };
    ops[kShortBinUnicode] = [](PickleReader& r) {
      r.push_text(r.in_.take(r.in_.take<std::uint8_t>()));
    };
    ops[kBinUnicode] = [](PickleReader& r) {
      r.push_text(r.in_.take(r.in_.take<std::uint32_t>()));
    };
    ops[kBinUnicode8] = [](PickleReader& r) {
      r.push_text(r.in_.take(r.in_.take<std::uint64_t>()));
    };
    ops[kShortBinBytes] = [](PickleReader& r) {
      r.push_bytes(r.in_.take(r.in_.take<std::uint8_t>()));
    };
    ops[kBinBytes] = [](PickleReader& r) { r.push_bytes(r.in_.take(r.in_.take<std::uint32_t>())); };
    ops[kBinBytes8] = [](PickleReader& r) {
      r.push_bytes(r.in_.take(r.in_.take<std::uint64_t>()));
    };
    ops[kByteArray8] = [](PickleReader& r) {
      r.push_bytes(r.in_.take(r.in_.take<std::uint64_t>()));
    };
  }

  static constexpr void add_memo(Operations& ops) {
    ops[kBinPut] = [](PickleReader& r) { r.stack_.memorise(r.in_.take<std::uint8_t>()); };
    ops[kLongBinPut] = [](PickleReader& r) { r.stack_.memorise(r.in_.take<std::uint32_t>()); };
    ops[kBinGet] = [](PickleReader& r) { r.stack_.recall(r.in_.take<std::uint8_t>()); };
    ops[kLongBinGet] = [](PickleReader& r) { r.stack_.recall(r.in_.take<std::uint32_t>()); };
  }

  static constexpr void add_containers(Operations& ops) {
    ops[kEmptyTuple] = [](PickleReader& r) { r.stack_.push(ObjectAccess::make(Object::Tuple())); };
    ops[kEmptySet] = [](PickleReader& r) {
      r.stack_.push(ObjectAccess::make_empty<Object::Set>(ObjectKind::kSet));
    };
    ops[kAppend] = [](PickleReader& r) { r.append(r.stack_.last(1)); };
    ops[kAppends] = [](PickleReader& r) { r.append(r.stack_.pop_mark()); };
    ops[kTuple1] = [](PickleReader& r) { r.make_tuple(r.stack_.last(1)); };
    ops[kTuple2] = [](PickleReader& r) { r.make_tuple(r.stack_.last(2)); };
    ops[kTuple3] = [](PickleReader& r) { r.make_tuple(r.stack_.last(3)); };
    ops[kTuple] = [](PickleReader& r) { r.make_tuple(r.stack_.pop_mark()); };
    ops[kSetItems] = [](PickleReader& r) { r.set_items(r.stack_.pop_mark()); };
    ops[kAddItems] = [](PickleReader& r) { r.add_items(r.stack_.pop_mark()); };
    ops[kFrozenSet] = [](PickleReader& r) { r.make_frozenset(r.stack_.pop_mark()); };
  }

  std::uint8_t read_frequent();
  void read_other(std::uint8_t op);

  void read_rest(std::uint8_t op) {
    switch (op) {
      case kProto:
        return read_protocol();
      case kFrame:
        if (const auto n = in_.take<std::uint64_t>(); n > in_.remaining())
          in_.fail(
              fmt::format("a frame of {} bytes is announced, {} are left", n, in_.remaining()));
        return;
      case kGlobal: {
        const std::string_view module = in_.take_line();
        return stack_.push_callable(find_callable(in_, module, in_.take_line()));
      }
      case kStackGlobal:
        return read_stack_global();
      case kReduce:
        return reduce();
      default:
        fail_refused(op);
    }
  }

  void read_protocol() {
    const auto protocol = in_.take<std::uint8_t>();
    if (protocol < 2 || protocol > 5)
      in_.fail(fmt::format("it is of protocol {}; send one of 2 to 5", protocol));
  }

  // Two's complement of any length.
  void push_long(std::string_view bytes) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
    const bool negative = !bytes.empty() && at(bytes.size() - 1) >= 0x80;
    std::uint64_t value = negative ? ~std::uint64_t{0} : 0;
    bool fits = true;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (i < sizeof value)
        value = (value & ~(std::uint64_t{0xff} << 8 * i)) | std::uint64_t{at(i)} << 8 * i;
      else
        fits = fits && at(i) == (negative ? 0xff : 0);
    }
    const auto number = static_cast<std::int64_t>(value);
    if (!fits || (number < 0) != negative)
      in_.fail("it holds an int of more than 64 bits; send it as a str");
    stack_.push(ObjectAccess::make(number));
  }

  void push_text(std::string_view text) {
    if (const std::size_t bad = find_invalid(text); bad != text.size())
      in_.fail(fmt::format("a str is not UTF-8 from its byte {} on", bad));
    stack_.push_text(ObjectAccess::make_text(text), text.size());
  }

  void push_bytes(std::string_view bytes) { stack_.push_text(Object::bytes(bytes), bytes.size()); }

  void append(std::size_t from) {
    const Traits added = stack_.settle(from, Keys::kNone);
    auto& list = stack_.changed<Object::List>(from, ObjectKind::kList, added);
    list.insert(list.end(), std::make_move_iterator(stack_.begin(from)),
                std::make_move_iterator(stack_.end()));
    stack_.drop_moved(from);
  }

  void make_tuple(std::size_t from) {
    const Traits traits = stack_.settle(from, Keys::kNone);
    Object::Tuple items(std::make_move_iterator(stack_.begin(from)),
                        std::make_move_iterator(stack_.end()));
    stack_.drop_moved(from);
    stack_.push(ObjectAccess::make(std::move(items)), traits);
  }

  void set_items(std::size_t from) {
    const Traits added = stack_.settle(from, Keys::kEverySecond);
    auto& dict = stack_.changed<Object::Dict>(from, ObjectKind::kDict, added);
    const auto n = static_cast<std::size_t>(stack_.end() - stack_.begin(from));
    if (n % 2 != 0) in_.fail("a key of a dict has no value");
    if (dict.empty()) ObjectAccess::reserve(dict, n / 2);
    with_keys([&](HashCost& cost) {
      for (Object* key = stack_.begin(from); key != stack_.end(); key += 2) {
        ObjectAccess::insert(dict, key[0], key[1], cost);
        charge(cost);
      }
    });
    stack_.retire(from);
  }

  void add_items(std::size_t from) {
    const Traits added = stack_.settle(from, Keys::kAll);
    auto& set = stack_.changed<Object::Set>(from, ObjectKind::kSet, added);
    insert(set, stack_.begin(from), stack_.end());
    stack_.retire(from);
  }

  void make_frozenset(std::size_t from) {
    const Traits traits = stack_.settle(from, Keys::kAll);
    Object::FrozenSet set;
    insert(set, stack_.begin(from), stack_.end());
    stack_.retire(from);
    stack_.push(ObjectAccess::make(std::move(set)), traits);
  }

  void insert(Object::Set& set, Object* from, Object* to) {
    if (set.empty()) set.reserve(static_cast<std::size_t>(to - from));
    with_keys([&](HashCost& cost) {
      for (; from != to; ++from) {
        ObjectAccess::insert(set, *from, cost);
        charge(cost);
      }
    });
  }

  // What cannot be hashed was never a key.
  template <class F> void with_keys(const F& f) {
    HashCost cost;
    try {
      f(cost);
    } catch (const TypeError& error) {
      in_.fail(error.what());
    }
  }

  // Now, not when all is done: it is the next key that may take too long.
  void charge(HashCost& cost) { stack_.charge(std::exchange(cost, {})); }

  void read_stack_global() {
    const std::size_t from = stack_.last(2);
    stack_.settle(from, Keys::kNone);
    const Object* const names = stack_.begin(from);
    if (names[0].kind() != ObjectKind::kStr || names[1].kind() != ObjectKind::kStr)
      in_.fail("a name is no str");
    const PickleCallable callable =
        find_callable(in_, ObjectAccess::text(names[0]), ObjectAccess::text(names[1]));
    stack_.retire(from);
    stack_.push_callable(callable);
  }

  // A call of what find_callable knows. It is data as well: nothing is called.
  void reduce() {
    const std::size_t from = stack_.last(2);
    Traits traits = stack_.settle(from + 1, Keys::kNone);
    const PickleCallable callable = stack_.callable_at(from);
    const Object arguments = *stack_.begin(from + 1);
    stack_.retire(from);
    if (arguments.kind() != ObjectKind::kTuple) in_.fail("the arguments of a call are no tuple");
    Object argument = argument_of(in_, callable, ObjectAccess::list(arguments));
    if (callable != PickleCallable::kSet && callable != PickleCallable::kFrozenSet)
      return push_bytes(ObjectAccess::text(argument));
    // The tuple and the list are gone, and the set is what they enclosed.
    traits.depth = static_cast<std::uint16_t>(traits.depth - 2);
    stack_.charge(traits.weight);
    Object::List items = ObjectAccess::list(argument);
    Object::Set set;
    insert(set, items.data(), items.data() + items.size());
    stack_.push(callable == PickleCallable::kSet
                    ? ObjectAccess::make(std::move(set))
                    : ObjectAccess::make(Object::FrozenSet(std::move(set))),
                traits);
  }

  [[noreturn]] void fail_refused(std::uint8_t op) {
    const char* const name = refused_op_name(op);
    if (name == nullptr) in_.fail(fmt::format("there is no operation {:#04x}", op));
    in_.fail(fmt::format("it has the operation {}, which plain data does not need", name));
  }

  PickleInput in_;
  PickleStack stack_;
};

// Behind the class, which has to be complete for its table.
inline void PickleReader::read_other(std::uint8_t op) {
  static constexpr Operations kOperations = operations();
  if (op == kSetItem) return set_items(stack_.last(2));
  if (op == kMemoize) return stack_.memorise();
  if (const Operation operation = kOperations[op]; operation != nullptr)
    operation(*this);
  else
    read_rest(op);
}

// What is frequent, with the place in the input and the end of the stack in registers. Says which
// operation is next that is not.
inline std::uint8_t PickleReader::read_frequent() {
  PickleStack::InHand stack(stack_);
  const char* at = in_.at();
  const auto take = [&]<class T>(T value) {
    in_.check(at, sizeof value);
    std::memcpy(&value, at, sizeof value);
    at += sizeof value;
    return value;
  };
  const auto push_int = [&stack](std::int64_t value) { stack.push(ObjectAccess::make(value)); };
  for (;;) {
    const auto op = take(std::uint8_t{});
    switch (op) {
      case kNone:
        stack.push(Object());
        continue;
      case kNewTrue:
      case kNewFalse:
        stack.push(ObjectAccess::make(op == kNewTrue));
        continue;
      case kBinInt:
        push_int(take(std::int32_t{}));
        continue;
      case kBinInt1:
        push_int(take(std::uint8_t{}));
        continue;
      case kBinInt2:
        push_int(take(std::uint16_t{}));
        continue;
      case kBinFloat:
        stack.push(
            ObjectAccess::make(std::bit_cast<double>(__builtin_bswap64(take(std::uint64_t{})))));
        continue;
      case kShortBinUnicode: {
        ObjectAccess::ShortWords words;
        std::size_t size = 0;
        if (!in_.read_short_ascii(at, words, size)) break;
        stack.push(ObjectAccess::make_short(ObjectKind::kStr, words, size));
        at += 1 + size;
        continue;
      }
      case kBinGet:
        in_.check(at, 1);
        if (const Object* value = stack_.memorised(static_cast<unsigned char>(*at))) {
          stack.push(*value);
          ++at;
          continue;
        }
        break;
      case kEmptyDict:
        stack.push(ObjectAccess::make_empty<Object::Dict>(ObjectKind::kDict));
        continue;
      case kEmptyList:
        stack.push(ObjectAccess::make_empty<Object::List>(ObjectKind::kList));
        continue;
      case kMark:
        stack.mark();
        continue;
      default:
        break;
    }
    in_.go_on_at(at);
    return op;
  }
}

Object PickleReader::read() {
  if (in_.take<std::uint8_t>() != kProto)
    in_.fail("it does not begin as one of protocol 2 or later does");
  read_protocol();
  for (;;) {
    const std::uint8_t op = read_frequent();
    if (op == kStop) break;
    read_other(op);
  }
  if (in_.remaining() != 0)
    in_.fail(fmt::format("{} bytes follow behind its end", in_.remaining()));
  return stack_.result();
}

}  // namespace
}  // namespace multiprocessing::wire

namespace multiprocessing::detail {

Object decode_pickle(std::span<const std::byte> bytes) { return wire::PickleReader(bytes).read(); }

}  // namespace multiprocessing::detail
