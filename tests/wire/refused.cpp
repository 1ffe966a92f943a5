// SPDX-License-Identifier: BSL-1.0
// Types that are no messages, and a part of what the compiler says of each; see refused.cmake.
#include <atomic>
#include <functional>
#include <future>
#include <multiprocessing/detail/message.hpp>
#include <mutex>
#include <span>
#include <thread>

struct WithPointer {
  int number;
  int* pointer;
};
struct WithReference {
  int number;
  int& reference;
};
struct WithView {
  std::string_view text;
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

 private:
  int number_;
};
union Union {
  int number;
  float real;
};
struct Many {
  int a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q;
  int A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, Q;
};
using Lambda = decltype([] {});
using multiprocessing::detail::check_message;
using Deep = std::vector<std::map<std::string, std::optional<WithPointer>>>;
using SharedInt = std::shared_ptr<int>;
using Array = int[3];
using Function = void (*)();

int main() {
  check_message<std::map<std::string, std::vector<std::optional<double>>>>();
#ifdef REFUSED
  // clang-format off
  check_message<int*>();                     // refused: a pointer is no message and no part of one.*std::vector
  check_message<Function>();                 // refused: a pointer to a function or a member is no message
  check_message<WithPointer>();              // refused: a pointer is no message
  check_message<Deep>();                     // refused: a pointer is no message
  check_message<WithReference>();            // refused: a reference is no message
  check_message<std::string_view>();         // refused: a view is no message.*std::string
  check_message<std::span<int>>();           // refused: a view is no message.*std::vector
  check_message<WithView>();                 // refused: a view is no message
  check_message<Array>();                    // refused: a C array is no message by itself.*std::array
  check_message<const int>();                // refused: a message has no const or volatile type
  check_message<std::thread>();              // refused: a thread is no message.*mp::Process
  check_message<std::mutex>();               // refused: a mutex is no message.*mp::Lock
  check_message<std::condition_variable>();  // refused: a mutex is no message.*mp::Condition
  check_message<std::atomic<int>>();         // refused: an atomic is no message.*mp::Value
  check_message<std::future<int>>();         // refused: a future is no message
  check_message<Lambda>();                   // refused: a lambda or std::function is no message.*mp::partial
  check_message<std::function<void()>>();    // refused: a lambda or std::function is no message
  check_message<Derived>();                  // refused: an aggregate with a base class.*serialize
  check_message<Many>();                     // refused: an aggregate of more than 32 members.*serialize
  check_message<Closed>();                   // refused: this class is no message.*serialize.*is_bitwise
  check_message<Union>();                    // refused: a union is no message.*std::variant
  check_message<SharedInt>();                // refused: std::shared_ptr, std::weak_ptr
  // clang-format on
#endif
}
