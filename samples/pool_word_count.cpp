// SPDX-License-Identifier: BSL-1.0
// Word count as map and reduce: each text is counted by a worker, the counts are summed up here.
#include <fmt/core.h>

#include <map>
#include <multiprocessing/multiprocessing.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace mp = multiprocessing;
using Counts = std::map<std::string, int>;

Counts count_words(const std::string& text) {
  Counts counts;
  std::istringstream words(text);
  for (std::string word; words >> word;) ++counts[word];
  return counts;
}

int main() {
  const std::vector<std::string> texts{"the quick brown fox jumps over the lazy dog",
                                       "the dog barks", "a quick reply to the fox",
                                       "over and over again the fox runs"};

  mp::Pool pool(3);
  Counts all;
  for (const Counts& counts : pool.imap_unordered(count_words, texts)) {
    for (const auto& [word, count] : counts) all[word] += count;
  }

  for (const auto& [word, count] : all) {
    if (count > 1) fmt::print("{:<6} {}\n", word, count);
  }
}
