// Ten thousand connections that do nothing cost little, and those that do something do not notice them.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <csignal>

#include "tests/broker/server/raw_client.hpp"
#include "tests/effort.hpp"
#include "tests/system/support/skaldd_process.hpp"

namespace skald::tests {

namespace {

using server::test::make_batch;
using server::test::raw_client;

// How many descriptors this process may have, after asking for all it can get.
std::uint64_t descriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

std::uint64_t resident_bytes(raw_client& of) {
  const auto is = of.ask(9, [](auto& b) { return wire::CreateStatus(b); });
  REQUIRE(is.frame().body_as_StatusOk() != nullptr);
  return is.frame().body_as_StatusOk()->memory_bytes();
}

}  // namespace

TEST_CASE("ten thousand idle connections") {
  constexpr std::size_t count = 10'000;
  if (descriptors() < count + 200) {
    MESSAGE("skipped: this user may have only ", descriptors(), " descriptors; raise ulimit -Hn above 10200");
    return;
  }
  const scratch_directory in;
  skaldd_process broker(SKALDD_PROGRAM, in.path());
  raw_client busy(broker.port());
  busy.greet();
  busy.create("orders");
  busy.publish("orders", make_batch({"before"}));
  const std::uint64_t before = resident_bytes(busy);

  std::vector<raw_client> idle;
  idle.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    idle.emplace_back(broker.port());
    idle.back().greet();
  }
  const std::uint64_t after = resident_bytes(busy);
  const std::uint64_t each = (after - before) / count;
  MESSAGE("an idle connection costs ", each, " bytes");
  if (!sanitized) CHECK(each <= 6 * 1024);
  CHECK(busy.publish("orders", make_batch({"among"})) == 1);
  CHECK(idle.front().ask(5, [](auto& b) { return wire::CreatePing(b); }).type() == wire::Body::Pong);
  CHECK(idle.back().ask(5, [](auto& b) { return wire::CreatePing(b); }).type() == wire::Body::Pong);

  broker.process().send_signal(SIGTERM);
  CHECK(idle[count / 2].reason() == errc::shutting_down);
  idle.clear();
  busy.close();
  CHECK(broker.process().wait().exit_code == 0);
}

}  // namespace skald::tests
