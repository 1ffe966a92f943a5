// SPDX-License-Identifier: BSL-1.0
// The words that a parent and one child share: "go", and what the child says as it leaves.
//
// The parent owns a record from before the start until it knows that the child has ended. Records
// of forked children lie in pages that these inherit, and not in the arena: a child that shares
// nothing else needs no identity then, which makes its start a quarter cheaper. Those of children
// of a fork server lie for the same reason in a file without a name that the server maps too; those
// of spawned children lie in an object of the arena.
//
// Death: of the child at any instruction: the report stays what it was. Of the parent: the child
// sees it by the parent's life word and goes on without a "go"; its page lives as long as it does.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "memory/identity.hpp"
#include "memory/object.hpp"
#include "os/futex.hpp"

namespace multiprocessing::process {

/// What the parent tells a child that waits to begin.
enum class Go : std::uint32_t { kWait, kGo, kGiveUp };

/// What a child wrote before it left.
struct ExitReport {
  bool written = false;
  bool clean = false;  ///< it let go of everything shared
  int exitcode = 0;    ///< 0 to 255
};

struct alignas(64) ExitRecord {
  os::FutexWord go;                   // a Go, or that the child sleeps until there is one
  std::atomic<std::uint32_t> report;  // written by the child: kWritten, kClean and the exit code
  memory::AdoptionWord adoption;      // see memory/object.hpp
  os::FutexWord status;  // written by a fork server: kWritten and what waitpid(2) told it

  /// Ends the child's wait.
  void tell(Go what) noexcept;
  /// In the child: what it was told; kWait if the parent has ended without a word.
  [[nodiscard]] Go await_go(memory::Serial parent) noexcept;

  static constexpr std::uint32_t kWritten = 1U << 31;
  static constexpr std::uint32_t kClean = 1U << 30;
  static constexpr int kUnknownStatus = 1 << 30;  ///< somebody else has taken it

  void write_report(int exitcode, bool clean) noexcept;
  [[nodiscard]] ExitReport read_report() const noexcept;
  void write_status(int code) noexcept;
  [[nodiscard]] std::optional<int> read_status() const noexcept;
};
static_assert(sizeof(ExitRecord) == 64);

/// Where a record is to lie.
enum class RecordPlace : std::uint8_t { kInherited, kArena, kServed };

struct RecordPage;

/// A record for one child; given back when this goes, in the process that took it.
class RecordHandle {
 public:
  RecordHandle() = default;
  RecordHandle(std::shared_ptr<RecordPage> page, ExitRecord* record) noexcept
      : page_(std::move(page)), record_(record) {}
  RecordHandle(RecordHandle&& other) noexcept
      : page_(std::move(other.page_)), record_(std::exchange(other.record_, nullptr)) {}
  RecordHandle& operator=(RecordHandle&& other) noexcept;
  ~RecordHandle();

  [[nodiscard]] ExitRecord& operator*() const noexcept { return *record_; }
  ExitRecord* operator->() const noexcept { return record_; }
  explicit operator bool() const noexcept { return record_ != nullptr; }

  /// Of one in the arena: the object that it lies in.
  [[nodiscard]] memory::ObjectName page_name() const noexcept;
  [[nodiscard]] memory::Offset offset() const noexcept { return memory::offset_of(record_); }
  /// Of one that a fork server maps: which it is.
  [[nodiscard]] std::uint32_t number() const;

  /// Never gives it back: a child that nobody knows may still look at it.
  void abandon() noexcept { record_ = nullptr, page_ = nullptr; }

 private:
  std::shared_ptr<RecordPage> page_;
  ExitRecord* record_ = nullptr;  // in page_
};

/// This process's file of the records for children of its fork servers, made at the first call.
/// Throws std::system_error.
[[nodiscard]] int served_records();

/// In a fork server: its owner's records, for good, the i-th of RecordHandle::number i. Throws
/// std::system_error.
[[nodiscard]] ExitRecord* map_served_records(int file);

/// Takes a record, zeroed. Throws std::system_error. Not called under the process lock.
[[nodiscard]] RecordHandle take_record(RecordPlace place);

/// A record in the arena by the offsets of its page and its own, for the child; it stays as long as
/// `page` does.
[[nodiscard]] ExitRecord& record_in(const memory::Handle& page, memory::Offset record) noexcept;

}  // namespace multiprocessing::process
