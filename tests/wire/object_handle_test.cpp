// SPDX-License-Identifier: BSL-1.0
// Handles in Objects: what an Object of a Queue or a Lock can do, and how it travels.
#include <gtest/gtest.h>

#include <multiprocessing/connection.hpp>
#include <multiprocessing/detail/message.hpp>
#include <multiprocessing/detail/pickle.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/queues.hpp>
#include <multiprocessing/sharedctypes.hpp>
#include <multiprocessing/synchronize.hpp>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace multiprocessing::detail {
namespace {

template <class Wanted, class T> Wanted received(const T& value) {
  Encoder encoder;
  encode(encoder, value);
  Decoder decoder(encoder.bytes(), encoder.handles());
  auto copy = decode_as<Wanted>(fingerprint<T>(), decoder);
  EXPECT_EQ(decoder.remaining(), 0U) << type_name<T>();
  return copy;
}

template <class F> std::string type_error_of(F&& f) {
  try {
    f();
  } catch (const TypeError& error) {
    return error.what();
  }
  return "no TypeError";
}

template <class T> void expect_same_after_a_journey(const T& handle) {
  SCOPED_TRACE(type_name<T>());
  const Object o = handle;
  EXPECT_EQ(o.kind(), Object::Kind::kHandle);
  EXPECT_TRUE(o.is<T>());
  EXPECT_TRUE(HandleAccess::get(o.as<T>()) == HandleAccess::get(handle));
  EXPECT_EQ(received<Object>(o), o);
  // Typed on one side alone.
  EXPECT_EQ(received<Object>(handle), o);
  EXPECT_TRUE(HandleAccess::get(received<T>(o)) == HandleAccess::get(handle));
}

TEST(ObjectHandle, EveryKindComesOutAsItWentInAndTravels) {
  expect_same_after_a_journey(Queue<int>());
  expect_same_after_a_journey(Queue<>());
  expect_same_after_a_journey(JoinableQueue<std::string>());
  expect_same_after_a_journey(SimpleQueue<>());
  expect_same_after_a_journey(Lock());
  expect_same_after_a_journey(RLock());
  expect_same_after_a_journey(Semaphore(2));
  expect_same_after_a_journey(BoundedSemaphore(2));
  expect_same_after_a_journey(Event());
  expect_same_after_a_journey(Condition());
  expect_same_after_a_journey(Barrier(2));
  expect_same_after_a_journey(Value<int>(1));
  expect_same_after_a_journey(RawValue<double>(1));
  expect_same_after_a_journey(Array<int>{1, 2});
  expect_same_after_a_journey(RawArray<char>(3));
}

TEST(ObjectHandle, NamesTheSameThingInEveryCopy) {
  Queue<> queue;
  Object box = Object::list({queue});
  const Object copy = box;
  box.append(1);

  copy[0].as<Queue<>>().put("x");

  EXPECT_EQ(queue.get(), "x");
  EXPECT_EQ(copy.size(), 1U);
}

TEST(ObjectHandle, ThatCanBeIteratedIsNeverCopiedUnasked) {
  Array<int> array{1, 2};

  const Object o = array;
  array[0] = 7;

  EXPECT_EQ(o.as<Array<int>>()[0], 7);
  EXPECT_THROW(static_cast<void>(o.begin()), TypeError);
  EXPECT_EQ(Object::list(array), Object::list({7, 2}));
  EXPECT_EQ(Object::list({array})[0], o);
}

TEST(ObjectHandle, OneWithADescriptorAndOneThatNamesNothingStayOut) {
  static_assert(!std::is_constructible_v<Object, Connection>);
  static_assert(!std::is_constructible_v<Object, std::vector<Connection>>);
  static_assert(std::is_convertible_v<std::vector<Lock>, Object>);
  static_assert(!kHasObjectForm<Lock> && !kHasObjectForm<std::vector<Lock>>);

  EXPECT_THROW(static_cast<void>(Object(HandleAccess::make<Queue<int>>(Handle()))), ValueError);
}

TEST(ObjectHandle, IsReadAsItsOwnTypeOnly) {
  const Object o = Queue<int>();

  EXPECT_FALSE(o.is<Queue<long>>());
  EXPECT_FALSE(o.is<Lock>());
  EXPECT_FALSE(o.is<int>());
  EXPECT_FALSE(Object(1).is<Lock>());
  const std::string error = type_error_of([&] { static_cast<void>(o.as<Lock>()); });
  EXPECT_NE(error.find("Queue<int>"), std::string::npos) << error;
  EXPECT_NE(error.find("multiprocessing::Lock"), std::string::npos) << error;
  EXPECT_NE(type_error_of([&] { static_cast<void>(o.as<int>()); }).find("Queue<int>"),
            std::string::npos);
  EXPECT_NE(type_error_of([] { static_cast<void>(Object("x").as<Lock>()); }).find("str 'x'"),
            std::string::npos);
}

TEST(ObjectHandle, IsEqualToWhatNamesTheSameThingAndCanBeAKey) {
  const Lock lock;
  const Object o = lock;
  const Object other = Lock();

  EXPECT_EQ(o, lock);
  EXPECT_EQ(o.hash(), Object(lock).hash());
  EXPECT_NE(o, other);
  EXPECT_NE(o, Object());
  EXPECT_NE(o, 1);
  EXPECT_THROW(static_cast<void>(o < other), TypeError);

  Object names = Object::dict({{lock, "the one"}, {other, "the other"}});
  EXPECT_EQ(names[lock], "the one");
  EXPECT_EQ(Object::set({lock, o, lock}).size(), 1U);
  EXPECT_TRUE(Object::list({1, lock}).contains(o));
  EXPECT_EQ(received<Object>(names)[lock], "the one");
}

TEST(ObjectHandle, PrintsWhatItIsAndHasNoMore) {
  const Object o = Queue<int>();

  EXPECT_STREQ(o.type_name(), "Queue<int>");
  EXPECT_TRUE(o.repr().starts_with("<Queue<int> object at 0x")) << o.repr();
  EXPECT_EQ(o.str(), o.repr());
  EXPECT_EQ(Object::list({o}).str(), "[" + o.repr() + "]");
  EXPECT_TRUE(static_cast<bool>(o));
  EXPECT_THROW(static_cast<void>(o.size()), TypeError);
  EXPECT_THROW(static_cast<void>(o[0]), TypeError);
  EXPECT_THROW(static_cast<void>(o.contains(1)), TypeError);
  Object copy = o;
  EXPECT_THROW(copy.append(1), AttributeError);
  const std::string error =
      type_error_of([&] { o.visit([](const auto& value) { static_cast<void>(value); }); });
  EXPECT_NE(error.find("Queue<int>"), std::string::npos) << error;
}

TEST(ObjectHandle, SeveralTravelInOneMessageBesideTypedOnes) {
  const std::vector<Lock> locks(2);
  const Event event;
  const Queue<int> queue;
  using Message = std::tuple<Lock, Object, Lock, std::vector<Object>>;
  const Message message{locks[0],
                        Object::dict({{"queue", queue}, {"all", Object::tuple({event, queue})}}),
                        locks[1],
                        {1, event}};
  Encoder encoder;
  encode(encoder, std::string("something before"));
  encode(encoder, event);
  encode(encoder, message);
  Decoder decoder(encoder.bytes(), encoder.handles());
  static_cast<void>(decode<std::string>(decoder));
  static_cast<void>(decode<Event>(decoder));

  const auto [first, objects, second, rest] = decode<Message>(decoder);

  EXPECT_EQ(first, locks[0]);
  EXPECT_EQ(second, locks[1]);
  EXPECT_EQ(objects["queue"], queue);
  EXPECT_EQ(objects["all"], Object::tuple({event, queue}));
  EXPECT_EQ(rest[1], event);
}

TEST(ObjectHandle, OfATypeThatNobodyKnowsCanBePassedOn) {
  constexpr Fingerprint kUnknown = 0x12345678;
  const Lock lock;
  const Object o = make_shared_handle(kUnknown, HandleAccess::get(lock));

  const Object passed_on = received<Object>(received<Object>(o));

  EXPECT_EQ(passed_on, o);
  EXPECT_TRUE(*shared_handle_in(passed_on, kUnknown) == HandleAccess::get(lock));
  EXPECT_STREQ(o.type_name(), "handle");
  EXPECT_FALSE(o.is<Lock>());
}

TEST(ObjectHandle, InContainersIsReadTypedAndDynamically) {
  const std::vector<Lock> locks(3);
  const std::map<std::string, std::pair<int, std::optional<Lock>>> table{{"a", {1, locks[0]}},
                                                                         {"b", {2, std::nullopt}}};

  EXPECT_EQ(received<Object>(locks), Object(locks));
  EXPECT_EQ(received<std::vector<Lock>>(Object(locks)), locks);
  EXPECT_EQ(received<Object>(table), Object::dict({{"a", Object::tuple({1, locks[0]})},
                                                   {"b", Object::tuple({2, nullptr})}}));
  EXPECT_EQ((received<std::remove_const_t<decltype(table)>>(Object(table))), table);
  using Either = std::variant<int, Lock>;
  EXPECT_EQ(std::get<Lock>(received<Either>(Object(locks[0]))), locks[0]);
  EXPECT_EQ(received<Object>(Either(locks[1])), locks[1]);
}

TEST(ObjectHandle, AMessageThatIsCutShortOrNamesWhatDidNotComeIsAValueError) {
  const Object o = Object::list({Lock(), Event()});
  Encoder encoder;
  encode(encoder, o);
  for (std::size_t n = 0; n < encoder.size(); ++n) {
    const std::vector<std::byte> cut(encoder.bytes().begin(),
                                     encoder.bytes().begin() + static_cast<std::ptrdiff_t>(n));
    Decoder decoder(cut, encoder.handles());
    EXPECT_THROW(static_cast<void>(decode<Object>(decoder)), ValueError) << n;
  }
  Decoder without_handles(encoder.bytes());
  EXPECT_THROW(static_cast<void>(decode<Object>(without_handles)), ValueError);
  Encoder nothing;
  nothing.put(HeldHandle::Form::kShared);
  nothing.put(fingerprint<Lock>());
  nothing.write_handle(Handle());
  Decoder decoder(nothing.bytes());
  EXPECT_THROW(static_cast<void>(decode<Object>(decoder)), ValueError);
}

TEST(ObjectHandle, HasNoCounterpartInPythonAndNoneInBytesAlone) {
  const Object o = Object::list({1, Lock()});
  Encoder pickle;
  const std::string error = type_error_of([&] { encode_pickle(pickle, o); });
  EXPECT_NE(error.find("a Lock has no counterpart in Python"), std::string::npos) << error;
  std::vector<std::byte> bytes;
  EXPECT_NE(type_error_of([&] { encode_object(bytes, o); }).find("Lock"), std::string::npos);
}

}  // namespace
}  // namespace multiprocessing::detail
