// SPDX-License-Identifier: BSL-1.0
// The messages of CPython's managers: pickles of tuples, of which some hold objects of classes.
//
// request := (id | None, method, args, kwds)
// reply   := ("#RETURN" | "#ERROR" | "#TRACEBACK" | "#UNSERIALIZABLE" | "#PROXY", value)
//
// What asks for a class is read as data, and nothing is called or constructed. The containers that
// are calls of their class become what they are; of others the errors, the proxies and slices are
// understood, the class as (module, name), a call of one as (class, args), an object with a state
// as (call, state). All else is refused by the name of its class.
#pragma once
#include <multiprocessing/address.hpp>
#include <multiprocessing/detail/encoder.hpp>
#include <multiprocessing/object.hpp>
#include <span>
#include <string>
#include <vector>

#include "managers/python_error.hpp"

namespace multiprocessing::managers {

struct Channel;

[[nodiscard]] Object python_request(const Object& id, const std::string& method, const Object& args,
                                    const Object& kwds = Object::dict());

struct PythonRequest {
  Object id;
  std::string method;
  Object::List args;  ///< a slice: (class, (start, stop, step)); a token: (call, state)
  Object kwds;        ///< None: there are none
};
/// THROWS: ValueError for what is no pickle, or no request; TypeError for an object of another
/// class than those above.
[[nodiscard]] PythonRequest decode_python_request(std::span<const std::byte> pickle);
/// THROWS: the same.
[[nodiscard]] Object decode_python_reply(std::span<const std::byte> pickle);

/// Sends a request over a channel to a CPython server and gives its reply. THROWS: EOFError.
[[nodiscard]] Object exchange_pickles(Channel& channel, const Object& request);

/// The value of a reply. THROWS: what the server raised, RemoteError for what has no counterpart.
[[nodiscard]] Object python_result(const Object& reply, const std::string& server);

/// An object as a CPython client makes a proxy of it.
struct PythonToken {
  std::string type_id;
  Address address;
  std::string id;
  std::vector<std::string> exposed;
};
/// Appends the reply that gives a CPython client a proxy.
void encode_python_proxy(detail::Encoder& out, const PythonToken& token);

/// Appends the reply that raises an exception in a CPython client.
void encode_python_error(detail::Encoder& out, const PythonError& error);

}  // namespace multiprocessing::managers
