// SPDX-License-Identifier: BSL-1.0
// The part of a session that speaks with a CPython client. Its first message is a request to the
// server itself: one, after which it hangs up, or accept_connection, after which calls follow.
#include <fmt/format.h>

#include <functional>
#include <multiprocessing/detail/pickle.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/process.hpp>
#include <utility>

#include "managers/python_pickle.hpp"
#include "managers/server_core.hpp"
#include "managers/session.hpp"
#include "process/exit.hpp"

namespace multiprocessing::managers {

using detail::MethodName;
using detail::ServerCall;

namespace {

Object returned(Object value) { return Object::tuple({"#RETURN", std::move(value)}); }
Object failed(const std::string& text) { return Object::tuple({"#TRACEBACK", text}); }

Ident ident_in(const Object& id) {
  if (!id.is<std::string>()) throw KeyError(id.repr());
  const auto text = id.as<std::string>();
  char* end = nullptr;
  const Ident ident = std::strtoull(text.c_str(), &end, 16);
  if (text.empty() || *end != '\0') throw KeyError(id.repr());
  return ident;
}

Object exposed_names(const detail::Referent& referent) {
  Object::List names;
  for (const std::string& name : referent.method_names()) names.push_back(Object(name));
  return Object::tuple(names);
}

// What a dict is made of or updated with: another one or pairs, keywords, or both.
void take_items_from_keywords(Object::List& args, Object& kwds) {
  if (kwds.is_none()) return;
  const Object named = std::exchange(kwds, nullptr);
  if (args.empty()) return args.push_back(named);
  Object all = Object::dict();
  if (args.front().kind() == Object::Kind::kDict) {
    for (const auto& [key, value] : args.front().items()) all[key] = value;
  } else {
    for (const Object& pair : args.front()) all[pair[0]] = pair[1];
  }
  for (const auto& [name, value] : named.items()) all[name] = value;
  args.front() = std::move(all);
}

// Or they would be left out silently. `parameters`: "obj,block,timeout"; null: their names are not
// known.
void refuse_unknown_keywords(std::string_view function, const char* parameters,
                             const Object& kwds) {
  if (kwds.is_none()) return;
  const std::string known = fmt::format(",{},", parameters != nullptr ? parameters : "");
  for (const auto& [name, value] : kwds.items()) {
    if (known.find("," + name.as<std::string>() + ",") != std::string::npos) continue;
    throw TypeError(
        fmt::format("{}() takes no keyword argument '{}' here", function, name.as<std::string>()));
  }
}

std::string text_of(const std::exception& error) {
  const PythonError told = python_error_of(std::current_exception());
  return fmt::format("{}: {}", told.name, error.what());
}

}  // namespace

void Session::send_python(const Object& reply) {
  detail::OutgoingEncoder encoder;
  detail::encode_pickle(*encoder, reply);
  if (!send_frame(socket_.get(), *encoder)) throw CallerGone();
}

void Session::serve_python(Bytes first) {
  client_ = server_->enter(*this, {}, "Python", false);
  bool calls_follow = false;
  bool ends = false;
  Object reply;
  try {
    const process::ExitScope scope;
    const PythonRequest request = decode_python_request(first);
    reply = returned(answer_python(request.method, request.args, request.kwds, calls_follow));
    ends = request.method == "shutdown";
  } catch (const std::exception& error) {
    reply = failed(text_of(error));
  } catch (const SystemExit& exit) {
    reply = failed(fmt::format("SystemExit: {}", exit.code()));
  }
  send_python(reply);
  if (ends) server_->stop();
  if (calls_follow) serve_python_calls();
}

Object Session::answer_python(const std::string& function, const Object::List& args,
                              const Object& kwds, bool& calls_follow) {
  Objects& objects = server_->objects();
  if (function == "create") return create_for_python(args, kwds);
  if (function == "accept_connection") {
    calls_follow = true;
    // As it calls itself; its number is nowhere in what it sends.
    if (!args.empty() && args[0].is<std::string>()) client_->name = args[0].as<std::string>();
    return nullptr;
  }
  if (function == "incref") {
    if (!objects.retain(ident_in(args.at(0)))) throw KeyError(args.at(0).repr());
    return nullptr;
  }
  if (function == "decref") {
    objects.release(ident_in(args.at(0)));
    return nullptr;
  }
  if (function == "get_methods") {
    // A Token: (class, args), its state (type id, address, id).
    const auto referent = objects.find(ident_in(args.at(0)[1][2]));
    if (referent == nullptr) throw KeyError(args.at(0)[1][2].repr());
    return exposed_names(*referent);
  }
  if (function == "number_of_objects") return static_cast<std::int64_t>(objects.count());
  if (function == "debug_info") return objects.describe();
  if (function == "dummy" || function == "shutdown") return nullptr;
  throw AttributeError(fmt::format("{} is not a public function of the server", function));
}

Object Session::create_for_python(const Object::List& args, const Object& kwds) {
  const auto name = args.at(0).as<std::string>();
  detail::Encoder unused;
  ServerCall call(*this, {client_, 0}, true, unused, detail::Decoder({}), args.size() - 1);
  call.positional_.assign(args.begin() + 1, args.end());
  call.keywords_ = kwds;
  const detail::Registration* const registration = server_->registry().find(name);
  const bool standard = registration == nullptr;
  if (standard) call.parameters_ = parameters_of_standard(MethodName(name).hash);
  if (standard && name == "dict") take_items_from_keywords(call.positional_, call.keywords_);
  // A Namespace takes them as they are.
  if (!standard || name != "Namespace") {
    refuse_unknown_keywords(name, call.parameters_, call.keywords_);
  }
  const auto referent = registration != nullptr ? registration->create(call)
                                                : make_standard(MethodName(name).hash, call);
  if (referent == nullptr) throw KeyError(fmt::format("'{}'", name));
  const Ident ident = server_->objects().retain(referent);
  return Object::tuple({fmt::format("{:x}", ident), exposed_names(*referent)});
}

void Session::reply_proxy_to_python(const std::shared_ptr<detail::Referent>& object,
                                    detail::Encoder& out, std::function<void()>& undo) {
  // The client refers to it by itself, and then gives this reference back.
  const Ident ident = server_->objects().retain(object);
  undo = [this, ident] { server_->objects().release(ident); };
  encode_python_proxy(out, {std::string(object->type_id()), server_->address(),
                            fmt::format("{:x}", ident), object->method_names()});
}

void Session::call_for_python(const Object& request, const Object::List& args, const Object& kwds,
                              detail::Encoder& out, std::function<void()>& undo) {
  const auto method = request[1].as<std::string>();
  const auto referent = server_->objects().find(ident_in(request[0]));
  if (referent == nullptr) throw KeyError(request[0].repr());
  if (method == "#GETVALUE") return detail::encode_pickle(out, returned(referent->value()));
  if (method == "__str__" || method == "__repr__") {
    return detail::encode_pickle(out, returned(referent->print()));
  }
  detail::Encoder unused;
  ServerCall call(*this, {client_, 0}, true, unused, detail::Decoder({}), args.size());
  call.positional_ = args;
  call.keywords_ = kwds;
  const MethodName name(method);
  for (const detail::Method& each : referent->methods()) {
    if (each.name.hash == name.hash) call.parameters_ = each.parameters;
  }
  if (method == "update" && referent->type_id() == "dict") {
    take_items_from_keywords(call.positional_, call.keywords_);
  }
  refuse_unknown_keywords(method, call.parameters_, call.keywords_);
  referent->call(name, call);
  if (call.object_ != nullptr) return reply_proxy_to_python(call.object_, out, undo);
  undo = std::move(call.undo_);
  detail::encode_pickle(out, returned(std::move(call.result_)));
}

void Session::serve_python_calls() {
  while (const auto payload = reader_.read(socket_.get(), server_->settings().max_message_bytes)) {
    std::function<void()> undo;
    detail::OutgoingEncoder encoder;
    try {
      const process::ExitScope scope;
      const PythonRequest request = decode_python_request(*payload);
      call_for_python(Object::tuple({request.id, request.method}), request.args, request.kwds,
                      *encoder, undo);
    } catch (const CallerGone&) {
      throw;
    } catch (...) {
      // The caller does not get the result, which is for another then.
      if (const auto back = std::exchange(undo, nullptr)) back();
      (*encoder).clear();
      encode_python_error(*encoder, python_error_of(std::current_exception()));
    }
    note_crowd(kNoCpu);
    deliver(*encoder, undo);
    if (server_->stopping()) return;
  }
}

}  // namespace multiprocessing::managers
