// The relay against topics in memory: what it does when something fails at any of its steps.
#include <doctest/doctest.h>

#include <skald/outbox/transaction.hpp>
#include <thread>

#include "tests/system/outbox/databases.hpp"
#include "tests/system/outbox/memory_topics.hpp"
#include "tests/system/outbox/store_decorator.hpp"

namespace skald::tests {

namespace {

using namespace std::chrono_literals;
using outbox::relay;
using outbox::transaction;

// Ends the relay's process, as it were.
struct crash {};

// Counts the steps of a relay, and crashes before a chosen one.
struct step_counter {
  int steps = 0;
  int crash_at = -1;
  void step() {
    if (steps++ == crash_at) throw crash();
  }
};

// A store whose every call is a step, before it and after it.
class stepping_store final : public store_decorator {
 public:
  stepping_store(outbox::store& of, step_counter& counter) : store_decorator(of), counter_(counter) {}

 private:
  void before(step) override { counter_.step(); }
  void after(step) override { counter_.step(); }
  step_counter& counter_;
};

template <class Database>
struct relay_scene {
  relay_scene() { store->create_tables(); }
  void write(int count, const std::string& topic = "t") {
    transaction change(*store);
    for (int i = 0; i < count; ++i) {
      const std::string key = "k" + std::to_string(i % 3);
      const std::string value = std::to_string(written++);
      change.publish(topic, {.key = key, .value = value});
    }
    change.commit();
  }
  // Every value once, and in order of its key.
  void check_all() {
    CHECK(topics.size() == static_cast<std::size_t>(written));
    for (const auto& [key, values] : topics.values)
      CHECK(std::is_sorted(values.begin(), values.end(),
                           [](const auto& a, const auto& b) { return std::stoi(a) < std::stoi(b); }));
    CHECK(store->statistics().unsent == 0);
  }

  Database database;
  std::unique_ptr<typename Database::store_type> store = database.open();
  memory_topics topics;
  int written = 0;
};

}  // namespace

TEST_SUITE("outbox relay") {
  TEST_CASE_TEMPLATE("a crash between any two steps loses and repeats nothing", Database, sqlite_database,
                     postgresql_database) {
    relay_scene<Database> s;
    for (int at = 0; at < 30; ++at) {
      s.write(10);
      step_counter counter{.crash_at = at};
      stepping_store stepping(*s.store, counter);
      relay dying(stepping,
                  [&](std::span<const outbox::row> rows) {
                    counter.step();
                    const auto duplicates = s.topics.publish(rows);
                    counter.step();
                    return duplicates;
                  },
                  {.batch_rows = 4});
      const bool crashed = [&] {
        try {
          dying.run_once();
        } catch (const crash&) {
          return true;
        }
        return false;
      }();
      CHECK(crashed == (at < counter.steps));
      relay next(*s.store, s.topics.publisher(), {.batch_rows = 4});
      next.run_once();
      s.check_all();
    }
  }

  TEST_CASE_TEMPLATE("a refused row is parked, and its key with it; the others go on", Database,
                     sqlite_database, postgresql_database) {
    relay_scene<Database> s;
    s.write(2);
    s.write(3, "missing");
    s.write(3);
    s.topics.refused_topics = {"missing"};
    relay one(*s.store, s.topics.publisher(), {.batch_rows = 100});
    one.run_once();
    CHECK(s.topics.size() == 5);
    CHECK(s.store->statistics().parked == 3);
    CHECK(one.statistics().parked == 3);
    CHECK(s.store->parked(1).at(0).reason == "no such topic");
    s.topics.refused_topics.clear();
    CHECK(one.run_once() == 0);
    CHECK(s.store->retry_parked() == 3);
    CHECK(one.run_once() == 3);
    CHECK(s.store->statistics().unsent == 0);
  }

  TEST_CASE("of two rows of a key, the second waits for the parked first") {
    relay_scene<sqlite_database> s;
    {
      transaction change(*s.store);
      for (const char* value : {"1", "2", "3"}) change.publish("missing", {.key = "k", .value = value});
      change.commit();
    }
    s.topics.refused_topics = {"missing"};
    relay one(*s.store, s.topics.publisher());
    one.run_once();
    CHECK(s.store->statistics().parked == 1);
    s.topics.refused_topics.clear();
    s.store->retry_parked();
    CHECK(one.run_once() == 3);
    CHECK(s.topics.values["k"] == std::vector<std::string>{"1", "2", "3"});
  }

  TEST_CASE("a batch that is refused as a whole goes in parts") {
    relay_scene<sqlite_database> s;
    s.write(50);
    s.topics.rows_max = 7;
    relay one(*s.store, s.topics.publisher());
    CHECK(one.run_once() == 50);
    s.check_all();
    s.topics.rows_max = 0;
    s.write(2);
    CHECK(one.run_once() == 0);
    CHECK(s.store->statistics().parked == 2);
  }

  TEST_CASE_TEMPLATE("two relays at once publish everything once", Database, sqlite_database,
                     postgresql_database) {
    relay_scene<Database> s;
    std::mutex mutex;
    const outbox::publisher shared = [&](std::span<const outbox::row> rows) {
      const std::lock_guard lock(mutex);
      return s.topics.publish(rows);
    };
    const auto first_store = s.database.open();
    const auto second_store = s.database.open();
    relay first(*first_store, shared, {.batch_rows = 3, .poll_interval = 1ms});
    relay second(*second_store, shared, {.batch_rows = 5, .poll_interval = 1ms});
    std::thread one([&] { first.run(); });
    std::thread two([&] { second.run(); });
    for (int i = 0; i < 20; ++i) s.write(10);
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (s.store->statistics().unsent > 0 && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(1ms);
    first.stop();
    second.stop();
    one.join();
    two.join();
    s.check_all();
  }

  TEST_CASE("it cleans the inbox also when there is always something to publish") {
    relay_scene<sqlite_database> s;
    {
      transaction change(*s.store);
      CHECK(change.receive("c", "long ago"));
      change.commit();
    }
    const auto own = s.database.open();
    const auto watching = s.database.open();
    relay one(*own,
              [&](std::span<const outbox::row> rows) {
                s.write(1);
                return s.topics.publish(rows);
              },
              {.inbox_kept = -1h});
    s.write(1);
    std::thread runner([&] { one.run(); });
    const auto remembered = [&] {
      return sqlite_database::number(*watching, "SELECT count(*) FROM skald_inbox");
    };
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (remembered() > 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(1ms);
    CHECK(remembered() == 0);
    one.stop();
    runner.join();
  }

  TEST_CASE("it goes on after failures, of which it tells, until it is stopped") {
    relay_scene<sqlite_database> s;
    std::atomic<int> failures = 3;
    const auto own = s.database.open();
    relay one(*own,
              [&](std::span<const outbox::row> rows) {
                if (failures-- > 0) throw error(errc::connection_lost, "no broker");
                return s.topics.publish(rows);
              },
              {.poll_interval = 1h, .retry_delay_min = 1ms, .retry_delay_max = 2ms});
    std::thread runner([&] { one.run(); });
    s.write(5);
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (one.statistics().published < 5 && std::chrono::steady_clock::now() < deadline) {
      one.wake();  // it may have found nothing before the rows were there, and would wait for an hour
      std::this_thread::sleep_for(1ms);
    }
    CHECK(one.statistics().failures == 3);
    CHECK(one.statistics().last_failure == "no broker");
    one.stop();
    runner.join();
    s.check_all();
  }
}

}  // namespace skald::tests
