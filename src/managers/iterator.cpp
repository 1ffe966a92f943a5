// SPDX-License-Identifier: BSL-1.0
// What a dict's `__iter__` gives: the keys of that moment, one at a time.
#include <unistd.h>
#include <multiprocessing/detail/managers/referent.hpp>
#include <multiprocessing/process.hpp>

namespace multiprocessing::detail {
namespace {

class Iterator final : public Referent {
 public:
  explicit Iterator(Object::List items) : items_(std::move(items)) {}
  [[nodiscard]] std::string_view type_id() const override { return kIteratorType; }
  [[nodiscard]] std::span<const Method> methods() const override {
    static constexpr Method kMethods[] = {{"__next__", "", run_method<Iterator, &Iterator::next>}};
    return kMethods;
  }

 private:
  void next(ServerCall& call) {
    const std::lock_guard guard(mutex_);
    if (next_ == items_.size()) {
      throw RemoteError("StopIteration", "", current_process().name(), ::getpid());
    }
    call.reply(items_[next_]);
    ++next_;
  }

  std::mutex mutex_;
  const Object::List items_;
  std::size_t next_ = 0;  // guarded by mutex_
};

}  // namespace

std::shared_ptr<Referent> make_iterator(Object::List items) {
  return std::make_shared<Iterator>(std::move(items));
}

}  // namespace multiprocessing::detail
