// Records that wait or expire, through the real client and the real broker.
#include <doctest/doctest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <skald/skald.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/system/support/skaldd_process.hpp"

namespace skald::tests {

namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
using texts = std::vector<std::string>;

struct timer_fixture {
  scratch_directory directory;
  skaldd_process server{SKALDD_PROGRAM, directory.path()};
  std::string address = server.address();
  blocking_client broker{{.address = address}};

  timer_fixture() { broker.create_topic("plain"); }

  // What can be read from the beginning now.
  texts values() {
    texts all;
    const offset end = broker.describe_topic("plain").partitions.at(0).end;
    for (offset at = broker.describe_topic("plain").partitions.at(0).log_start; at < end;) {
      const records some = broker.fetch("plain", partition_id(0), at);
      for (const record& one : some) all.emplace_back(one.value().value_or("(none)"));
      if (some.end_offset() == at) break;
      at = some.end_offset();
    }
    return all;
  }
  // Waits until exactly these can be read.
  bool become(const texts& wanted) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (values() != wanted) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(5ms);
    }
    return true;
  }
  texts listed(std::string_view owner = {}) {
    texts all;
    for (const timer_info& one : broker.list_timers({.owner_prefix = owner})) all.push_back(one.name);
    return all;
  }
};

}  // namespace

TEST_CASE_FIXTURE(timer_fixture, "a delayed record has no offset yet, and comes when it is due") {
  const published set = broker.publish("plain", {.value = "later"}, {.delay = 300ms});
  CHECK_FALSE(set.offset);
  CHECK(broker.publish("plain", {.value = "now"}).offset == offset(0));
  auto reading = broker.subscribe("plain", {.from = earliest});
  texts received;
  while (received.size() < 2)
    for (const record& one : reading.receive()) received.emplace_back(*one.value());
  CHECK(received == texts{"now", "later"});
}

TEST_CASE_FIXTURE(timer_fixture, "named timers are set, listed, moved, cancelled, and outlive the broker") {
  commit effect;
  effect.append("plain", {.value = "started"});
  effect.set_timer("order/1/expiry", 1h, "plain", {.value = "expired"});
  effect.set_timer("order/1/reminder", 1h, "plain", {.value = "never"});
  effect.append("plain", {.value = "and later"}).delay(1h);
  const committed made = broker.commit(std::move(effect));
  CHECK_FALSE(made.appends.at(0).waits);
  CHECK(made.appends.at(1).waits);
  broker.publish("plain", {.value = "other"}, {.delay = 1h, .timer = "user/7"});
  CHECK(listed() == texts{"order/1/expiry", "order/1/reminder", "user/7"});
  CHECK(listed("order/1") == texts{"order/1/expiry", "order/1/reminder"});

  server.kill();
  server.start();
  commit changes;
  changes.append("plain", {.value = "moved"});
  changes.move_timer("order/1/expiry", 0ms);
  changes.cancel_timer("order/1/reminder");
  broker.commit(std::move(changes));
  CHECK(become({"started", "moved", "expired"}));
  CHECK(listed() == texts{"user/7"});

  commit late;
  late.append("plain", {.value = "never"});
  late.cancel_timer("user/7");
  late.cancel_timer("order/1/expiry");
  try {
    broker.commit(std::move(late));
    FAIL("a fired timer was cancelled");
  } catch (const commit_refused& why) {
    CHECK(why.code() == errc::unknown_timer);
    CHECK(why.what_part() == commit_refused::part::timer);
    CHECK(why.index() == 1);
  }
  CHECK(listed() == texts{"user/7"});
  commit tolerant;
  tolerant.cancel_timer("order/1/expiry", commit::missing::fine);
  broker.commit(std::move(tolerant));
  CHECK(server.stop().exit_code == 0);
  const process_result verified =
      run_process(SKALDD_PROGRAM, {"verify", "--data-dir", directory.path().string()});
  const std::string findings = verified.output + verified.errors;
  CHECK_MESSAGE(verified.exit_code == 0, findings);
}

TEST_CASE_FIXTURE(timer_fixture, "expired records are passed over by fetches and subscriptions") {
  broker.publish("plain", {.value = "first"});
  broker.publish("plain", {.value = "expires"}, {.ttl = 1ms});
  broker.publish("plain", {.value = "second"});
  broker.publish("plain", {.value = "expires too"}, {.ttl = 1ms});
  REQUIRE(become({"first", "second"}));
  auto reading = broker.subscribe("plain", {.from = earliest});
  texts received;
  while (received.size() < 2)
    for (const record& one : reading.receive()) received.emplace_back(*one.value());
  CHECK(received == texts{"first", "second"});
  broker.publish("plain", {.value = "third"});
  while (received.size() < 3)
    for (const record& one : reading.receive()) received.emplace_back(*one.value());
  CHECK(received.back() == "third");
}

TEST_CASE_FIXTURE(timer_fixture, "timers with coroutines, and times that make no sense") {
  asio::io_context context;
  client other(context.get_executor(), {.address = address});
  std::exception_ptr failed;
  asio::co_spawn(
      context,
      [&]() -> asio::awaitable<void> {
        co_await other.publish("plain", {.value = "x"}, {.delay = 1h, .timer = "a/b"});
        const std::vector<timer_info> timers = co_await other.list_timers();
        CHECK(timers.size() == 1);
        CHECK(timers.at(0).topic == "plain");
        other.close();
      },
      [&](const std::exception_ptr& why) { failed = why; });
  context.run();
  CHECK(failed == nullptr);
  for (const publish_options& wrong : {publish_options{.deliver_at = timestamp(1ms), .delay = 1ms},
                                       publish_options{.ttl = 0ms}, publish_options{.timer = "no/time"}})
    CHECK_THROWS_AS(broker.publish("plain", {.value = "x"}, wrong), const error&);
}

}  // namespace skald::tests
