// SPDX-License-Identifier: BSL-1.0
// Pointers in messages, by Boost.Serialization: shared, polymorphic, cyclic.
#include "round_trip.hpp"

#include <boost/serialization/export.hpp>

namespace {

struct Shape {
  virtual ~Shape() = default;
  [[nodiscard]] virtual double area() const = 0;
  template <class Archive> void serialize(Archive&, unsigned) {}
};

struct Square : Shape {
  Square() = default;
  explicit Square(double s) : side(s) {}
  [[nodiscard]] double area() const override { return side * side; }
  template <class Archive> void serialize(Archive& ar, unsigned) {
    ar& boost::serialization::base_object<Shape>(*this);
    ar& side;
  }
  double side = 0;
};

struct Unexported : Square {
  template <class Archive> void serialize(Archive& ar, unsigned) {
    ar& boost::serialization::base_object<Square>(*this);
  }
};

struct Pair {
  std::shared_ptr<Shape> first;
  std::shared_ptr<Shape> second;
};

struct Node {
  int number = 0;
  std::shared_ptr<Node> next;
  std::weak_ptr<Node> previous;
  template <class Archive> void serialize(Archive& ar, unsigned) { ar& number& next& previous; }
};

struct Linked {
  Linked* self = nullptr;
  std::string name;
  template <class Archive> void serialize(Archive& ar, unsigned) { ar& self& name; }
};

struct Plain {
  int number;
  std::string text;
  bool operator==(const Plain&) const = default;
};

struct Named {
  std::string name;
  bool operator==(const Named&) const = default;
  template <class Archive> void serialize(Archive& ar, unsigned) { ar& name; }
};

}  // namespace

BOOST_CLASS_EXPORT(Square)

namespace multiprocessing::detail {
namespace {

TEST(BoostPointers, APointerToADerivedClassArrivesAsOne) {
  const auto shared = copied(std::shared_ptr<Shape>(std::make_shared<Square>(3)));
  const auto unique = copied(std::unique_ptr<Shape>(std::make_unique<Square>(4)));

  EXPECT_EQ(shared->area(), 9);
  EXPECT_EQ(unique->area(), 16);
  EXPECT_EQ(copied(std::shared_ptr<Shape>()), nullptr);
}

TEST(BoostPointers, PointersThatShareAnObjectShareItsCopy) {
  const auto shape = std::make_shared<Square>(3);
  const Pair copy = copied(Pair{shape, shape});
  const auto list = copied(std::vector<std::shared_ptr<Shape>>{shape, shape});

  EXPECT_EQ(copy.first, copy.second);
  EXPECT_EQ(list[0], list[1]);
}

TEST(BoostPointers, PointersMayFormACycle) {
  const auto first = std::make_shared<Node>();
  first->next = std::make_shared<Node>();
  first->next->number = 1;
  first->next->previous = first;

  const auto copy = copied(first);

  EXPECT_EQ(copy->next->number, 1);
  EXPECT_EQ(copy->next->previous.lock(), copy);
}

TEST(BoostPointers, APointerMayPointToAPlainAggregateOrAContainer) {
  EXPECT_EQ(*copied(std::make_shared<Plain>(Plain{1, "x"})), (Plain{1, "x"}));
  EXPECT_EQ(*copied(std::make_shared<std::vector<int>>(3, 1)), std::vector<int>(3, 1));
  EXPECT_EQ(*copied(std::make_shared<std::optional<Named>>(Named{"x"})), (Named{"x"}));
}

TEST(BoostPointers, ADerivedClassThatIsNotExportedIsATypeErrorThatSaysWhatToDo) {
  const std::shared_ptr<Shape> shape = std::make_shared<Unexported>();
  Encoder encoder;
  try {
    encode(encoder, shape);
    FAIL() << "encoded";
  } catch (const TypeError& error) {
    EXPECT_NE(std::string(error.what()).find("BOOST_CLASS_EXPORT"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("std::shared_ptr<Shape>"), std::string::npos)
        << error.what();
  }
}

TEST(BoostPointers, APointerToTheMessageItselfPointsToItsCopy) {
  Linked value;
  value.self = &value;

  const Linked copy = copied(value);

  EXPECT_EQ(copy.self, &copy);
}

}  // namespace
}  // namespace multiprocessing::detail
