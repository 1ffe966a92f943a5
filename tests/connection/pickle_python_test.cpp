// SPDX-License-Identifier: BSL-1.0
// Values to and from the `send` and `recv` of Python's own Connection.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmath>
#include <map>
#include <multiprocessing/connection.hpp>
#include <multiprocessing/object.hpp>
#include <string>
#include <vector>

#include "python_peer.hpp"
#include "watchdog.hpp"

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;
using test::PythonPeer;

const std::string kScript = CONNECTION_TESTS_FOLDER "/python_values.py";

class PicklePython : public testing::Test {
 protected:
  static void expect_echo(Connection& connection) {
    const std::vector<Object> values{
        true,
        -1,
        INT64_MAX,
        INT64_MIN,
        -0.0,
        INFINITY,
        "",
        "text €",
        std::string(100'000, 'x'),
        Object::bytes(std::string(300, '\0')),
        Object::list({1, Object::list({2, nullptr})}),
        Object::tuple({1, 2, 3, 4}),
        Object::dict({{"name", "Ada"}, {1, Object::set({1, 2})}}),
        Object::frozenset({"a"}),
    };
    for (const Object& value : values) {
      connection.send(value);
      ASSERT_EQ(connection.recv().repr(), value.repr());
    }
    const std::map<std::string, std::vector<double>> typed{{"a", {1.5, 2.5}}, {"b", {}}};
    connection.send(typed);
    EXPECT_EQ((connection.recv<std::map<std::string, std::vector<double>>>()), typed);
    std::vector<int> many(100'000);
    for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<int>(i * 7919);
    connection.send(many);
    EXPECT_EQ(connection.recv<std::vector<int>>(), many);
    connection.send(nullptr);
  }

  test::Watchdog watchdog{60s};
};

TEST_F(PicklePython, PythonsClientGivesBackWhatWeSend) {
  Listener listener({"/tmp/mp_pickle_" + std::to_string(::getpid())}, "secret");
  PythonPeer python(kScript, {"connect", listener.address().path(), "secret"});
  Connection connection = listener.accept();
  expect_echo(connection);
  EXPECT_EQ(python.finish(), 0);
}

TEST_F(PicklePython, PythonsListenerGivesBackWhatWeSend) {
  PythonPeer python(kScript, {"listen", "secret"});
  Connection connection = Client({"127.0.0.1", std::stoi(python.receive())}, "secret");
  expect_echo(connection);
  EXPECT_EQ(python.finish(), 0);
}

TEST_F(PicklePython, WhatPythonMakesOfPlainDataIsReceivedAndAllElseIsRefusedByName) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  ::fcntl(ends[0], F_SETFD, FD_CLOEXEC);
  PythonPeer python(kScript, {"adopt", std::to_string(ends[1])});
  ::close(ends[1]);
  Connection connection(ends[0]);

  EXPECT_EQ(connection.recv().repr(),
            "{'job': 1, 'data': [1.5, (2, b'x'), {3}, frozenset({4})], 'none': None}");
  EXPECT_EQ(connection.recv().repr(), "[[1, 2], [1, 2], b'ab']");
  for (const char* why : {"contains itself", "64 bits", "collections.OrderedDict", "builtins.range",
                          "builtins.complex", "builtins.ValueError"}) {
    try {
      static_cast<void>(connection.recv());
      ADD_FAILURE() << why;
    } catch (const ValueError& error) {
      EXPECT_NE(std::string(error.what()).find(why), std::string::npos) << error.what();
    }
  }
  EXPECT_EQ(connection.recv<std::string>(), "after");
  expect_echo(connection);
  EXPECT_EQ(python.finish(), 0);
}

}  // namespace
}  // namespace multiprocessing
