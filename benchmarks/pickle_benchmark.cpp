// SPDX-License-Identifier: BSL-1.0
// Plain values as pickles and back, against CPython's own pickler, which is written in C.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <multiprocessing/detail/pickle.hpp>
#include <string>

#include "table.hpp"

namespace mp = multiprocessing;
using mp::Object;

namespace {

// The same as in peers/cpython.py.
Object small_dicts() {
  Object list = Object::list();
  for (std::int64_t i = 0; i < 1000; ++i) list.append(Object::dict({{"id", i}}));
  return list;
}

Object records() {
  Object list = Object::list();
  for (std::int64_t i = 0; i < 1000; ++i) {
    list.append(Object::dict({{"id", i},
                              {"name", "user " + std::to_string(i)},
                              {"score", static_cast<double>(i) * 0.5},
                              {"active", i % 2 == 0},
                              {"tags", Object::list({"a", "b"})}}));
  }
  return list;
}

Object numbers() {
  Object list = Object::list();
  for (std::int64_t i = 0; i < 10'000; ++i) list.append(i * 7919);
  return list;
}

template <class F> double microseconds(const F& f) {
  constexpr int kTimes = 200;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kTimes; ++i) f();
  const std::chrono::duration<double, std::micro> elapsed =
      std::chrono::steady_clock::now() - begin;
  return elapsed.count() / kTimes;
}

double encode(const Object& value) {
  mp::detail::Encoder encoder;
  return microseconds([&] {
    encoder.clear();
    mp::detail::encode_pickle(encoder, value);
  });
}

double decode(const Object& value) {
  mp::detail::Encoder encoder;
  mp::detail::encode_pickle(encoder, value);
  return microseconds([&] { static_cast<void>(mp::detail::decode_pickle(encoder.bytes())); });
}

}  // namespace

int main(int argc, char** argv) {
  int rounds = 7;
  CLI::App app("Plain values as pickles and back");
  app.add_option("--rounds", rounds, "Measurements, of which the median counts");
  CLI11_PARSE(app, argc, argv);

  bench::Table table("A list as a pickle", "microseconds, less is better", bench::Better::kLower);
  const struct {
    const char* name;
    const char* python;
    Object value;
  } cases[] = {{"1,000 dicts of one number", "dicts", small_dicts()},
               {"1,000 dicts of five", "records", records()},
               {"10,000 numbers", "numbers", numbers()}};
  for (const auto& [name, python, value] : cases) {
    const auto peer = [python = std::string(python)](const char* call) {
      std::string arguments = "pickler ";
      arguments.append(python).append(" ").append(call);
      return [arguments] { return bench::from_python("cpython.py", arguments); };
    };
    table.add_case(std::string("encode ") + name,
                   {{"encode_pickle", [&value = value] { return encode(value); }},
                    {"CPython pickle.dumps", peer("dumps")}},
                   rounds);
    table.add_case(std::string("decode ") + name,
                   {{"decode_pickle", [&value = value] { return decode(value); }},
                    {"CPython pickle.loads", peer("loads")}},
                   rounds);
  }
}
