// SPDX-License-Identifier: BSL-1.0
// What it costs to turn a message into bytes and back, against a copy and Boost's stream archive.
#include <benchmark/benchmark.h>

#include <boost/archive/binary_iarchive.hpp>
#include <boost/archive/binary_oarchive.hpp>
#include <boost/serialization/string.hpp>
#include <boost/serialization/vector.hpp>
#include <cstring>
#include <multiprocessing/detail/message.hpp>
#include <span>
#include <sstream>
#include <string>
#include <vector>

namespace mp = multiprocessing;

namespace {

enum class Colour : std::uint16_t { kRed = 1 };

struct Record {
  std::string name;
  std::vector<double> values;
};
template <class Archive> void serialize(Archive& archive, Record& record, unsigned) {
  archive& record.name& record.values;
}

// The same fields without serialize: an aggregate, which travels member by member.
struct Aggregate {
  std::string name;
  std::vector<double> values;
};

template <class T> T sample();
template <> std::int64_t sample() { return 42; }
template <> Colour sample() { return Colour::kRed; }
template <> std::string sample() { return "thirty-two characters of a string"; }
template <> std::vector<int> sample() { return std::vector<int>(100'000, 7); }
template <> std::vector<std::byte> sample() { return std::vector<std::byte>(65'536); }
template <> std::vector<std::string> sample() {
  return std::vector<std::string>(1000, "twenty characters ok");
}
template <> Record sample() {
  return {"thirty-two characters of a string", std::vector<double>(16, 1.5)};
}
template <> Aggregate sample() {
  return {"thirty-two characters of a string", std::vector<double>(16, 1.5)};
}

// What lies in memory as it is sent is given to the channel from there, by queues and pipes alike,
// and read from where the channel has it; a copy stands for the channel's.
template <class T> void ours_as_it_lies(benchmark::State& state) {
  static_assert(mp::detail::kItsOwnMessage<T>);
  const T value = sample<T>();
  alignas(16) std::byte message[sizeof(T)];
  for (auto _ : state) {
    std::memcpy(message, &value, sizeof(T));
    benchmark::DoNotOptimize(message);
    mp::detail::Decoder decoder{std::span<const std::byte>(message)};
    T back = mp::detail::decode<T>(decoder);
    benchmark::DoNotOptimize(back);
  }
}

template <class T> void ours(benchmark::State& state) {
  const T value = sample<T>();
  mp::detail::Encoder encoder;
  for (auto _ : state) {
    encoder.clear();
    mp::detail::encode<T>(encoder, value);
    mp::detail::Decoder decoder(encoder.bytes());
    T back = mp::detail::decode<T>(decoder);
    benchmark::DoNotOptimize(back);
  }
}

template <class T> void two_copies(benchmark::State& state) {
  const T value = sample<T>();
  for (auto _ : state) {
    T there = value;
    benchmark::DoNotOptimize(there);
    T back = there;
    benchmark::DoNotOptimize(back);
  }
}

template <class T> void stream_archive(benchmark::State& state) {
  const T value = sample<T>();
  for (auto _ : state) {
    std::stringstream stream;
    boost::archive::binary_oarchive(stream) << value;
    T back{};
    boost::archive::binary_iarchive(stream) >> back;
    benchmark::DoNotOptimize(back);
  }
}

BENCHMARK(ours_as_it_lies<std::int64_t>);
BENCHMARK(two_copies<std::int64_t>);
BENCHMARK(stream_archive<std::int64_t>);
BENCHMARK(ours_as_it_lies<Colour>);
BENCHMARK(two_copies<Colour>);
BENCHMARK(ours<std::string>);
BENCHMARK(two_copies<std::string>);
BENCHMARK(stream_archive<std::string>);
BENCHMARK(ours<std::vector<int>>);
BENCHMARK(two_copies<std::vector<int>>);
BENCHMARK(stream_archive<std::vector<int>>);
BENCHMARK(ours<std::vector<std::byte>>);
BENCHMARK(two_copies<std::vector<std::byte>>);
BENCHMARK(ours<std::vector<std::string>>);
BENCHMARK(two_copies<std::vector<std::string>>);
BENCHMARK(ours<Aggregate>);
BENCHMARK(two_copies<Aggregate>);
BENCHMARK(ours<Record>);
BENCHMARK(two_copies<Record>);
BENCHMARK(stream_archive<Record>);

}  // namespace

BENCHMARK_MAIN();
