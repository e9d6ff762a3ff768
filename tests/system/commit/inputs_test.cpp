// Units of work that acknowledge their inputs, through the real client and the real broker, in both styles.
#include <doctest/doctest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <optional>
#include <skald/skald.hpp>
#include <string>

#include "tests/system/commit/refusal_of.hpp"
#include "tests/system/support/skaldd_process.hpp"

namespace skald::tests {

namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
using part = commit_refused::part;

struct inputs_fixture {
  scratch_directory directory;
  skaldd_process server{SKALDD_PROGRAM, directory.path()};
  std::string address = server.address();
  blocking_client broker = client();

  inputs_fixture() {
    broker.create_topic("in");
    broker.create_topic("out");
    broker.create_queue("in", "work", {.backoff_min = 10ms});
    for (int i = 0; i < 4; ++i) broker.publish("in", {.value = std::to_string(i)});
  }
  blocking_client client() const {
    return blocking_client(
        {.address = address, .timeout = 30s, .reconnect_delay_min = 5ms, .reconnect_delay_max = 50ms});
  }
  static blocking_subscription join(blocking_client& as, commit_mode mode = commit_mode::manual) {
    return as.subscribe("in", {.from = earliest, .group = "billing", .commit = mode});
  }
  std::uint64_t outputs() { return broker.describe_topic("out").records; }
  std::uint64_t lag() {
    std::uint64_t sum = 0;
    for (const group_partition& one : broker.describe_group("billing").partitions) sum += one.lag();
    return sum;
  }
  std::uint64_t settled() {
    const queue_partition is = broker.describe_queue("in", "work").partitions.at(0);
    return is.floor.value() + is.settled_above;
  }
};

template <class Work>
errc failure_of(Work work) {
  try {
    work();
  } catch (const error& why) {
    return static_cast<errc>(why.code().value());
  }
  return errc::ok;
}

commit output() {
  commit effect;
  effect.append("out", {.value = "output"});
  return effect;
}

}  // namespace

TEST_CASE_FIXTURE(inputs_fixture, "a delivery is acknowledged with what was made of it, once") {
  blocking_queue work = broker.open_queue("in", "work");
  const deliveries some = work.receive();
  REQUIRE(some.size() == 4);
  commit effect = output();
  effect.acknowledge(some[0]);
  effect.acknowledge(some[1]);
  broker.commit(std::move(effect));
  CHECK(settled() == 2);

  commit again = output();
  again.acknowledge(some[3]);
  again.acknowledge(some[1]);
  const commit_refused why = refusal_of([&] { broker.commit(std::move(again)); });
  CHECK(why.code() == errc::unknown_lease);
  CHECK(why.what_part() == part::delivery);
  CHECK(why.index() == 1);
  CHECK(outputs() == 1);

  // What was refused is still held.
  commit rest = output();
  rest.acknowledge(std::span(some).subspan(2));
  broker.commit(std::move(rest));
  CHECK(settled() == 4);
}

TEST_CASE_FIXTURE(inputs_fixture,
                  "a member's input is acknowledged by record and by delivery, forwards only") {
  blocking_subscription in = join(broker);
  const records some = in.receive();
  commit effect = output();
  effect.acknowledge(in, *some.begin());
  broker.commit(std::move(effect));
  CHECK(lag() == 3);
  commit rest = output();
  rest.acknowledge(in, some);
  broker.commit(std::move(rest));
  CHECK(lag() == 4 - some.size());

  commit stale = output();
  stale.acknowledge(in, *some.begin());
  const commit_refused why = refusal_of([&] { broker.commit(std::move(stale)); });
  CHECK(why.code() == errc::offset_out_of_range);
  CHECK(why.what_part() == part::position);
  CHECK(outputs() == 2);
}

TEST_CASE_FIXTURE(inputs_fixture, "a fenced member's unit of work changes nothing") {
  blocking_client old_process = client();
  blocking_subscription old = old_process.subscribe(
      "in", {.from = earliest, .group = "billing", .instance = "one", .commit = commit_mode::manual});
  const records some = old.receive();
  blocking_subscription heir = broker.subscribe(
      "in", {.from = earliest, .group = "billing", .instance = "one", .commit = commit_mode::manual});
  heir.receive();
  commit effect = output();
  effect.acknowledge(old, some);
  const errc why = failure_of([&] { old_process.commit(std::move(effect)); });
  // Whichever comes first: that it was told, or that the broker refuses.
  CHECK((why == errc::fenced_member || why == errc::closed));
  CHECK(outputs() == 0);
  CHECK(lag() == 4);
}

TEST_CASE_FIXTURE(inputs_fixture,
                  "inputs of another client, or that commit themselves, are refused at once") {
  blocking_client other = client();
  blocking_queue work = other.open_queue("in", "work");
  commit foreign = output();
  foreign.acknowledge(work.receive());
  CHECK(failure_of([&] { broker.commit(std::move(foreign)); }) == errc::invalid_request);

  blocking_subscription automatic = join(other, commit_mode::automatic);
  const records some = automatic.receive();
  commit twice = output();
  twice.acknowledge(automatic, some);
  CHECK(failure_of([&] { other.commit(std::move(twice)); }) == errc::invalid_request);

  std::optional<blocking_subscription> closed = join(broker);
  commit late = output();
  late.acknowledge(*closed, some);
  closed.reset();
  CHECK(failure_of([&] { broker.commit(std::move(late)); }) == errc::closed);
  CHECK(outputs() == 0);
}

TEST_CASE_FIXTURE(inputs_fixture,
                  "a member's unit of work survives a broker that is killed before it arrives") {
  blocking_subscription in = join(broker);
  const records some = in.receive();
  server.kill();
  server.start();
  commit effect = output();
  effect.acknowledge(in, some);
  broker.commit(std::move(effect));
  CHECK(outputs() == 1);
  CHECK(lag() == 4 - some.size());
}

TEST_CASE_FIXTURE(inputs_fixture,
                  "leases end with their connection: the unit of work is refused, and comes again") {
  blocking_queue work = broker.open_queue("in", "work");
  const deliveries some = work.receive();
  server.kill();
  server.start();
  commit effect = output();
  effect.acknowledge(some);
  CHECK(refusal_of([&] { broker.commit(std::move(effect)); }).code() == errc::unknown_lease);
  CHECK(outputs() == 0);
  const deliveries again = work.receive();
  commit second = output();
  second.acknowledge(again);
  broker.commit(std::move(second));
  CHECK(outputs() == 1);
  CHECK(settled() == again.size());
}

TEST_CASE_FIXTURE(inputs_fixture,
                  "the asynchronous client acknowledges a lease and a position in one commit") {
  asio::io_context io;
  skald::client to(io.get_executor(), {.address = address});
  asio::co_spawn(
      io,
      [&]() -> asio::awaitable<void> {
        work_queue work = co_await to.open_queue("in", "work");
        subscription in = co_await to.subscribe(
            "in", {.from = earliest, .group = "billing", .commit = commit_mode::manual});
        const deliveries leased = co_await work.receive();
        const records read = co_await in.receive();
        commit effect;
        effect.append("out", {.value = "output"});
        effect.acknowledge(leased);
        effect.acknowledge(in, read);
        co_await to.commit(std::move(effect));
        co_await in.leave();
        to.close();
      },
      [](const std::exception_ptr& failed) {
        if (failed) std::rethrow_exception(failed);
      });
  io.run();
  CHECK(outputs() == 1);
  CHECK(settled() > 0);
  CHECK(lag() < 4);
}

}  // namespace skald::tests
