// SPDX-License-Identifier: BSL-1.0
#include "table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "crew.hpp"

namespace bench {

Table::Table(const std::string& title, const std::string& unit, Better better) : better_(better) {
  fmt::print("\n{} ({})\n", title, unit);
}

void Table::add_case(const std::string& name, const std::vector<Entry>& entries, int rounds) {
  std::vector<std::vector<double>> values(entries.size());
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < entries.size(); ++i) values[i].push_back(entries[i].measure());
  }
  std::vector<double> medians;
  for (const std::vector<double>& of_entry : values) medians.push_back(median(of_entry));
  print(name, entries, medians);
}

void Table::print(const std::string& name, const std::vector<Entry>& entries,
                  const std::vector<double>& medians) const {
  double best = 0;
  for (const double m : std::span(medians).subspan(1)) {
    if (m == 0) continue;
    if (best == 0 || (better_ == Better::kHigher ? m > best : m < best)) best = m;
  }
  fmt::print("  {}\n", name);
  for (std::size_t i = 0; i < medians.size(); ++i) {
    const double m = medians[i];
    if (m == 0) {
      fmt::print("    {:<34} {:>12}\n", entries[i].peer, "-");
    } else if (i == 0) {
      fmt::print("    {:<34} {:>12.3f}   {:.2f} of the best peer\n", entries[i].peer, m,
                 best == 0 ? 0 : m / best);
    } else {
      fmt::print("    {:<34} {:>12.3f}   we: {:.2f} of it\n", entries[i].peer, m, medians[0] / m);
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
