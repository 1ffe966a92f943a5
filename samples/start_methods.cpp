// SPDX-License-Identifier: BSL-1.0
// Start methods: one program starts processes by fork, by spawn and by a fork server.
#include <iostream>
#include <multiprocessing/multiprocessing.hpp>
#include <string>

namespace mp = multiprocessing;

int counter = 0;  // of each process's own

void report(const std::string& method, mp::Queue<std::string> reports) {
  reports.put(method + ": " + mp::current_process().name() + " finds the counter at " +
              std::to_string(counter));
}

// A subclass that can go to a fresh process image: it says what its fields are.
struct Reporter : mp::ProcessOf<Reporter> {
  Reporter() = default;
  Reporter(std::string method, mp::Queue<std::string> reports)
      : method_(std::move(method)), reports_(std::move(reports)) {}

  void run() override { report(method_, reports_); }

  template <class Archive> void serialize(Archive& archive, unsigned) {
    archive& method_& reports_;
  }

  std::string method_;
  mp::Queue<std::string> reports_;
};

int main() {
  counter = 5;  // a forked child is a copy of this process, the others are fresh programs
  mp::Queue<std::string> reports;
  for (const std::string& method : mp::get_all_start_methods()) {
    const mp::Context context = mp::get_context(method);
    mp::Process process = context.Process({.name = "function"}, report, method, reports);
    Reporter reporter = context.Process(Reporter(method, reports));
    reporter.name("subclass");
    for (mp::Process* started : {&process, static_cast<mp::Process*>(&reporter)}) {
      started->start();
      started->join();
      std::cout << reports.get() << '\n';
    }
  }

  int captured = 1;
  mp::Process lambda = mp::get_context("spawn").Process([captured] { return captured; });
  try {
    lambda.start();
  } catch (const mp::TypeError&) {
    std::cout << "what a lambda has captured cannot go to a fresh program\n";
  }
}
