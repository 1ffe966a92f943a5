// SPDX-License-Identifier: BSL-1.0
#include "process/exit_record.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <mutex>
#include <system_error>
#include <vector>

#include "os/fd.hpp"
#include "os/first_use.hpp"
#include "os/limits.hpp"
#include "os/spin.hpp"
#include "process/tree.hpp"

namespace multiprocessing::process {
namespace {

constexpr unsigned kRecords = 64;
constexpr std::size_t kPageBytes = kRecords * sizeof(ExitRecord);
constexpr auto kWait = static_cast<std::uint32_t>(Go::kWait);
constexpr std::uint32_t kAsleep = 3;        // instead of kWait: the child sleeps until it is woken
constexpr int kLooksForGo = 500;            // of 4 to 40 ns
constexpr std::size_t kServedPages = 1024;  // of them a fork server's owner has as many as it needs

struct RecordsObject : memory::ObjectHeader {
  static constexpr memory::ObjectKind kKind = memory::ObjectKind::kProcess;
  ExitRecord records[kRecords];
};

ExitRecord* map_records() {
  void* memory =
      ::mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw std::system_error(errno, std::generic_category(), "cannot map a page for exit codes");
  }
  return static_cast<ExitRecord*>(memory);
}

struct ServedFile {
  os::Fd file;
  ExitRecord* records = nullptr;
  std::size_t room = 0;   // in pages
  std::size_t pages = 0;  // how many are in use
  unsigned maker = 0;     // a forked child makes one of its own and leaves this one alone
};

// REQUIRES: the process lock is held.
ServedFile& served_file() {
  static constinit os::FirstUse<ServedFile> one;
  ServedFile& file_of_all = one.get();
  if (file_of_all.records != nullptr && file_of_all.maker == generation()) return file_of_all;
  const std::size_t room = std::min(kServedPages, os::largest_file() / kPageBytes);
  os::Fd file(::memfd_create("multiprocessing exit codes", MFD_CLOEXEC));
  if (!file || ::ftruncate(file.get(), static_cast<off_t>(room * kPageBytes)) != 0) {
    throw std::system_error(errno, std::generic_category(), "cannot make a file for exit codes");
  }
  ExitRecord* records = map_served_records(file.get());
  file_of_all = {std::move(file), records, room, 0, generation()};
  return file_of_all;
}

ExitRecord* next_served_page() {
  const std::lock_guard guard(lock());
  ServedFile& all = served_file();
  if (all.pages == all.room) {
    throw std::system_error(EAGAIN, std::generic_category(),
                            "no room for the exit codes of more children at a time; with a limit "
                            "of file sizes (ulimit -f), raise it");
  }
  return all.records + kRecords * all.pages++;
}

}  // namespace

// This process's view of a page of records; which of them are free is its own affair. Pages are
// used again and never unmapped: there are as many as the most children at a time need.
struct RecordPage {
  explicit RecordPage(RecordPlace where) : place(where) {
    if (place == RecordPlace::kInherited) {
      records = map_records();
    } else if (place == RecordPlace::kServed) {
      records = next_served_page();
    } else {
      object = memory::make_object<RecordsObject>();
      records = object_of(object).records;
    }
  }
  static RecordsObject& object_of(const memory::Handle& handle) noexcept {
    return static_cast<RecordsObject&>(handle.as<memory::ObjectHeader>());
  }

  RecordPlace place;
  memory::Handle object;  // of one in the arena
  ExitRecord* records = nullptr;
  unsigned maker = generation();
  std::atomic<std::uint64_t> free{~std::uint64_t{0}};  // a bit for each record
};

namespace {

// Guarded by the process lock.
std::vector<std::shared_ptr<RecordPage>>& pages() {
  static constinit os::FirstUse<std::vector<std::shared_ptr<RecordPage>>> one;
  return one.get();
}

std::optional<unsigned> take_bit(std::atomic<std::uint64_t>& free) noexcept {
  std::uint64_t bits = free.load(std::memory_order_relaxed);
  while (bits != 0) {
    if (free.compare_exchange_weak(bits, bits & (bits - 1))) {
      return static_cast<unsigned>(std::countr_zero(bits));
    }
  }
  return std::nullopt;
}

RecordHandle take_from_known_page(RecordPlace place) {
  std::vector<std::shared_ptr<RecordPage>> inherited;  // dropped without the lock
  const std::lock_guard guard(lock());
  if (!pages().empty() && pages().front()->maker != generation()) inherited.swap(pages());
  for (const auto& page : pages()) {
    if (page->place != place) continue;
    if (const auto index = take_bit(page->free)) return {page, page->records + *index};
  }
  return {};
}

}  // namespace

RecordHandle take_record(RecordPlace place) {
  RecordHandle record = take_from_known_page(place);
  if (!record) {
    auto page = std::make_shared<RecordPage>(place);
    record = RecordHandle(page, page->records + *take_bit(page->free));
    const std::lock_guard guard(lock());
    pages().push_back(std::move(page));
  }
  record->go.store(0, std::memory_order_relaxed);
  record->report.store(0, std::memory_order_relaxed);
  record->adoption.store(0, std::memory_order_relaxed);
  record->status.store(0, std::memory_order_relaxed);
  return record;
}

memory::ObjectName RecordHandle::page_name() const noexcept {
  return memory::name_of(page_->object);
}

std::uint32_t RecordHandle::number() const {
  const std::lock_guard guard(lock());
  return static_cast<std::uint32_t>(record_ - served_file().records);
}

int served_records() {
  const std::lock_guard guard(lock());
  return served_file().file.get();
}

ExitRecord* map_served_records(int file) {
  void* memory = ::mmap(nullptr, kServedPages * kPageBytes, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_NORESERVE, file, 0);
  if (memory == MAP_FAILED) {
    throw std::system_error(errno, std::generic_category(), "cannot map the file of exit codes");
  }
  return static_cast<ExitRecord*>(memory);
}

ExitRecord& record_in(const memory::Handle& page, memory::Offset record) noexcept {
  static_cast<void>(page);
  return *memory::at_as<ExitRecord>(record);
}

RecordHandle& RecordHandle::operator=(RecordHandle&& other) noexcept {
  RecordHandle moved(std::move(other));
  std::swap(page_, moved.page_);
  std::swap(record_, moved.record_);
  return *this;
}

RecordHandle::~RecordHandle() {
  // A forked child holds copies of its parent's handles: those are not its to give back.
  if (page_ != nullptr && page_->maker == generation()) {
    page_->free.fetch_or(std::uint64_t{1} << (record_ - page_->records));
  }
}

void ExitRecord::tell(Go what) noexcept {
  if (go.exchange(static_cast<std::uint32_t>(what)) == kAsleep) os::futex_wake(go);
}

Go ExitRecord::await_go(memory::Serial parent) noexcept {
  // It comes a few microseconds after a fork, sooner than a sleep would end. Counted, not timed:
  // the clock is two pages that a fresh child has not touched.
  const auto waits = [this] {
    const std::uint32_t told = go.load(std::memory_order_acquire);
    return told == kWait || told == kAsleep;
  };
  for (int looks = 0; looks < kLooksForGo && waits() && os::may_run_on_several_cpus(); ++looks) {
    os::cpu_relax();
  }
  for (;;) {
    // Asked for in this order: the parent may have given its word just before its end.
    const bool ended = waits() && memory::dead(parent);
    if (!waits()) return static_cast<Go>(go.load(std::memory_order_acquire));
    if (ended) return Go::kWait;
    std::uint32_t awake = kWait;
    go.compare_exchange_strong(awake, kAsleep);
    memory::wait_on(go, kAsleep, parent, os::Deadline::never());
  }
}

void ExitRecord::write_report(int exitcode, bool clean) noexcept {
  const auto code = static_cast<std::uint32_t>(exitcode) & 0xFFU;
  report.store(kWritten | (clean ? kClean : 0) | code, std::memory_order_release);
}

ExitReport ExitRecord::read_report() const noexcept {
  const std::uint32_t word = report.load(std::memory_order_acquire);
  return {(word & kWritten) != 0, (word & kClean) != 0, static_cast<int>(word & 0xFFU)};
}

void ExitRecord::write_status(int code) noexcept {
  status.store(kWritten | static_cast<std::uint32_t>(code), std::memory_order_release);
  os::futex_wake(status);
}

std::optional<int> ExitRecord::read_status() const noexcept {
  const std::uint32_t word = status.load(std::memory_order_acquire);
  if (word == 0) return std::nullopt;
  return static_cast<int>(word & ~kWritten);
}

}  // namespace multiprocessing::process
