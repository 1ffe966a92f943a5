// SPDX-License-Identifier: BSL-1.0
// Python's Listener, Client and Connection on the other side: Debian's python3, and whichever
// python3.N there is besides.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <multiprocessing/connection.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "connection_test.hpp"
#include "listener_test.hpp"
#include "python_peer.hpp"
#include "watchdog.hpp"

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;
using test::bytes_of;
using test::errno_of;
using test::PythonPeer;

const std::string kScript = CONNECTION_TESTS_FOLDER "/python_connection.py";

bool is_in_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((folder + "/" + program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

/// A Python and, with `modern`, a handshake that is not its own.
struct Python {
  std::string program;
  bool modern = false;
  bool knows_sha256 = true;  // or only MD5, as those before 3.12
};

const std::vector<Python>& pythons() {
  static const std::vector<Python> all = [] {
    std::vector<Python> found;
    std::vector<std::string> candidates{"python3"};
    for (int minor = 8; minor < 20; ++minor) {
      candidates.push_back("python3." + std::to_string(minor));
    }
    for (const std::string& program : candidates) {
      if (!is_in_path(program)) continue;
      const std::string asked = program + " -c 'import sys; sys.exit(sys.version_info < (3, 12))'";
      const int status = std::system((asked + " 2>/dev/null").c_str());
      if (!WIFEXITED(status) || WEXITSTATUS(status) > 1) continue;  // there in name only
      const bool is_modern = WEXITSTATUS(status) == 0;
      found.push_back({program, false, is_modern});
      if (!is_modern) found.push_back({program, true, true});
    }
    return found;
  }();
  return all;
}

class PythonTest : public testing::Test {
 protected:
  [[nodiscard]] static PythonPeer start(const Python& python, std::vector<std::string> arguments) {
    if (python.modern) arguments.emplace_back("--modern");
    return PythonPeer(kScript, arguments, python.program);
  }
  /// What the script understands.
  [[nodiscard]] static std::string text_of(const Address& address) {
    if (address.path().empty()) return address.host() + ":" + std::to_string(address.port());
    std::string path = address.path();
    if (path.front() == '\0') path.front() = '@';
    return path;
  }
  [[nodiscard]] static Address address_of(std::string text) {
    if (const auto colon = text.rfind(':'); colon != std::string::npos) {
      return {text.substr(0, colon), std::stoi(text.substr(colon + 1))};
    }
    if (text.front() == '@') text.front() = '\0';
    return text;
  }
  static void expect_echo(Connection& connection) {
    // 16384: up to there Python writes length and message at once.
    for (const std::size_t size :
         {0UL, 1UL, 16'383UL, 16'384UL, 16'385UL, 65'536UL, 1'000'000UL, 3'000'000UL}) {
      const auto message = test::pattern(size);
      connection.send_bytes(message);
      ASSERT_EQ(connection.recv_bytes(), message) << size;
    }
    connection.send_bytes("long form");
    EXPECT_EQ(connection.recv_bytes(), bytes_of("short"));
  }
  /// The kinds of addresses that Python's Client and Listener can have.
  [[nodiscard]] std::vector<Address> addresses() const {
    return {{"127.0.0.1", 0},
            folder / "s",
            Address(std::string("\0mp-python-", 11) + std::to_string(::getpid()))};
  }

  test::Folder folder;
  test::Watchdog watchdog{300s};
};

TEST_F(PythonTest, APythonIsThereToTalkTo) { EXPECT_FALSE(pythons().empty()); }

TEST_F(PythonTest, PythonsClientTalksToOurListener) {
  for (const Python& python : pythons()) {
    for (const Address& address : addresses()) {
      for (const char* key : {"secret", "", static_cast<const char*>(nullptr)}) {
        SCOPED_TRACE(python.program + " " + address.str());
        Listener listener(address, key == nullptr ? AuthKey() : AuthKey(key));
        std::vector<std::string> arguments{"connect", text_of(listener.address())};
        if (key != nullptr) arguments.emplace_back(key);
        PythonPeer peer = start(python, arguments);
        Connection connection = listener.accept();
        expect_echo(connection);
        connection.close();
        EXPECT_EQ(peer.receive(), "EOFError");
        EXPECT_EQ(peer.finish(), 0);
      }
    }
  }
}

// Not with an empty key: before 3.13 it is none for the Listener, though one for the Client.
TEST_F(PythonTest, OurClientTalksToPythonsListener) {
  for (const Python& python : pythons()) {
    for (const Address& address : addresses()) {
      for (const char* key : {"secret", static_cast<const char*>(nullptr)}) {
        SCOPED_TRACE(python.program + " " + address.str());
        std::vector<std::string> arguments{"listen", text_of(address)};
        if (key != nullptr) arguments.emplace_back(key);
        PythonPeer peer = start(python, arguments);
        Connection connection =
            Client(address_of(peer.receive()), key == nullptr ? AuthKey() : AuthKey(key));
        expect_echo(connection);
        connection.close();
        EXPECT_EQ(peer.receive(), "EOFError");
        EXPECT_EQ(peer.finish(), 0);
      }
    }
  }
}

TEST_F(PythonTest, PythonAdoptsTheOtherEndOfASocketPair) {
  for (const Python& python : pythons()) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const int inherited = ::dup(ends[1]);
    PythonPeer peer = start(python, {"adopt", std::to_string(inherited)});
    ::close(ends[1]);
    ::close(inherited);
    Connection connection(ends[0]);
    expect_echo(connection);
    connection.close();
    EXPECT_EQ(peer.receive(), "EOFError");
  }
}

TEST_F(PythonTest, AWrongKeyIsAnErrorOnBothSides) {
  for (const Python& python : pythons()) {
    SCOPED_TRACE(python.program);
    Listener listener({}, "key");
    PythonPeer guest = start(python, {"connect", text_of(listener.address()), "another"});
    EXPECT_THROW(static_cast<void>(listener.accept()), AuthenticationError);
    EXPECT_EQ(guest.receive(), "AuthenticationError");

    PythonPeer host = start(python, {"listen", folder / "s", "another"});
    EXPECT_THROW(static_cast<void>(Client(host.receive(), "key")), AuthenticationError);
    EXPECT_EQ(host.receive(), "AuthenticationError");
  }
}

TEST_F(PythonTest, WhereMd5IsNotAllowedOlderPythonsAreRefused) {
  for (const Python& python : pythons()) {
    SCOPED_TRACE(python.program);
    Listener listener({.authkey = "key", .allow_md5 = false});
    PythonPeer guest = start(python, {"connect", text_of(listener.address()), "key"});
    PythonPeer host = start(python, {"listen", folder / "s", "key"});
    const Address address = address_of(host.receive());
    if (python.knows_sha256) {
      Connection accepted = listener.accept();
      Connection connected = Client({.allow_md5 = false}, address, "key");
      expect_echo(accepted);
      expect_echo(connected);
      accepted.close();
      connected.close();
      EXPECT_EQ(guest.receive(), "EOFError");
      EXPECT_EQ(host.receive(), "EOFError");
    } else {
      EXPECT_THROW(static_cast<void>(listener.accept()), AuthenticationError);
      EXPECT_EQ(guest.receive(), "AuthenticationError");
      EXPECT_THROW(static_cast<void>(Client({.allow_md5 = false}, address, "key")),
                   AuthenticationError);
      EXPECT_EQ(host.receive(), "AuthenticationError");
    }
  }
}

TEST_F(PythonTest, APythonThatIsKilledInMidMessageIsAnErrorAtOnce) {
  for (const Python& python : pythons()) {
    Listener listener({"127.0.0.1", 0}, "key");
    PythonPeer peer = start(python, {"connect", text_of(listener.address()), "key"});
    Connection connection = listener.accept();
    connection.send_bytes("half, then die");
    EXPECT_EQ(errno_of([&] { static_cast<void>(connection.recv_bytes()); }), ECONNRESET);
    EXPECT_EQ(peer.finish(), -SIGKILL);
  }
}

}  // namespace
}  // namespace multiprocessing
