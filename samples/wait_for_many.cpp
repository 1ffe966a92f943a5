// SPDX-License-Identifier: BSL-1.0
// One process listens to many pipes at once, until the last sender has hung up.
#include <fmt/core.h>

#include <map>
#include <multiprocessing/multiprocessing.hpp>
#include <string>
#include <vector>

namespace mp = multiprocessing;

struct Reading {
  std::string station;
  int celsius;
};

void measure(mp::Connection out, const std::string& station, int start) {
  for (int hour = 0; hour < 4; ++hour) out.send(Reading{station, start + hour});
}

int main() {
  std::vector<mp::Process> stations;
  std::vector<mp::Connection> lines;
  for (const auto& [name, start] :
       std::map<std::string, int>{{"north", -8}, {"south", 21}, {"west", 9}}) {
    auto [reader, writer] = mp::Pipe(false);
    stations.emplace_back(measure, writer, name, start).start();
    writer.close();
    lines.push_back(reader);
  }

  std::map<std::string, std::vector<int>> readings;
  while (!lines.empty()) {
    for (const mp::Connection& line : mp::connection::wait(lines)) {
      try {
        const auto reading = mp::Connection(line).recv<Reading>();
        readings[reading.station].push_back(reading.celsius);
      } catch (const mp::EOFError&) {
        std::erase(lines, line);
      }
    }
  }
  for (mp::Process& station : stations) station.join();
  for (const auto& [name, values] : readings) {
    fmt::print("{}: {} readings, the last {}\n", name, values.size(), values.back());
  }
}
