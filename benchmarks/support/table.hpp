// SPDX-License-Identifier: BSL-1.0
// Tables of medians: one row a peer, one column a case, with this library's ratio to the best.
#pragma once
#include <functional>
#include <string>
#include <vector>

namespace bench {

enum class Better { kHigher, kLower };

class Table {
 public:
  /// Prints the title.
  Table(const std::string& title, const std::string& unit, Better better);

  /// Measures every entry of a case `rounds` times, the entries in turn, so that a machine that
  /// changes its speed meets all of them alike, and prints the medians. The first entry is this
  /// library's. An entry whose measure returns 0 is not available.
  struct Entry {
    std::string peer;
    std::function<double()> measure;
  };
  void add_case(const std::string& name, const std::vector<Entry>& entries, int rounds);

 private:
  void print(const std::string& name, const std::vector<Entry>& entries,
             const std::vector<double>& medians) const;

  Better better_;
};

/// What a Python script of benchmarks/peers prints for these arguments; 0 where python3 is missing.
double from_python(const std::string& script, const std::string& arguments);

}  // namespace bench
