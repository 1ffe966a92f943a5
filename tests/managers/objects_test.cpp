// SPDX-License-Identifier: BSL-1.0
// The objects of a server, by themselves.
#include "managers/objects.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace multiprocessing::managers {
namespace {

// Refers to another object, as a list with a proxy in it does.
class Link final : public detail::Referent {
 public:
  Link(Objects& objects, Ident next) : objects_(objects), next_(next) {}
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  ~Link() override { objects_.release(next_); }
  [[nodiscard]] std::string_view type_id() const override { return "Link"; }
  [[nodiscard]] std::span<const detail::Method> methods() const override { return {}; }

 private:
  Objects& objects_;
  Ident next_;
};

TEST(ObjectsTest, AChainOfAnyLengthEndsWithItsFirst) {
  Objects objects(1, AuthKey("secret"));
  Ident first = 0;
  for (int i = 0; i < 300'000; ++i) {
    first = objects.retain(std::make_shared<Link>(objects, first));
  }

  objects.release(first);

  EXPECT_EQ(objects.count(), 0U);
}

}  // namespace
}  // namespace multiprocessing::managers
