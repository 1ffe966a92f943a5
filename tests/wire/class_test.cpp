// SPDX-License-Identifier: BSL-1.0
// Classes of the library as messages: handles, and those that say themselves how they travel.
#include <gtest/gtest.h>

#include <multiprocessing/detail/message.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/synchronize.hpp>

namespace multiprocessing::detail {
namespace {

class Ticket {
 public:
  explicit Ticket(int number) : Ticket(Handle(std::make_shared<int>(number))) {}
  [[nodiscard]] int number() const { return handle_.as<int>(); }

 private:
  friend class detail::HandleAccess;
  explicit Ticket(Handle handle) : handle_(std::move(handle)) {}
  Handle handle_;
};

// Holds one of the same name, but it is nobody's business.
class Secret {
  Handle handle_;
};

// Travels with a descriptor.
struct Stream {
  int fd;
};

// Travels as nothing at all, and counts its bytes.
struct Marker {
  bool operator==(const Marker&) const { return true; }
};

struct Order {
  int id;
  Ticket ticket;
  std::vector<Ticket> more;
};

struct Serialised {
  std::optional<Ticket> ticket;
  std::vector<Marker> markers;
  template <class Archive> void serialize(Archive& ar, unsigned) { ar& ticket& markers; }
};

}  // namespace

template <> struct Traveller<Stream> {
  static void encode(Encoder& encoder, const Stream& stream) {
    encoder.write_descriptor(stream.fd);
  }
  static Stream decode(Decoder& decoder) { return {decoder.read_descriptor()}; }
};

template <> struct Traveller<Marker> {
  template <class Out> static void encode(Out& /*out*/, const Marker& /*marker*/) {}
  static Marker decode(Decoder& /*decoder*/) { return {}; }
};

namespace {

TEST(HandleClass, TravelsAsItsHandle) {
  static_assert(Message<Ticket> && kSizedMessage<Ticket>);
  Encoder encoder;
  encode(encoder, Ticket(5));
  EXPECT_EQ(encoder.size(), encoded_size(Ticket(5)));

  Decoder decoder(encoder.bytes(), encoder.handles());

  EXPECT_EQ(decode<Ticket>(decoder).number(), 5);
}

TEST(HandleClass, MayBePartOfAnyMessage) {
  Encoder encoder;
  encode(encoder, Order{1, Ticket(2), {Ticket(3), Ticket(4)}});

  Decoder decoder(encoder.bytes(), encoder.handles());
  const auto order = decode<Order>(decoder);

  EXPECT_EQ(encoder.handles().size(), 3U);
  EXPECT_EQ(order.ticket.number(), 2);
  EXPECT_EQ(order.more[1].number(), 4);
}

TEST(HandleClass, MayBeAMemberOfATypeThatBoostSerialises) {
  Encoder encoder;
  encode(encoder, Serialised{Ticket(5), std::vector<Marker>(3)});

  Decoder decoder(encoder.bytes(), encoder.handles());
  const auto copy = decode<Serialised>(decoder);

  EXPECT_EQ(copy.ticket->number(), 5);
  EXPECT_EQ(copy.markers.size(), 3U);
}

TEST(HandleClass, OneThatDoesNotOpenItsHandleIsNoMessage) { static_assert(!Message<Secret>); }

TEST(HandleClass, LocksTravel) {
  static_assert(Message<Lock> && Message<RLock> && Message<Event> && Message<Condition>);
  static_assert(Message<std::vector<std::pair<Semaphore, Barrier>>>);
  const Lock lock;
  Encoder encoder;
  encode(encoder, lock);

  Decoder decoder(encoder.bytes(), encoder.handles());
  auto same = decode<Lock>(decoder);

  same.acquire();
  EXPECT_TRUE(lock.locked());
  same.release();
}

TEST(Traveller, SaysHowItsClassTravels) {
  static_assert(Message<Stream> && !kSizedMessage<Stream>);
  Encoder encoder;
  encode(encoder, std::optional<Stream>{Stream{10}});
  EXPECT_EQ(encoder.descriptors(), std::vector<int>{10});
  std::vector<int> received{20};

  Decoder decoder(encoder.bytes(), {}, received);

  EXPECT_EQ(decode<std::optional<Stream>>(decoder)->fd, 20);
  EXPECT_EQ(received[0], -1);
}

TEST(Traveller, ThatWritesNothingCanStillBeCounted) {
  static_assert(kSizedMessage<std::vector<Marker>>);
  const std::vector<Marker> markers(1000);
  Encoder encoder;
  encode(encoder, markers);
  EXPECT_EQ(encoder.size(), encoded_size(markers));

  Decoder decoder(encoder.bytes());

  EXPECT_EQ(decode<std::vector<Marker>>(decoder), markers);
}

}  // namespace
}  // namespace multiprocessing::detail
