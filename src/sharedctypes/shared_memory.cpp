// SPDX-License-Identifier: BSL-1.0
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <cerrno>
#include <multiprocessing/detail/encoder.hpp>
#include <multiprocessing/errors.hpp>
#include <ostream>
#include <system_error>

#include "sharedctypes/block_guards.hpp"
#include "sharedctypes/shared_block.hpp"

namespace multiprocessing {

using detail::SharedMemoryAccess;

namespace detail {
namespace {

std::size_t checked_block_size(std::int64_t size) {
  if (size <= 0)
    throw ValueError(fmt::format("SharedMemory: the size must be 1 or more, {} was given", size));
  return static_cast<std::size_t>(size);
}

sharedctypes::ManagerId new_manager_id() {
  sharedctypes::ManagerId id = 0;
  while (::getrandom(&id, sizeof id, 0) != sizeof id || id == 0) {
  }
  return id;
}

void write_name(Encoder& encoder, const std::string& name) {
  encoder.write_length(name.size());
  encoder.write(name.data(), name.size());
}

std::string read_name(Decoder& decoder) {
  const std::size_t n = decoder.read_length();
  return {reinterpret_cast<const char*>(decoder.view(n)), n};
}

}  // namespace

SharedBlock::SharedBlock(sharedctypes::MappedFile file) noexcept
    : name_(std::move(file.name)), inode_(file.inode), size_(file.size), base_(file.base) {}

std::span<std::byte> SharedBlock::bytes() const {
  std::byte* const base = base_.load();
  if (base == nullptr) {
    throw ValueError(fmt::format("SharedMemory {}: it is closed; attach it again by its name",
                                 Object(name_).repr()));
  }
  return {base, size_};
}

void SharedBlock::close() noexcept {
  std::byte* const base = base_.exchange(nullptr);
  if (base == nullptr) return;
  ::munmap(base, size_);
  sharedctypes::drop_guard_if_unlinked(inode_);
}

void SharedBlock::unlink() const {
  if (!sharedctypes::unlink_file(name_.c_str(), inode_)) {
    const int error = errno;
    throw std::system_error(
        error, std::generic_category(),
        fmt::format("SharedMemory {}: the name cannot be removed{}", Object(name_).repr(),
                    error == ENOENT ? "; it was unlinked before" : ""));
  }
  sharedctypes::leave_name(inode_);
  sharedctypes::drop_guard_if_unlinked(inode_);
}

SharedMemoryOwner::SharedMemoryOwner() : id_(new_manager_id()), maker_(true) {}

SharedMemoryOwner::~SharedMemoryOwner() {
  if (maker_ && os::fork_generation() == generation_) shutdown();
}

sharedctypes::ManagerId SharedMemoryOwner::id() const {
  if (ended()) throw ValueError("SharedMemoryManager: it was shut down; make another one");
  return id_;
}

void SharedMemoryOwner::shutdown() noexcept {
  if (!ended_.exchange(true)) sharedctypes::remove_names_of(id_);
}

void Traveller<SharedMemory>::encode(Encoder& encoder, const SharedMemory& block) {
  write_name(encoder, block.name());
}
SharedMemory Traveller<SharedMemory>::decode(Decoder& decoder) {
  return SharedMemory(read_name(decoder));
}

void Traveller<ShareableList>::encode(Encoder& encoder, const ShareableList& list) {
  write_name(encoder, list.shm().name());
}
ShareableList Traveller<ShareableList>::decode(Decoder& decoder) {
  return ShareableList(read_name(decoder));
}

void Traveller<SharedMemoryManager>::encode(Encoder& encoder, const SharedMemoryManager& manager) {
  encoder.put(SharedMemoryAccess::owner(manager).id());
}
SharedMemoryManager Traveller<SharedMemoryManager>::decode(Decoder& decoder) {
  return SharedMemoryAccess::make_manager(decoder.take<sharedctypes::ManagerId>());
}

}  // namespace detail

SharedMemory::SharedMemory(create_t /*tag*/, std::int64_t size, std::optional<std::string> name)
    : SharedMemory(SharedMemoryAccess::make(
          {.name = std::move(name), .size = detail::checked_block_size(size)})) {}

SharedMemory::SharedMemory(const std::string& name)
    : block_(std::make_shared<detail::SharedBlock>(sharedctypes::attach_file(name))) {}

const std::string& SharedMemory::name() const noexcept { return block_->name(); }
std::size_t SharedMemory::size() const noexcept { return block_->size(); }
std::span<std::byte> SharedMemory::buf() const { return block_->bytes(); }
void SharedMemory::close() noexcept { block_->close(); }
void SharedMemory::unlink() { block_->unlink(); }
std::size_t SharedMemory::cleanup_stale() { return sharedctypes::remove_stale_files(); }

std::string SharedMemory::repr() const {
  return fmt::format("SharedMemory({}, size={})", Object(name()).repr(), size());
}
std::ostream& operator<<(std::ostream& out, const SharedMemory& block) {
  return out << block.repr();
}

SharedMemoryManager::SharedMemoryManager()
    : owner_(std::make_shared<detail::SharedMemoryOwner>()) {}

void SharedMemoryManager::start() {
  if (owner_->ended())
    throw ProcessError("SharedMemoryManager: start: it was shut down; make another one");
}

multiprocessing::SharedMemory SharedMemoryManager::SharedMemory(std::int64_t size) {
  return SharedMemoryAccess::make(
      {.name = std::nullopt, .size = detail::checked_block_size(size), .manager = owner_->id()});
}

multiprocessing::ShareableList SharedMemoryManager::ShareableList(
    std::initializer_list<Object> items) {
  return make_list(Object(Object::List(items)));
}

multiprocessing::ShareableList SharedMemoryManager::make_list(const Object& items) {
  const auto bytes = detail::list_bytes(items);
  return SharedMemoryAccess::make_list(SharedMemoryAccess::make(
      {.name = std::nullopt, .size = bytes.size(), .manager = owner_->id(), .contents = bytes}));
}

void SharedMemoryManager::shutdown() noexcept { owner_->shutdown(); }

}  // namespace multiprocessing

fmt::format_context::iterator fmt::formatter<multiprocessing::SharedMemory>::format(
    const multiprocessing::SharedMemory& block, fmt::format_context& context) const {
  return fmt::formatter<fmt::string_view>::format(block.repr(), context);
}
