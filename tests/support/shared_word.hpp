// SPDX-License-Identifier: BSL-1.0
// A word that a test and the children that it forks share, without the library's memory.
#pragma once
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <new>

#include "child.hpp"

namespace multiprocessing::test {

class SharedWord {
 public:
  SharedWord()
      : word_(::new (::mmap(nullptr, sizeof(Word), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Word(0)) {}
  SharedWord(const SharedWord&) = delete;
  SharedWord& operator=(const SharedWord&) = delete;
  ~SharedWord() { ::munmap(word_, sizeof(Word)); }

  operator int() const { return word_->load(); }
  SharedWord& operator=(int value) {
    word_->store(value);
    return *this;
  }
  int operator++() { return ++*word_; }
  /// Waits until another process or thread has stored that value.
  void await(int value) const {
    ASSERT_TRUE(eventually([&] { return word_->load() == value; }, std::chrono::seconds(20)));
  }

 private:
  using Word = std::atomic<int>;
  Word* word_;
};

}  // namespace multiprocessing::test
