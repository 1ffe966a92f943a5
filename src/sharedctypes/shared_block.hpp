// SPDX-License-Identifier: BSL-1.0
// What the copies of a SharedMemory, of a ShareableList and of a SharedMemoryManager share.
#pragma once
#include <atomic>
#include <cstddef>
#include <memory>
#include <multiprocessing/shared_memory.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "os/fork_mutex.hpp"
#include "sharedctypes/block_file.hpp"

namespace multiprocessing::detail {

/// A block that is attached, or was.
class SharedBlock {
 public:
  explicit SharedBlock(sharedctypes::MappedFile file) noexcept;
  SharedBlock(const SharedBlock&) = delete;
  SharedBlock& operator=(const SharedBlock&) = delete;
  ~SharedBlock() { close(); }

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::span<std::byte> bytes() const;
  void close() noexcept;
  void unlink() const;

 private:
  const std::string name_;
  const ino_t inode_;
  const std::size_t size_;
  std::atomic<std::byte*> base_;  // null: closed
};

/// A list in a block. Where its elements begin never changes, and is kept.
class SharedList {
 public:
  /// THROWS: ValueError if there is no list in it.
  explicit SharedList(SharedMemory block);

  [[nodiscard]] std::size_t size() const noexcept { return places_.size() - 1; }
  [[nodiscard]] Object get(std::int64_t given) const;
  void set(std::int64_t given, const Object& value);
  [[nodiscard]] std::string format(std::size_t position) const;
  [[nodiscard]] SharedMemory& block() noexcept { return block_; }

 private:
  [[nodiscard]] std::size_t checked(std::int64_t position, std::string_view action) const;
  [[nodiscard]] std::span<std::byte> place(std::size_t position) const;
  [[nodiscard]] std::byte* format_at(std::size_t position) const;
  [[nodiscard]] std::byte* code_at(std::size_t position) const;
  [[noreturn]] void fail_element(std::size_t position) const;

  SharedMemory block_;
  std::vector<std::size_t> places_;  // where each begins in the block, and where the last one ends
};

/// The bytes of a block that holds a list of these.  THROWS: TypeError, ValueError.
[[nodiscard]] std::vector<std::byte> list_bytes(const Object& items);

/// Of a SharedMemoryManager.
class SharedMemoryOwner {
 public:
  /// A new one, which unlinks at its end.
  SharedMemoryOwner();
  /// One that another process has made.
  explicit SharedMemoryOwner(sharedctypes::ManagerId id) noexcept : id_(id), maker_(false) {}
  SharedMemoryOwner(const SharedMemoryOwner&) = delete;
  SharedMemoryOwner& operator=(const SharedMemoryOwner&) = delete;
  ~SharedMemoryOwner();

  /// THROWS: ValueError if it has ended.
  [[nodiscard]] sharedctypes::ManagerId id() const;
  [[nodiscard]] bool ended() const noexcept { return ended_.load(); }
  void shutdown() noexcept;

 private:
  const sharedctypes::ManagerId id_;
  const bool maker_;
  const std::uint32_t generation_ = os::fork_generation();
  std::atomic<bool> ended_{false};
};

/// The door into the public classes.
class SharedMemoryAccess {
 public:
  static SharedMemory make(const sharedctypes::FilePlan& plan) {
    return SharedMemory(std::make_shared<SharedBlock>(sharedctypes::create_file(plan)));
  }
  static ShareableList make_list(SharedMemory block) {
    return ShareableList(std::make_shared<SharedList>(std::move(block)));
  }
  static SharedList& list(const ShareableList& list) noexcept { return *list.list_; }
  static SharedMemoryManager make_manager(sharedctypes::ManagerId id) {
    return SharedMemoryManager(std::make_shared<SharedMemoryOwner>(id));
  }
  static const SharedMemoryOwner& owner(const SharedMemoryManager& manager) noexcept {
    return *manager.owner_;
  }
};

}  // namespace multiprocessing::detail
