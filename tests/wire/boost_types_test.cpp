// SPDX-License-Identifier: BSL-1.0
// What Boost.Serialization can serialise is a message; for pointers see boost_pointers_test.cpp.
#include "round_trip.hpp"

#include <boost/serialization/binary_object.hpp>
#include <forward_list>
#include <valarray>

namespace {

struct Named {
  std::string name;
  std::vector<double> numbers;
  bool operator==(const Named&) const = default;

  template <class Archive> void serialize(Archive& ar, unsigned) { ar& name& numbers; }
};

class Private {
 public:
  explicit Private(int number) : number_(number) {}
  bool operator==(const Private&) const = default;

 private:
  friend class boost::serialization::access;
  Private() = default;
  template <class Archive> void serialize(Archive& ar, unsigned) { ar& number_; }
  int number_ = 0;
};

class Final final {
 public:
  Final() = default;
  explicit Final(int number) : number_(number) {}
  bool operator==(const Final&) const = default;

 private:
  friend class boost::serialization::access;
  template <class Archive> void serialize(Archive& ar, unsigned) { ar& number_; }
  int number_ = 0;
};

class Split {
 public:
  Split() = default;
  explicit Split(int number) : number_(number) {}
  bool operator==(const Split&) const = default;

 private:
  friend class boost::serialization::access;
  template <class Archive> void save(Archive& ar, unsigned) const {
    const int twice = 2 * number_;
    ar << twice;
  }
  template <class Archive> void load(Archive& ar, unsigned) {
    ar >> number_;
    number_ /= 2;
  }
  BOOST_SERIALIZATION_SPLIT_MEMBER()
  int number_ = 0;
};

struct Versioned {
  int number = 0;
  unsigned saved_as = 0;
  unsigned loaded_as = 0;

  template <class Archive> void serialize(Archive& ar, unsigned version) {
    (Archive::is_saving::value ? saved_as : loaded_as) = version;
    ar& number;
  }
};

// Its aggregate members alone would do; `serialize` leaves one out.
struct Chosen {
  int kept = 0;
  int left_out = 0;

  template <class Archive> void serialize(Archive& ar, unsigned) { ar& kept; }
};

class WithoutDefault {
 public:
  explicit WithoutDefault(int number) : number_(number) {}
  [[nodiscard]] int number() const { return number_; }
  bool operator==(const WithoutDefault&) const = default;

  template <class Archive> void serialize(Archive&, unsigned) {}

 private:
  int number_;
};

}  // namespace

BOOST_CLASS_VERSION(Versioned, 3)

namespace boost::serialization {
template <class Archive>
void save_construct_data(Archive& ar, const WithoutDefault* value, unsigned) {
  const int number = value->number();
  ar << number;
}
template <class Archive> void load_construct_data(Archive& ar, WithoutDefault* value, unsigned) {
  int number = 0;
  ar >> number;
  ::new (value) WithoutDefault(number);
}
}  // namespace boost::serialization

namespace outside {
struct Free {
  int number;
  bool operator==(const Free&) const = default;
};
template <class Archive> void serialize(Archive& ar, Free& free, unsigned) { ar& free.number; }

class InBoost {
 public:
  int number = 0;
  bool operator==(const InBoost&) const = default;
};
}  // namespace outside

namespace boost::serialization {
template <class Archive> void serialize(Archive& ar, outside::InBoost& value, const unsigned int) {
  ar& value.number;
}
}  // namespace boost::serialization

namespace {

struct Plain {
  int number;
  std::string text;
  bool operator==(const Plain&) const = default;
};

struct Silent {
  template <class Archive> void serialize(Archive&, unsigned) {}
};

enum class Mode : std::uint8_t { on = 7 };

struct Everything {
  std::optional<Named> some = Named{"some", {1}};
  std::optional<Named> none;
  std::variant<int, Named> either = Named{"either", {}};
  std::tuple<int, Named> both{1, {"both", {2}}};
  std::optional<int> number = 5;
  std::variant<std::monostate, std::string> text = "text";
  std::tuple<bool, char> small{true, 'x'};
  Plain plain{1, "plain"};
  std::vector<Plain> plains{{2, "a"}, {3, "b"}};
  std::map<std::string, Named> map{{"k", {"v", {3}}}};
  std::chrono::seconds seconds{3};
  Mode mode = Mode::on;
  int array[3] = {1, 2, 3};
  bool flags[2] = {true, false};
  bool operator==(const Everything&) const = default;

  template <class Archive> void serialize(Archive& ar, unsigned) {
    ar& some& none& either& both& number& text& small& plain& plains& map& seconds& mode& array&
        flags;
  }
};

class Pointers {
 public:
  Pointers() = default;
  Pointers(const Pointers&) = delete;
  Pointers(Pointers&& other) noexcept : owned(std::exchange(other.owned, nullptr)) {
    std::copy(std::begin(other.numbers), std::end(other.numbers), numbers);
    std::copy(std::begin(other.raw), std::end(other.raw), raw);
  }
  ~Pointers() { delete owned; }
  template <class Archive> void serialize(Archive& ar, unsigned) {
    ar& boost::serialization::make_nvp("owned", owned);
    ar& boost::serialization::make_array(numbers, 4);
    ar& boost::serialization::make_binary_object(raw, sizeof raw);
  }
  Named* owned = nullptr;
  double numbers[4] = {};
  char raw[3] = {};
};

}  // namespace

namespace multiprocessing::detail {
namespace {

TEST(BoostTypes, SerializeIsFoundWhereverItIs) {
  expect_round_trip(Named{"name", {1, 2}});
  expect_round_trip(Private(5));
  expect_round_trip(Final(5));
  expect_round_trip(Split(5));
  expect_round_trip(outside::Free{5});
  outside::InBoost in_boost;
  in_boost.number = 5;
  expect_round_trip(in_boost);
}

TEST(BoostTypes, SerializeGoesBeforeTheMembersOfAnAggregate) {
  EXPECT_EQ(copied(Chosen{1, 2}).left_out, 0);
}

TEST(BoostTypes, AClassKeepsItsVersion) {
  Versioned value{.number = 5};
  const Versioned copy = copied(value);

  EXPECT_EQ(copy.loaded_as, 3U);
  EXPECT_EQ(copy.number, 5);
}

TEST(BoostTypes, AConstructorWithArgumentsIsCalledByLoadConstructData) {
  expect_round_trip(WithoutDefault(5));
  expect_round_trip(std::optional<WithoutDefault>(5));
  expect_round_trip(std::variant<int, WithoutDefault>(WithoutDefault(5)));
  expect_round_trip(std::vector<WithoutDefault>(3, WithoutDefault(5)));
}

TEST(BoostTypes, ContainersOfSuchTypesAreMessages) {
  const Named a{"a", {1}};
  expect_round_trip(std::vector<Named>{a, {}});
  expect_round_trip(std::deque<Named>{a});
  expect_round_trip(std::list<Named>{a});
  expect_round_trip(std::array<Named, 2>{a, a});
  expect_round_trip(std::map<std::string, Named>{{"k", a}});
  expect_round_trip(std::unordered_map<int, Named>{{1, a}});
  expect_round_trip(std::pair<Named, int>{a, 1});
  expect_round_trip(std::tuple<int, Named>{1, a});
  expect_round_trip(std::optional<Named>{a});
  expect_round_trip(std::optional<Named>{});
  expect_round_trip(std::variant<int, Named>{a});
  expect_round_trip(std::vector<std::optional<std::map<int, std::vector<Named>>>>{{{{1, {a}}}}});
}

TEST(BoostTypes, MembersMayBeAnythingThatIsAMessage) { expect_round_trip(Everything{}); }

TEST(BoostTypes, BoostsOwnWrappersAndRawPointersTravel) {
  Pointers value;
  value.owned = new Named{"owned", {1}};
  value.numbers[3] = 0.5;
  value.raw[2] = 'x';

  const Pointers copy = copied(value);

  EXPECT_EQ(*copy.owned, *value.owned);
  EXPECT_NE(copy.owned, value.owned);
  EXPECT_EQ(copy.numbers[3], 0.5);
  EXPECT_EQ(copy.raw[2], 'x');
}

TEST(BoostTypes, OtherTypesOfTheStandardLibraryTravelByBoostsHeaders) {
  expect_round_trip(std::forward_list<int>{1, 2});
  const std::valarray<double> numbers{1, 2};
  const std::valarray<double> copy = copied(numbers);
  EXPECT_TRUE(std::equal(begin(copy), end(copy), begin(numbers), end(numbers)));
}

TEST(BoostTypes, ALengthThatIsMoreThanTheMessageHasIsAnErrorAndNotAnAllocation) {
  constexpr std::uint8_t kLength = 77;
  std::vector<std::byte> bytes = bytes_of(std::vector<Named>(kLength));
  *std::find(bytes.begin(), bytes.end(), std::byte{kLength}) = std::byte{0xff};
  Decoder decoder(bytes);

  EXPECT_THROW(static_cast<void>(decode<std::vector<Named>>(decoder)), ValueError);
}

TEST(BoostTypes, ManyObjectsThatWriteNothingArriveInTheSameNumber) {
  EXPECT_EQ(copied(std::vector<Silent>(1000)).size(), 1000U);
}

}  // namespace
}  // namespace multiprocessing::detail
