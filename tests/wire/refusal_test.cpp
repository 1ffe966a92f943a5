// SPDX-License-Identifier: BSL-1.0
// What is no message is known at compile time. The texts of the errors are tested by the programs
// in refused/.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <multiprocessing/detail/message.hpp>
#include <mutex>
#include <span>
#include <string_view>
#include <thread>

namespace multiprocessing::detail {
namespace {

struct WithPointer {
  int number;
  const char* text;
};
struct WithReference {
  int number;
  int& other;
};
struct WithConstReference {
  const std::string& other;
};
struct WithView {
  std::string_view text;
};
struct Deep {
  std::vector<std::map<std::string, std::optional<WithPointer>>> parts;
};
struct Base {
  int number;
};
struct Derived : Base {
  int more;
};
class Closed {
 public:
  explicit Closed(int number) : number_(number) {}
  [[nodiscard]] int number() const { return number_; }

 private:
  int number_;
};
union Either {
  int number;
  float real;
};
struct Many {
  int a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q;
  int A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, Q;
};
struct Fits {
  int a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p;
  int A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P;
};
struct ConstMember {
  const int number;
  std::string text;
};
struct NotByDefault {
  int number;
  std::reference_wrapper<int> other;
};

TEST(Refusal, PointersAndReferencesAreNoMessagesHoweverDeepTheyLie) {
  static_assert(!Message<int*>);
  static_assert(!Message<const char*>);
  static_assert(!Message<void (*)()>);
  static_assert(!Message<int Base::*>);
  static_assert(!Message<int&>);
  static_assert(!Message<void>);
  static_assert(!Message<WithPointer>);
  static_assert(!Message<WithReference>);
  static_assert(!Message<WithConstReference>);
  static_assert(!Message<Deep>);
  static_assert(!Message<NotByDefault>);
  static_assert(!Message<std::tuple<int&>>);
  static_assert(!Message<std::vector<int*>>);
  static_assert(!Message<std::shared_ptr<int>>);
  static_assert(!Message<std::shared_ptr<WithPointer>>);
}

TEST(Refusal, ViewsAreNoMessages) {
  static_assert(!Message<std::string_view>);
  static_assert(!Message<std::span<int>>);
  static_assert(!Message<std::span<const std::byte, 4>>);
  static_assert(!Message<WithView>);
}

TEST(Refusal, CArraysAreMembersOnly) {
  static_assert(!Message<int[3]>);
  static_assert(!Message<char[4]>);
  struct WithArray {
    int numbers[3];
  };
  struct WithPointers {
    int* numbers[3];
  };
  static_assert(Message<WithArray>);
  static_assert(!Message<WithPointers>);
}

TEST(Refusal, WhatBelongsToOneProcessIsNoMessage) {
  const auto lambda = [] {};
  static_assert(!Message<std::thread>);
  static_assert(!Message<std::mutex>);
  static_assert(!Message<std::unique_lock<std::mutex>>);
  static_assert(!Message<std::condition_variable>);
  static_assert(!Message<std::atomic<int>>);
  static_assert(!Message<std::future<int>>);
  static_assert(!Message<std::function<void()>>);
  static_assert(!Message<std::remove_const_t<decltype(lambda)>>);
}

TEST(Refusal, ClassesThatCannotBeLookedIntoAreNoMessages) {
  static_assert(!Message<Derived>);
  static_assert(!Message<Closed>);
  static_assert(!Message<Either>);
  static_assert(!Message<Many>);
}

TEST(Refusal, WhatLooksLikeThemButIsAMessage) {
  static_assert(Message<Fits>);
  static_assert(Message<ConstMember>);
  static_assert(Message<std::vector<std::unique_ptr<int>>>);
  static_assert(Message<std::string>);
  static_assert(!Message<const int>);

  Encoder encoder;
  encode(encoder, ConstMember{5, "x"});
  Decoder decoder(encoder.bytes());
  EXPECT_EQ(decode<ConstMember>(decoder).number, 5);
}

}  // namespace
}  // namespace multiprocessing::detail
