// SPDX-License-Identifier: BSL-1.0
// What lives in a manager's server, and how its methods get their arguments and give their results.
//
// Threads: each client's call runs in a thread of its own; a referent guards itself.
// Death:   a call that waits ends when its caller's process does.
#pragma once
#include <multiprocessing/detail/managers/values.hpp>
#include <multiprocessing/errors.hpp>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace multiprocessing::os {
class Deadline;
}  // namespace multiprocessing::os

namespace multiprocessing::managers {
struct Client;
class ServerCore;
class Session;
}  // namespace multiprocessing::managers

namespace multiprocessing::detail {

class Referent;

/// Who calls: a thread of a client process.
struct Caller {
  std::shared_ptr<managers::Client> client;
  std::uint32_t thread = 0;

  friend bool operator==(const Caller&, const Caller&) = default;
};

/// One call, in the server. Arguments are taken from the first to the last.
class ServerCall {
 public:
  ServerCall(const ServerCall&) = delete;
  ServerCall& operator=(const ServerCall&) = delete;

  /// The next argument. THROWS: TypeError if there is none, or if it is no P.
  template <class P> [[nodiscard]] P arg() {
    if (python_) return from_object<P>(next_object());
    const Fingerprint sent = begin_argument();
    return read_value<P>(sent, decoder_);
  }
  /// The next argument, or `fallback` where it was left out.
  template <class P> [[nodiscard]] P arg_or(P fallback) {
    if (!has_next()) return (void(++taken_), fallback);
    return arg<P>();
  }
  [[nodiscard]] bool has_next() const;
  /// How many arguments were given.
  [[nodiscard]] std::size_t count() const noexcept { return count_ - skipped_; }
  /// THROWS: TypeError if more are left.
  void expect_at_most(std::size_t arguments) const;
  /// The next argument as it came.
  [[nodiscard]] RawValue raw_arg();

  /// A Python caller's keyword arguments, a dict; None: there are none.
  [[nodiscard]] const Object& keywords() const noexcept { return keywords_; }

  /// The result, at most once; none is Python's None.
  template <class R> void reply(const R& value) {
    if (!python_) {
      begin_reply(fingerprint<R>());
      encode<R>(out_, value);
      if (!out_.descriptors().empty()) park_descriptors();
      return;
    }
    if constexpr (kHasObjectForm<R>) {
      result_ = Object(value);
    } else {
      refuse_in_python(type_name<R>());
    }
  }
  void reply_raw(const RawValue& value);
  /// An object of the server as the result; the caller gets a proxy. THROWS: TypeError for a Python
  /// caller, which knows an Iterator alone.
  void reply_object(const std::shared_ptr<Referent>& object);
  /// Runs if the caller's process has ended before it could be given the result.
  void on_undelivered(std::function<void()> undo) { undo_ = std::move(undo); }

  /// Whether the caller speaks Python's protocol.
  [[nodiscard]] bool python() const noexcept { return python_; }
  [[nodiscard]] const Caller& caller() const noexcept { return caller_; }
  [[nodiscard]] const managers::ServerCore& server() const noexcept;

  /// Sleeps until `changed` is notified, or for a moment; false: the deadline has passed.
  /// THROWS: what ends the call if the caller's process has ended, or the server ends.
  bool wait(std::unique_lock<std::mutex>& lock, std::condition_variable& changed,
            const os::Deadline& deadline);
  /// THROWS: the same.
  void check_caller() const;

 private:
  friend class managers::Session;
  ServerCall(managers::Session& session, Caller caller, bool python, Encoder& out, Decoder decoder,
             std::size_t count)
      : session_(session),
        caller_(std::move(caller)),
        out_(out),
        decoder_(decoder),
        count_(count),
        python_(python) {}
  Fingerprint begin_argument();
  [[nodiscard]] const Object& next_object();
  void begin_reply(Fingerprint type);
  void park_descriptors();
  [[noreturn]] static void refuse_in_python(const std::string& type);

  managers::Session& session_;
  Caller caller_;
  Encoder& out_;
  Decoder decoder_;
  std::size_t count_;  // of the arguments
  std::size_t taken_ = 0;
  std::size_t skipped_ = 0;  // of the count: the name of a registration
  bool python_;
  std::span<const Handle> handles_;   // that came with the frame
  Object::List positional_;           // of a Python caller
  Object keywords_;                   // the same; None: there are none
  const char* parameters_ = nullptr;  // the names for them: "obj,block,timeout"
  Object result_;                     // for a Python caller
  std::shared_ptr<Referent> object_;  // the same, instead
  std::function<void()> undo_;
};

/// THROWS: AttributeError.
[[noreturn]] void fail_no_method(std::string_view type_id, const MethodName& method,
                                 const std::vector<std::string>& known);

/// A method that can be called from elsewhere.
struct Method {
  MethodName name;
  const char* parameters;  ///< as Python names them, with commas in between
  void (*run)(Referent& object, ServerCall& call);
};

/// An object in the server.
class Referent : public std::enable_shared_from_this<Referent> {
 public:
  Referent() = default;
  Referent(const Referent&) = delete;
  Referent& operator=(const Referent&) = delete;
  virtual ~Referent() = default;

  /// As Python's registry calls it: "dict".
  [[nodiscard]] virtual std::string_view type_id() const = 0;
  [[nodiscard]] virtual std::span<const Method> methods() const = 0;
  /// Python's repr() of it.
  [[nodiscard]] virtual std::string print() const;
  /// A copy of it for a Python client. THROWS: TypeError where Python has nothing like it.
  [[nodiscard]] virtual Object value() const;

  /// Calls a method. THROWS: AttributeError if there is none of that name, and what it throws.
  virtual void call(const MethodName& method, ServerCall& call);
  /// The names of all that can be called.
  [[nodiscard]] virtual std::vector<std::string> method_names() const;

  /// A process that holds something of this has ended.
  virtual void client_died(managers::Client& client) noexcept;

 protected:
  [[nodiscard]] const Method* find(const MethodName& method) const noexcept;
};

inline constexpr std::string_view kIteratorType = "Iterator";
/// What Python's `next()` takes one by one.
[[nodiscard]] std::shared_ptr<Referent> make_iterator(Object::List items);

/// How a server learns to make objects of a type: by the type's name, from before main on, where
/// the program uses a proxy of the type.
class KnownReferent {
 public:
  using Make = std::shared_ptr<Referent> (*)(ServerCall& call);
  KnownReferent(std::uint64_t key, Make make);
  ~KnownReferent();
  KnownReferent(const KnownReferent&) = delete;
  KnownReferent& operator=(const KnownReferent&) = delete;

 private:
  std::uint64_t key_;
};

/// THROWS: TypeError if no part of this program uses the type.
[[nodiscard]] KnownReferent::Make maker_of(std::uint64_t key);

/// Tells apart what a type id is made of: "dict" of these types.
template <class... Ts> [[nodiscard]] consteval std::uint64_t referent_key(MethodName type_id) {
  std::uint64_t key = type_id.hash;
  ((key = (key ^ kFingerprint<Ts>)*0x100000001b3U), ...);
  return key;
}

template <class R> std::shared_ptr<Referent> make_referent(ServerCall& call) {
  return std::make_shared<R>(call);
}
template <class R> inline const KnownReferent known_referent{R::kKey, &make_referent<R>};

/// A method of R as a Method's function.
template <class R, void (R::*Run)(ServerCall&)>
void run_method(Referent& object, ServerCall& call) {
  (static_cast<R&>(object).*Run)(call);
}

}  // namespace multiprocessing::detail
