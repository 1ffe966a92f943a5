// SPDX-License-Identifier: BSL-1.0
// Blocks of shared memory that have a name. Python's `multiprocessing.shared_memory`, and the
// SharedMemoryManager of its `managers`.
//
//   mp::SharedMemory block(mp::create, 1 << 20);
//   mp::SharedMemory same(block.name());
//   mp::ShareableList list{1, "two", 3.0, nullptr};
//   mp::ShareableList equal(list.shm().name());
//
// A block is a file below /dev/shm, as Python's are: either attaches what the other has made, by
// its name. (Python before 3.13, or with track=True, takes what it attached for its own: when it
// ends, it unlinks the block and warns. Pass track=False there.)
//
// All three are handles: a copy names the same block. As an argument of a Process, or in a message,
// a name travels, which the receiver attaches; unlinking it before that is ENOENT over there.
// Names: unlink() removes one. Those that nobody removed go when the first process of the program
//        ends in order, whichever of its processes made them; if that one was killed, when one of
//        the others does. What is left when all were killed, cleanup_stale() removes.
// Threads: any number. Nothing but the data needs care: nothing locks it.
// Fork:    the child has what its parent had attached; closing it there closes it for the child.
// Death:   of a process at any instruction leaves the block as it is, in the state it was written.
#pragma once
#include <fmt/core.h>
#include <multiprocessing/detail/message_traits.hpp>
#include <multiprocessing/object.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

namespace multiprocessing {

namespace detail {
class Encoder;
class Decoder;
class SharedBlock;
class SharedMemoryAccess;
class SharedMemoryOwner;
class SharedList;

/// What a list is made of, as opposed to a name.
template <class T>
concept ListSource = std::is_same_v<T, Object> ||
    (ObjectSource<T> && !std::is_convertible_v<const T&, std::string>);
}  // namespace detail

/// Says that a block is to be made, not attached.
struct create_t {
  explicit create_t() = default;
};
inline constexpr create_t create{};

/// A block of bytes with a name. The last copy of a handle closes it and never unlinks it.
class SharedMemory {
 public:
  /// Makes a block of `size` bytes, all zero, and a name for it (`psm_` and 8 hexadecimal digits)
  /// if none is given. Memory is taken for what is written to; where /dev/shm is full by then, the
  /// kernel answers with SIGBUS.
  /// THROWS: ValueError for a size of 0 or less; std::system_error: EEXIST if the name is taken,
  /// EINVAL or ENAMETOOLONG for what cannot be a name, whatever else the system says.
  SharedMemory(create_t /*tag*/, std::int64_t size, std::optional<std::string> name = std::nullopt);

  /// Attaches the block of that name.  THROWS: std::system_error: ENOENT if there is none;
  /// ValueError for one of no bytes, which was made and not yet given a size.
  explicit SharedMemory(const std::string& name);

  /// Without the slash. Stays when it is closed.
  [[nodiscard]] const std::string& name() const noexcept;
  /// In bytes. Stays when it is closed.
  [[nodiscard]] std::size_t size() const noexcept;
  /// The bytes, as long as a copy of this handle is there and it is not closed.
  /// THROWS: ValueError if it is closed.
  [[nodiscard]] std::span<std::byte> buf() const;

  /// Ends the access for all copies of this handle in this process. Nobody may use what buf() gave
  /// any more (in Python that is a BufferError). The block and its name stay. Twice is fine.
  void close() noexcept;

  /// Removes the name; the memory goes when nobody has it attached any more. Once for a block, by
  /// any process.  THROWS: std::system_error: ENOENT if the name is gone, ETIMEDOUT if another
  /// process is about to remove it and was stopped in that.
  void unlink();

  /// Removes the names of this user's blocks whose makers are dead, of any program that uses this
  /// library; those that Python or others made are left alone. Says how many it removed.
  /// THROWS: std::system_error if /dev/shm cannot be read.
  static std::size_t cleanup_stale();

  /// `SharedMemory('psm_…', size=…)`.
  [[nodiscard]] std::string repr() const;

  /// Whether both are copies of one handle.
  friend bool operator==(const SharedMemory& a, const SharedMemory& b) noexcept {
    return a.block_ == b.block_;
  }
  friend std::ostream& operator<<(std::ostream& out, const SharedMemory& block);

 private:
  friend class detail::SharedMemoryAccess;
  explicit SharedMemory(std::shared_ptr<detail::SharedBlock> block) noexcept
      : block_(std::move(block)) {}

  std::shared_ptr<detail::SharedBlock> block_;
};

/// A list of None, bool, int, float, str and bytes in a block, laid out as Python's: its length is
/// fixed, and a str or bytes can be replaced by what its place has room for.
///
/// As in Python, a str or bytes loses the zeros at its end, and an element that another process
/// changes meanwhile may be read half changed: use a lock. Unlike in Python, the place of a str is
/// measured by its bytes, not by its characters, so that none is ever cut.
class ShareableList {
 public:
  class Item;
  class Iterator;

  /// Makes a block that holds these. THROWS: TypeError for a value of another type, ValueError for
  /// a str or bytes of more than 9,999,991 bytes; as SharedMemory.
  ShareableList(std::initializer_list<Object> items,
                const std::optional<std::string>& name = std::nullopt);
  /// The same of a list or another sequence.
  template <detail::ListSource T>
  explicit ShareableList(const T& items, const std::optional<std::string>& name = std::nullopt)
      : ShareableList(MakeTag(), Object(items), name) {}

  /// Attaches the one of that name.  THROWS: as SharedMemory; ValueError for a block that is too
  /// small, or holds something else.
  explicit ShareableList(const std::string& name);

  [[nodiscard]] std::size_t size() const noexcept;
  /// The element; negative positions count from the end.  THROWS: IndexError; ValueError if the
  /// block is closed, or was overwritten with something else.
  [[nodiscard]] Object operator[](std::int64_t position) const;
  /// The same, to be read or assigned to.
  [[nodiscard]] Item operator[](std::int64_t position);
  [[nodiscard]] Iterator begin() const noexcept;
  [[nodiscard]] Iterator end() const noexcept;

  [[nodiscard]] std::size_t count(const Object& value) const;
  /// The first position.  THROWS: ValueError if there is none.
  [[nodiscard]] std::size_t index(const Object& value) const;
  /// What Python's `struct` calls the elements now, for example "8sqd".
  [[nodiscard]] std::string format() const;
  /// The block, which the owner closes and unlinks.
  [[nodiscard]] const SharedMemory& shm() const noexcept;
  [[nodiscard]] SharedMemory& shm() noexcept;

  /// `ShareableList([…], name='psm_…')`.
  [[nodiscard]] std::string repr() const;

  friend bool operator==(const ShareableList& a, const ShareableList& b) noexcept {
    return a.list_ == b.list_;
  }
  friend std::ostream& operator<<(std::ostream& out, const ShareableList& list);

 private:
  friend class detail::SharedMemoryAccess;
  struct MakeTag {};
  ShareableList(MakeTag tag, const Object& items, const std::optional<std::string>& name);
  explicit ShareableList(std::shared_ptr<detail::SharedList> list) noexcept
      : list_(std::move(list)) {}

  std::shared_ptr<detail::SharedList> list_;
};

/// An element of a ShareableList: an Object where it is read, a place where it is assigned to.
class ShareableList::Item {
 public:
  using message_type = Object;  // what is sent, or kept as an argument

  Item(const Item&) = default;
  ~Item() = default;

  /// THROWS: ValueError for a str or bytes that its place has no room for, TypeError for a value of
  /// a type that cannot be in the list. The element is as it was then.
  Item& operator=(const Object& value);
  Item& operator=(const Item& other) { return *this = other.value(); }

  operator Object() const { return value(); }
  template <class T> [[nodiscard]] T as() const { return value().template as<T>(); }
  template <class T> [[nodiscard]] bool is() const { return value().template is<T>(); }
  [[nodiscard]] bool is_none() const { return value().is_none(); }
  [[nodiscard]] std::string repr() const { return value().repr(); }

  friend bool operator==(const Item& a, const Object& b) { return a.value() == b; }
  friend bool operator==(const Item& a, const Item& b) { return a.value() == b.value(); }
  friend std::ostream& operator<<(std::ostream& out, const Item& item);

 private:
  friend class ShareableList;
  [[nodiscard]] Object value() const { return std::as_const(list_)[position_]; }
  Item(ShareableList list, std::int64_t position) : list_(std::move(list)), position_(position) {}

  ShareableList list_;
  std::int64_t position_;
};

/// Walks over the elements, each of which is read when it is looked at.
class ShareableList::Iterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = Object;
  using difference_type = std::ptrdiff_t;
  using pointer = void;
  using reference = Object;

  Object operator*() const { return (*list_)[position_]; }
  Iterator& operator++() noexcept {
    ++position_;
    return *this;
  }
  Iterator operator++(int) noexcept {
    Iterator before = *this;
    ++position_;
    return before;
  }
  friend bool operator==(const Iterator& a, const Iterator& b) noexcept {
    return a.position_ == b.position_;
  }

 private:
  friend class ShareableList;
  Iterator(const ShareableList& list, std::int64_t position) noexcept
      : list_(&list), position_(position) {}

  const ShareableList* list_;
  std::int64_t position_;
};

/// Makes blocks and unlinks all of them when its last handle in the process that made it is gone,
/// or at shutdown(), also those that other processes made through a handle of it. There is no
/// server: it is at work from the beginning.
class SharedMemoryManager {
 public:
  SharedMemoryManager();

  /// Nothing: it is at work already.  THROWS: ProcessError after shutdown(), as in Python.
  void start();

  /// Makes a block.  THROWS: as its constructor; ValueError after shutdown().
  [[nodiscard]] multiprocessing::SharedMemory SharedMemory(std::int64_t size);
  [[nodiscard]] multiprocessing::ShareableList ShareableList(std::initializer_list<Object> items);
  template <detail::ListSource T>
  [[nodiscard]] multiprocessing::ShareableList ShareableList(const T& items) {
    return make_list(Object(items));
  }

  /// Unlinks its blocks; those who have them attached keep them. Twice is fine.
  void shutdown() noexcept;

 private:
  friend class detail::SharedMemoryAccess;
  explicit SharedMemoryManager(std::shared_ptr<detail::SharedMemoryOwner> owner) noexcept
      : owner_(std::move(owner)) {}
  [[nodiscard]] multiprocessing::ShareableList make_list(const Object& items);

  std::shared_ptr<detail::SharedMemoryOwner> owner_;
};

namespace detail {

template <> struct Traveller<SharedMemory> {
  static void encode(Encoder& encoder, const SharedMemory& block);
  static SharedMemory decode(Decoder& decoder);
};
template <> struct Traveller<ShareableList> {
  static void encode(Encoder& encoder, const ShareableList& list);
  static ShareableList decode(Decoder& decoder);
};
template <> struct Traveller<SharedMemoryManager> {
  static void encode(Encoder& encoder, const SharedMemoryManager& manager);
  static SharedMemoryManager decode(Decoder& decoder);
};

}  // namespace detail
}  // namespace multiprocessing

template <>
struct fmt::formatter<multiprocessing::SharedMemory> : fmt::formatter<fmt::string_view> {
  fmt::format_context::iterator format(const multiprocessing::SharedMemory& block,
                                       fmt::format_context& context) const;
};
template <>
struct fmt::formatter<multiprocessing::ShareableList> : fmt::formatter<fmt::string_view> {
  fmt::format_context::iterator format(const multiprocessing::ShareableList& list,
                                       fmt::format_context& context) const;
};
template <>
struct fmt::formatter<multiprocessing::ShareableList::Item>
    : fmt::formatter<multiprocessing::Object> {
  fmt::format_context::iterator format(const multiprocessing::ShareableList::Item& item,
                                       fmt::format_context& context) const {
    return fmt::formatter<multiprocessing::Object>::format(
        static_cast<multiprocessing::Object>(item), context);
  }
};
