// Memory: what clients make the broker hold stays within its budget.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/broker/server/raw_client.hpp"
#include "tests/effort.hpp"
#include "tests/system/support/skaldd_process.hpp"

namespace skald::tests {

using server::test::bytes;
using server::test::make_batch;
using server::test::raw_client;
using server::test::steady;

namespace {

// The most that a process has ever had in memory.
std::uint64_t peak_bytes(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  }
  return 0;
}

// Sends what the broker takes of `rest`, and returns how much that was.
std::size_t send_some(raw_client& by, std::span<const std::byte>& rest) {
  const ssize_t sent = ::send(by.descriptor(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent <= 0) return 0;
  rest = rest.subspan(static_cast<std::size_t>(sent));
  return static_cast<std::size_t>(sent);
}

}  // namespace

TEST_CASE("large frames that never end use up no more than the budget, and make room for others in the end") {
  constexpr std::size_t clients = 40;
  constexpr std::size_t frame_bytes = 8'000'000;
  constexpr std::uint64_t budget_bytes = 36u << 20;
  constexpr std::uint64_t own_bytes_max = 40u << 20;  // what a broker needs besides, generously
  const scratch_directory in;
  skaldd_process broker(SKALDD_PROGRAM, in.path(), {"--memory-bytes-max", "36MiB", "--frame-timeout", "2s"});
  raw_client good(broker.port());
  good.greet();
  good.create("orders");

  const bytes frame = good.publish_frame(3, "orders", 0, bytes(frame_bytes));
  const auto begun = std::span<const std::byte>(frame).first(frame.size() - 1);
  std::vector<raw_client> greedy;
  std::vector<std::span<const std::byte>> left(clients, begun);
  for (std::size_t i = 0; i < clients; ++i) {
    greedy.emplace_back(broker.port());
    greedy.back().greet();
  }
  // Until nobody's bytes are taken any more.
  std::size_t taken = 0;
  for (auto last = steady::now(); steady::now() - last < std::chrono::seconds(1);) {
    for (std::size_t i = 0; i < clients; ++i) {
      const std::size_t more = left[i].empty() ? 0 : send_some(greedy[i], left[i]);
      taken += more;
      if (more > 0) last = steady::now();
    }
    std::this_thread::yield();
  }
  CHECK(taken > budget_bytes / 3);
  // The answer has the client's deadline.
  CHECK(good.publish("orders", make_batch({"after all"})) == 0);
  // A sanitizer's shadow memory would count as well.
  if (!sanitized) CHECK(peak_bytes(broker.process().id()) < budget_bytes + own_bytes_max);
}

}  // namespace skald::tests
