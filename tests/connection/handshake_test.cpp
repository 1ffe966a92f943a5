// SPDX-License-Identifier: BSL-1.0
// Listener and Client with a key, and peers that do not behave.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <future>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "child.hpp"
#include "connection_test.hpp"
#include "listener_test.hpp"
#include "watchdog.hpp"

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using test::bytes_of;

// A Listener with a key, and peers as bare sockets.
class Handshake : public testing::Test {
 protected:
  void meet(std::string_view bytes, bool hang_up) {
    raw = test::raw_client(listener.address());
    ASSERT_GE(raw, 0);
    ASSERT_EQ(::send(raw, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    if (hang_up) ::shutdown(raw, SHUT_WR);
  }
  void accept() { static_cast<void>(listener.accept()); }
  /// The Listener still serves who behaves.
  void expect_service() {
    if (raw >= 0) ::close(std::exchange(raw, -1));
    auto client = std::async(std::launch::async, [&] { return Client(listener.address(), "key"); });
    Connection server = listener.accept(30s);
    client.get().send_bytes("served");
    EXPECT_EQ(server.recv_bytes(), bytes_of("served"));
  }

  Listener listener{{.authkey = "key", .handshake_timeout = 200ms}};
  int raw = -1;
  test::Watchdog watchdog{120s};
};

TEST_F(Handshake, LetsInWhoKnowsTheKeyAtEveryKindOfAddress) {
  const test::Folder folder;
  for (const Address& address : test::all_kinds(folder)) {
    for (const char* key : {"secret", "",
                            "a key of more bytes than the block of the digest has: "
                            "it is then hashed before it is used as a key"}) {
      Listener at(address, key);
      auto client = std::async(std::launch::async, [&] { return Client(at.address(), key); });
      Connection server = at.accept();
      client.get().send("hello");
      EXPECT_EQ(server.recv<std::string>(), "hello");
    }
  }
}

TEST_F(Handshake, AWrongKeyIsAnErrorOnBothSides) {
  for (const AuthKey& key : {AuthKey("KEY"), AuthKey(""), AuthKey("key ")}) {
    auto client = std::async(std::launch::async, [&] { return Client(listener.address(), key); });
    EXPECT_THROW(accept(), AuthenticationError);
    EXPECT_THROW(client.get(), AuthenticationError);
  }
  expect_service();
}

TEST_F(Handshake, AClientChecksTheListenersKeyToo) {
  // A Listener that welcomes everybody and does not know the key.
  Listener liar;
  auto client = std::async(std::launch::async, [&] { return Client(liar.address(), "key"); });
  Connection server = liar.accept();
  server.send_bytes("#CHALLENGE#{sha256}" + std::string(40, 'x'));
  EXPECT_EQ(server.recv_bytes().size(), 40U);
  server.send_bytes("#WELCOME#");
  EXPECT_THROW(answer_challenge(server, "guess"), AuthenticationError);
  EXPECT_THROW(client.get(), AuthenticationError);
}

TEST_F(Handshake, AChallengeThatIsThrownBackIsNoAnswer) {
  auto thrown_back = std::async(std::launch::async, [&] {
    Connection mirror = Client(listener.address());
    mirror.send_bytes(mirror.recv_bytes());
    return mirror.recv_bytes();
  });
  EXPECT_THROW(accept(), AuthenticationError);
  EXPECT_EQ(thrown_back.get(), bytes_of("#FAILURE#"));
  expect_service();
}

TEST_F(Handshake, TheListenerAnswersNobodyWhoHasNotAnsweredIt) {
  // Or it could be made to answer the challenge that it sent to another connection.
  auto asked_back = std::async(std::launch::async, [&] {
    Connection peer = Client(listener.address());
    static_cast<void>(peer.recv_bytes());
    peer.send_bytes("#CHALLENGE#{sha256}" + std::string(40, 'x'));
    EXPECT_EQ(peer.recv_bytes(), bytes_of("#FAILURE#"));
    EXPECT_THROW(static_cast<void>(peer.recv_bytes()), EOFError);
  });
  EXPECT_THROW(accept(), AuthenticationError);
  asked_back.get();
}

TEST_F(Handshake, Md5IsAcceptedUnlessItIsRefused) {
  for (const bool allowed : {true, false}) {
    Listener at({.authkey = "key", .allow_md5 = allowed});
    auto old = std::async(std::launch::async, [&] {
      Connection c = Client(at.address());
      static_cast<void>(c.recv_bytes());
      c.send_bytes("{md5}0123456789abcdef");
      return c.recv_bytes();
    });
    try {
      static_cast<void>(at.accept());
      FAIL();
    } catch (const AuthenticationError& error) {
      EXPECT_EQ(std::string(error.what()).find("MD5") != std::string::npos, !allowed)
          << error.what();
    }
    EXPECT_EQ(old.get(), bytes_of("#FAILURE#"));
  }
}

TEST_F(Handshake, ASilentPeerDoesNotBlockAcceptForEver) {
  meet("", false);
  EXPECT_THROW(accept(), AuthenticationError);
  expect_service();
}

TEST_F(Handshake, APeerThatStopsInTheMiddleDoesNotEither) {
  for (const std::string_view some : {"\0\0"sv, "\0\0\0\x28{sha2"sv, "\0\0\0\0"sv}) {
    meet(some, false);
    EXPECT_THROW(accept(), AuthenticationError);
    ::close(std::exchange(raw, -1));
  }
  expect_service();
}

TEST_F(Handshake, APeerThatHangsUpIsEof) {
  for (const std::string_view some : {""sv, "\0\0"sv, "\0\0\0\x28{sha2"sv}) {
    meet(some, true);
    EXPECT_THROW(accept(), EOFError);
    ::close(std::exchange(raw, -1));
  }
  expect_service();
}

TEST_F(Handshake, APeerThatClosesBeforeItIsAcceptedIsEofToo) {
  meet("\0\0\0\1x"sv, false);
  ::close(std::exchange(raw, -1));
  EXPECT_THROW(accept(), EOFError);
  expect_service();
}

TEST_F(Handshake, GarbageIsAnErrorAndNeverMore) {
  unsigned state = 1;
  for (int round = 0; round < 200; ++round) {
    std::string garbage(static_cast<std::size_t>(round), '\0');
    for (char& c : garbage) c = static_cast<char>((state = state * 1'103'515'245 + 12'345) >> 16);
    if (round % 2 == 0) garbage.insert(0, "\0\0\0\x28{sha256}"sv.substr(0, garbage.size()));
    meet(garbage, true);
    EXPECT_THROW(accept(), Error);
    ::close(std::exchange(raw, -1));
  }
  expect_service();
}

TEST_F(Handshake, AnHttpRequestIsRefused) {
  meet("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", false);
  EXPECT_THROW(accept(), AuthenticationError);
  expect_service();
}

TEST_F(Handshake, AMessageOfAbsurdLengthIsRefusedUnread) {
  for (const std::string_view length :
       {"\xff\xff\xff\xff\x80\0\0\0\0\0\0\0"sv, "\x7f\xff\xff\xff"sv, "\0\0\1\1"sv}) {
    meet(length, false);
    EXPECT_THROW(accept(), AuthenticationError);
    ::close(std::exchange(raw, -1));
  }
  expect_service();
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  EXPECT_LT(used.ru_maxrss, 1'000'000);
}

TEST_F(Handshake, APeerThatIsKilledAtAnyMomentHarmsNobody) {
  for (int round = 0; round < 60; ++round) {
    test::Child client([&] {
      Connection c = Client(listener.address(), "key");
      for (;;) c.send_bytes(std::vector<char>(100'000));
    });
    std::thread killer([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(round * 50));
      client.signal(SIGKILL);
    });
    try {
      Connection server = listener.accept(300ms);
      for (;;) EXPECT_EQ(server.recv_bytes().size(), 100'000U) << "whole, or not at all";
    } catch (const Error&) {
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code().value(), ECONNRESET);
    }
    killer.join();
    client.wait();
  }
  expect_service();
}

TEST_F(Handshake, AClientIsNotKeptWaitingBeyondItsTimeout) {
  // Nobody accepts, so nobody sends a challenge.
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THROW(static_cast<void>(Client({.timeout = 50ms}, listener.address(), "key")),
               TimeoutError);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 50ms);
}

TEST_F(Handshake, AListenerThatHangsUpOrTalksNonsenseIsAnErrorForTheClient) {
  Listener other;
  auto hung_up = std::async(std::launch::async, [&] { return Client(other.address(), "key"); });
  other.accept().close();
  EXPECT_THROW(hung_up.get(), EOFError);
  auto nonsense = std::async(std::launch::async, [&] { return Client(other.address(), "key"); });
  Connection server = other.accept();
  server.send_bytes("nonsense");
  EXPECT_THROW(nonsense.get(), AuthenticationError);
  auto huge = std::async(std::launch::async, [&] { return Client(other.address(), "key"); });
  other.accept().send_bytes(std::string(257, 'x'));
  EXPECT_THROW(huge.get(), AuthenticationError);
}

TEST_F(Handshake, AClientWithoutAKeyIsRefused) {
  Connection client = Client(listener.address());
  client.send_bytes("let me in");
  EXPECT_THROW(accept(), AuthenticationError);
  EXPECT_EQ(client.recv_bytes().size(), 59U);
  EXPECT_EQ(client.recv_bytes(), bytes_of("#FAILURE#"));
}

// Clients in several processes, as many threads as it takes to have a thousand at once. Each
// process gives the number of those that were served.
std::vector<test::Child> a_thousand_clients(const Address& address, const AuthKey& key) {
  std::vector<test::Child> processes;
  for (int i = 0; i < 10; ++i) {
    processes.emplace_back([address, key] {
      std::atomic<int> served{0};
      std::vector<std::thread> threads;
      for (int n = 0; n < 100; ++n) {
        threads.emplace_back([&] {
          try {
            Connection c = Client({.timeout = 60s}, address, key);
            c.send(::getpid());
            served += c.recv<int>() == ::getpid() ? 1 : 0;
          } catch (const std::exception& error) {
            std::fprintf(stderr, "client: %s\n", error.what());
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
      return served.load();
    });
  }
  return processes;
}

TEST_F(Handshake, AThousandClientsAtOnceAreServed) {
  const test::Folder folder;
  for (const Address& address : {Address("127.0.0.1", 0), Address(folder / "s")}) {
    Listener busy(address, "key");
    // Forked first: a process with threads is no place to fork one that takes memory.
    std::vector<test::Child> clients = a_thousand_clients(busy.address(), "key");
    std::vector<std::thread> servers;
    for (int i = 0; i < 4; ++i) {
      servers.emplace_back([&] {
        for (;;) {
          try {
            Connection c = busy.accept();
            c.send(c.recv<int>());
          } catch (const std::system_error&) {
            return;
          }
        }
      });
    }
    int served = 0;
    for (test::Child& process : clients) served += process.wait();
    EXPECT_EQ(served, 1000);
    busy.close();
    for (std::thread& server : servers) server.join();
  }
}

}  // namespace
}  // namespace multiprocessing
