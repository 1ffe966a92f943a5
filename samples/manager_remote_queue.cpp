// SPDX-License-Identifier: BSL-1.0
// Jobs for workers on other machines: a server with two queues on a TCP port, a client that puts
// the jobs, and workers that know the server's address and key and nothing else. Python programs
// may be any of them.
#include <fmt/core.h>

#include <algorithm>
#include <multiprocessing/multiprocessing.hpp>
#include <vector>

namespace mp = multiprocessing;

constexpr const char* kKey = "abracadabra";

void serve(mp::SimpleQueue<mp::Address> where) {
  mp::Queue<int> jobs;
  mp::Queue<int> results;
  mp::BaseManager manager({"127.0.0.1", 0}, kKey);
  manager.register_callable("get_job_queue", [jobs] { return jobs; });
  manager.register_callable("get_result_queue", [results] { return results; });
  mp::Server server = manager.get_server();
  where.put(server.address());
  server.serve_forever();
}

void work(const mp::Address& address) {
  mp::BaseManager manager(address, kKey);
  manager.connect();
  auto jobs = manager.call<mp::QueueProxy<int>>("get_job_queue");
  auto results = manager.call<mp::QueueProxy<int>>("get_result_queue");
  for (int job = jobs.get(); job >= 0; job = jobs.get()) results.put(job * job);
}

int main() {
  mp::SimpleQueue<mp::Address> where;
  mp::Process server(serve, where);
  server.start();
  const mp::Address address = where.get();

  mp::BaseManager manager(address, kKey);
  manager.connect();
  auto jobs = manager.call<mp::QueueProxy<int>>("get_job_queue");
  auto results = manager.call<mp::QueueProxy<int>>("get_result_queue");
  std::vector<mp::Process> workers;
  for (int i = 0; i < 3; ++i) workers.emplace_back(work, address).start();

  for (int i = 0; i < 10; ++i) jobs.put(i);
  std::vector<int> squares;
  for (int i = 0; i < 10; ++i) squares.push_back(results.get());
  std::sort(squares.begin(), squares.end());
  for (std::size_t i = 0; i < workers.size(); ++i) jobs.put(-1);
  for (auto& worker : workers) worker.join();
  fmt::print("{}\n", mp::Object(squares));

  manager.shutdown();
  server.join();
  fmt::print("the server ended with {}\n", server.exitcode().value());
}
