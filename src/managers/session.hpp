// SPDX-License-Identifier: BSL-1.0
// One connection to a server, in a thread of its own: the handshake, then calls until the client
// hangs up. Nothing that the client says is looked at before it has shown that it knows the key.
#pragma once
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <multiprocessing/detail/managers/referent.hpp>
#include <span>
#include <vector>

#include "managers/client.hpp"
#include "managers/follower.hpp"
#include "managers/frames.hpp"
#include "managers/own_socket.hpp"

namespace multiprocessing::managers {

class ServerCore;

/// Thrown to end a call whose caller has gone; not an exception that a method could catch by
/// accident.
struct CallerGone {};

class Session {
 public:
  Session(std::shared_ptr<ServerCore> server, OwnSocket socket);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Starts its thread, which owns it. THROWS: std::system_error.
  static void start(std::unique_ptr<Session> session);

  /// Ends it soon; from another thread.
  void hang_up() const noexcept;
  /// THROWS: CallerGone.
  void check_caller() const;
  [[nodiscard]] bool caller_is_gone() const noexcept;
  /// Writes the object as the reply, and has the client refer to it.
  void reply_object(const std::shared_ptr<detail::Referent>& referent, detail::Encoder& out);

  [[nodiscard]] ServerCore& server() noexcept { return *server_; }
  /// Whether shared objects may be sent to it.
  [[nodiscard]] bool in_tree() const noexcept { return client_ != nullptr && client_->in_tree; }

 private:
  using Bytes = std::span<const std::byte>;

  bool note_crowd(std::uint8_t client_cpu) noexcept;

  void serve();
  bool greet(Bytes first);
  void serve_frames();
  void serve_request(Bytes payload);
  void answer(const RequestHeader& request, detail::ServerCall& call, detail::Encoder& out);
  void make(const RequestHeader& request, detail::ServerCall& call, detail::Encoder& out);
  void create(detail::ServerCall& call, detail::Encoder& out);
  void lease(Ident ident);
  void release(Ident ident);
  [[nodiscard]] std::vector<detail::Handle> take_objects(Bytes& payload, std::uint32_t handles);
  void replace_by_error(detail::ServerCall& call, detail::Encoder& out,
                        const std::exception_ptr& error);
  void send(const RequestHeader& request, detail::Encoder& out, detail::ServerCall& call);
  /// Sends the reply, or runs `undo`, if there is one. THROWS: CallerGone if nobody gets it.
  void deliver(const detail::Encoder& out, const std::function<void()>& undo);

  void serve_python(Bytes first);
  Object answer_python(const std::string& function, const Object::List& args, const Object& kwds,
                       bool& calls_follow);
  Object create_for_python(const Object::List& args, const Object& kwds);
  void call_for_python(const Object& request, const Object::List& args, const Object& kwds,
                       detail::Encoder& out, std::function<void()>& undo);
  void reply_proxy_to_python(const std::shared_ptr<detail::Referent>& object, detail::Encoder& out,
                             std::function<void()>& undo);
  void serve_python_calls();
  void send_python(const Object& reply);

  const std::shared_ptr<ServerCore> server_;
  OwnSocket socket_;
  FrameReader reader_;
  std::shared_ptr<Client> client_;
  std::int64_t seen_ = 0;  // see Crowd
  Follower follower_;
  std::vector<detail::Handle> pending_;  // of the last reply, until the client has its own
};

/// Makes an object of a type that is no template ("Lock", "Queue"…). Null if it is none.
[[nodiscard]] std::shared_ptr<detail::Referent> make_standard(std::uint32_t type_id,
                                                              detail::ServerCall& call);
/// The names of what it is made of, "maxsize"; null: there are none.
[[nodiscard]] const char* parameters_of_standard(std::uint32_t type_id) noexcept;

}  // namespace multiprocessing::managers
