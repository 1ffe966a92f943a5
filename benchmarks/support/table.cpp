// SPDX-License-Identifier: BSL-1.0
#include "table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "crew.hpp"

namespace bench {

Table::Table(std::string title, std::string unit, Better better)
    : title_(std::move(title)), unit_(std::move(unit)), better_(better) {}

void Table::add_case(const std::string& name, const std::vector<Entry>& entries, int rounds) {
  std::vector<std::vector<double>> values(entries.size());
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < entries.size(); ++i) values[i].push_back(entries[i].measure());
  }
  Case result{name, {}, {}};
  for (std::size_t i = 0; i < entries.size(); ++i) {
    result.peers.push_back(entries[i].peer);
    result.medians.push_back(median(values[i]));
  }
  cases_.push_back(std::move(result));
}

void Table::print() const {
  fmt::print("\n{} ({})\n", title_, unit_);
  for (const Case& c : cases_) {
    double best = 0;
    for (std::size_t i = 1; i < c.medians.size(); ++i) {
      const double m = c.medians[i];
      if (m == 0) continue;
      if (best == 0 || (better_ == Better::kHigher ? m > best : m < best)) best = m;
    }
    fmt::print("  {}\n", c.name);
    for (std::size_t i = 0; i < c.medians.size(); ++i) {
      const double m = c.medians[i];
      if (m == 0) {
        fmt::print("    {:<34} {:>12}\n", c.peers[i], "-");
      } else if (i == 0) {
        fmt::print("    {:<34} {:>12.3f}   {:.2f} of the best peer\n", c.peers[i], m,
                   best == 0 ? 0 : m / best);
      } else {
        fmt::print("    {:<34} {:>12.3f}   we: {:.2f} of it\n", c.peers[i], m, c.medians[0] / m);
      }
    }
  }
  std::fflush(stdout);
}

double from_python(const std::string& script, const std::string& arguments) {
  const std::string command =
      std::string("python3 '") + BENCHMARK_PEERS + "/" + script + "' " + arguments + " 2>/dev/null";
  std::FILE* output = ::popen(command.c_str(), "r");
  if (output == nullptr) return 0;
  double value = 0;
  if (std::fscanf(output, "%lf", &value) != 1) value = 0;
  ::pclose(output);
  return value;
}

}  // namespace bench
