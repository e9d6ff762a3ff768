// PostgreSQL commits in another order than its sequences count. Nothing is skipped, and keys keep their
// order.
#include <doctest/doctest.h>

#include <random>
#include <skald/outbox/transaction.hpp>
#include <thread>

#include "tests/system/outbox/databases.hpp"
#include "tests/system/outbox/memory_topics.hpp"

namespace skald::tests {

namespace {

using namespace std::chrono_literals;
using outbox::transaction;

}  // namespace

TEST_SUITE("outbox order") {
  TEST_CASE("a row with a lower position that commits late is published") {
    const postgresql_database database;
    const auto early = database.open();
    const auto late = database.open();
    const auto relaying = database.open();
    early->create_tables();
    memory_topics topics;
    outbox::relay relay(*relaying, topics.publisher());

    transaction slow(*early);
    slow.publish("t", {.key = "slow", .value = "1"});
    {
      transaction fast(*late);
      fast.publish("t", {.key = "fast", .value = "2"});
      fast.commit();
    }
    CHECK(relay.run_once() == 1);
    CHECK(topics.values["fast"].size() == 1);
    CHECK(relay.run_once() == 0);
    slow.commit();
    CHECK(relay.run_once() == 1);
    CHECK(topics.values["slow"].size() == 1);
  }

  TEST_CASE("who publishes with a key waits for those that did before it") {
    const postgresql_database database;
    const auto first = database.open();
    const auto second = database.open();
    const auto watching = database.open();
    first->create_tables();
    transaction before(*first);
    before.publish("t", {.key = "k", .value = "1"});
    std::thread waiting([&] {
      transaction after(*second);
      after.publish("t", {.key = "k", .value = "2"});
      after.commit();
    });
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (postgresql_database::number(
               *watching,
               "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
               "wait_event_type = 'Lock' AND wait_event = 'advisory'") == 0) {
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      std::this_thread::sleep_for(1ms);
    }
    CHECK(watching->unsent(10, 1'000).empty());
    before.commit();
    waiting.join();
    const auto rows = watching->unsent(10, 1'000);
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].value == "1");
    CHECK(rows[1].value == "2");
  }

  TEST_CASE_TEMPLATE("many writers, of which some roll back: each key in the order of its commits", Database,
                     sqlite_database, postgresql_database) {
    const Database database;
    const auto setup = database.open();
    setup->create_tables();
    Database::execute(*setup, "CREATE TABLE counter (key INTEGER PRIMARY KEY, value INTEGER)");
    for (int key = 0; key < 5; ++key)
      Database::execute(*setup, "INSERT INTO counter VALUES (" + std::to_string(key) + ", 0)");
    memory_topics topics;
    const auto relaying = database.open();
    outbox::relay relay(*relaying, topics.publisher(), {.batch_rows = 7, .poll_interval = 1ms});
    std::thread relay_thread([&] { relay.run(); });

    constexpr int writers = 4;
    constexpr int each_writes = 50;
    std::vector<std::thread> threads;
    for (int t = 0; t < writers; ++t)
      threads.emplace_back([&, t] {
        const auto mine = database.open();
        std::mt19937 random(static_cast<unsigned>(t));
        for (int i = 0; i < each_writes;) {
          const std::string key = std::to_string(random() % 5);
          transaction change(*mine);
          // The counter's row lock orders the transactions of a key, and the value says how.
          Database::execute(*mine, "UPDATE counter SET value = value + 1 WHERE key = " + key);
          const auto value = Database::number(*mine, "SELECT value FROM counter WHERE key = " + key);
          change.publish("t", {.key = key, .value = std::to_string(value)});
          if (random() % 4 == 0) continue;
          change.commit();
          ++i;
        }
      });
    for (auto& each : threads) each.join();
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (relay.statistics().published < writers * each_writes &&
           std::chrono::steady_clock::now() < deadline) {
      relay.wake();
      std::this_thread::sleep_for(1ms);
    }
    relay.stop();
    relay_thread.join();
    const std::string failure = relay.statistics().last_failure;
    CHECK_MESSAGE(topics.size() == writers * each_writes, failure);
    for (const auto& [key, values] : topics.values)
      for (std::size_t i = 0; i < values.size(); ++i) CHECK(values[i] == std::to_string(i + 1));
  }
}

}  // namespace skald::tests
