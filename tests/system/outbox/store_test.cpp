// The local transaction of business change, inbox and outbox, on both databases.
#include <doctest/doctest.h>

#include <array>
#include <skald/outbox/headers.hpp>
#include <skald/outbox/transaction.hpp>
#include <thread>

#include "tests/system/outbox/databases.hpp"

namespace skald::tests {

namespace {

using namespace std::chrono_literals;
using outbox::database_error;
using outbox::database_problem;
using outbox::transaction;

template <class Database>
struct store_scene {
  store_scene() {
    store->create_tables();
    Database::execute(*store, "CREATE TABLE customer (name TEXT PRIMARY KEY, reserved INTEGER)");
    Database::execute(*store, "INSERT INTO customer VALUES ('ann', 0)");
  }
  std::int64_t reserved() { return Database::number(*store, "SELECT reserved FROM customer"); }

  Database database;
  std::unique_ptr<typename Database::store_type> store = database.open();
};

}  // namespace

TEST_SUITE("outbox store") {
  TEST_CASE_TEMPLATE("all of a transaction is there, or nothing", Database, sqlite_database,
                     postgresql_database) {
    store_scene<Database> s;
    {
      transaction change(*s.store);
      CHECK(change.receive("credit", "m1"));
      Database::execute(*s.store, "UPDATE customer SET reserved = 100");
      change.publish("events", {.key = "ann", .value = "reserved"});
    }
    CHECK(s.reserved() == 0);
    CHECK(s.store->statistics().unsent == 0);
    {
      transaction change(*s.store);
      CHECK(change.receive("credit", "m1"));
      Database::execute(*s.store, "UPDATE customer SET reserved = 100");
      change.publish("events", {.key = "ann", .value = "reserved"});
      change.commit();
    }
    CHECK(s.reserved() == 100);
    CHECK(s.store->statistics().unsent == 1);
    transaction again(*s.store);
    CHECK(!again.receive("credit", "m1"));
    CHECK(again.receive("another consumer", "m1"));
  }

  TEST_CASE_TEMPLATE("a row comes out as it went in", Database, sqlite_database, postgresql_database) {
    store_scene<Database> s;
    const std::string bytes("\0\xff'\n", 4);
    const std::array headers{header{"trace", bytes}, header{"", ""}, header{"none", std::nullopt}};
    {
      transaction change(*s.store);
      change.publish("a", {.key = bytes, .value = bytes, .headers = headers, .time = timestamp(5ms)},
                     "my id");
      change.publish("b", {.key = "", .value = ""});
      change.publish("c", {.value = std::nullopt, .partition = partition_id(7)});
      change.commit();
    }
    const auto rows = s.store->unsent(10, 1'000);
    REQUIRE(rows.size() == 3);
    CHECK(rows[0].id == "my id");
    CHECK(rows[0].key == bytes);
    CHECK(rows[0].value == bytes);
    CHECK(rows[0].time == timestamp(5ms));
    CHECK(outbox::decode_headers(rows[0].headers) == std::vector<header>(headers.begin(), headers.end()));
    CHECK(rows[1].key == "");
    CHECK(rows[1].value == "");
    CHECK(rows[1].headers.empty());
    CHECK(!rows[2].key);
    CHECK(!rows[2].value);
    CHECK(rows[2].partition == partition_id(7));
    CHECK(rows[1].id != rows[2].id);
    CHECK(rows[1].id.size() > 32);
    CHECK(s.store->unsent(2, 1'000).size() == 2);
    CHECK(s.store->unsent(10, 1).size() == 1);
    CHECK(s.store->unsent(10, 0).size() == 1);
    const std::size_t first = 1 + 2 * bytes.size() + rows[0].headers.size();  // of its topic, too
    CHECK(s.store->unsent(10, first).size() == 1);
    CHECK(s.store->unsent(10, first + 1).size() == 2);
    CHECK(s.store->statistics().oldest_unsent == timestamp(5ms));
  }

  TEST_CASE_TEMPLATE("parked rows hold back the later ones of their key", Database, sqlite_database,
                     postgresql_database) {
    store_scene<Database> s;
    {
      transaction change(*s.store);
      for (const char* value : {"0", "1", "2"}) {
        change.publish("t", {.key = "x", .value = value});
        change.publish("t", {.key = "y", .value = value});
        change.publish("t", {.value = value});
        change.publish("other", {.key = "x", .value = value});
      }
      change.commit();
    }
    const auto all = s.store->unsent(100, 1'000'000);
    REQUIRE(all.size() == 12);
    s.store->park(all[4].position, "too large");  // x, 1
    s.store->park(all[6].position, "too large");  // without a key, 1
    const auto left = s.store->unsent(100, 1'000'000);
    CHECK(left.size() == 9);  // x, 2 waits behind it
    for (const auto& each : left) CHECK(!(each.topic == "t" && each.key == "x" && each.value != "0"));
    CHECK(s.store->statistics().parked == 2);
    const auto parked = s.store->parked(10);
    REQUIRE(parked.size() == 2);
    CHECK(parked[0].reason == "too large");
    CHECK(parked[0].key == "x");
    CHECK(s.store->retry_parked() == 2);
    CHECK(s.store->unsent(100, 1'000'000).size() == 12);
    CHECK(s.store->parked(10).empty());
  }

  TEST_CASE_TEMPLATE("removed rows are gone, and their positions too", Database, sqlite_database,
                     postgresql_database) {
    store_scene<Database> s;
    const auto publish = [&](const char* value) {
      transaction change(*s.store);
      change.publish("t", {.value = value});
      change.commit();
      return s.store->unsent(1, 100).at(0).position;
    };
    const std::int64_t first = publish("1");
    const std::array positions{first, first + 1'000};
    s.store->remove(positions);
    CHECK(publish("2") > first);
  }

  TEST_CASE_TEMPLATE("an answer is kept with its message, any bytes of it", Database, sqlite_database,
                     postgresql_database) {
    store_scene<Database> s;
    const std::string bytes("\0\xff'\n", 4);
    {
      transaction change(*s.store);
      for (const char* id : {"m1", "m2", "m3"}) CHECK(change.receive("c", id));
      change.keep_answer("c", "m1", bytes);
      change.keep_answer("c", "m2", "");
      CHECK(change.kept_answer("c", "m1") == bytes);
      change.commit();
    }
    transaction later(*s.store);
    CHECK(later.kept_answer("c", "m1") == bytes);
    CHECK(later.kept_answer("c", "m2") == "");
    CHECK(later.kept_answer("c", "m3") == std::nullopt);
    CHECK(later.kept_answer("another", "m1") == std::nullopt);
  }

  TEST_CASE_TEMPLATE("the inbox forgets what is old", Database, sqlite_database, postgresql_database) {
    store_scene<Database> s;
    {
      transaction change(*s.store);
      for (int i = 0; i < 5; ++i) CHECK(change.receive("c", std::to_string(i)));
      change.commit();
    }
    CHECK(s.store->clean_inbox(1h, 100) == 0);
    CHECK(s.store->clean_inbox(-1h, 3) == 3);
    CHECK(s.store->clean_inbox(-1h, 3) == 2);
  }

  TEST_CASE_TEMPLATE("a duplicate that arrives at the same time is handled once", Database, sqlite_database,
                     postgresql_database) {
    store_scene<Database> s;
    std::atomic<int> handled = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t)
      threads.emplace_back([&] {
        const auto mine = s.database.open();
        for (int i = 0; i < 50; ++i) {
          transaction change(*mine);
          if (!change.receive("c", "m" + std::to_string(i))) continue;
          Database::execute(*mine, "UPDATE customer SET reserved = reserved + 1");
          change.publish("t", {.key = "ann", .value = std::to_string(i)});
          change.commit();
          ++handled;
        }
      });
    for (auto& each : threads) each.join();
    CHECK(handled == 50);
    CHECK(s.reserved() == 50);
    CHECK(s.store->statistics().unsent == 50);
  }

  TEST_CASE_TEMPLATE("failures say what they are", Database, sqlite_database, postgresql_database) {
    store_scene<Database> s;
    Database::execute(*s.store, "DROP TABLE skald_inbox");
    transaction change(*s.store);
    try {
      (void)change.receive("c", "m");
      FAIL("the table is not there");
    } catch (const database_error& failed) {
      CHECK(failed.problem() == database_problem::other);
      CHECK(std::string(failed.what()).find("skald_inbox") != std::string::npos);
      CHECK(!failed.code().empty());
    }
    CHECK_THROWS_AS(change.publish("t", {.value = "x"}, std::string(241, 'x')), error);
  }

  TEST_CASE("damaged headers are refused") {
    const std::array headers{header{"key", "value"}};
    const std::string whole = outbox::encode_headers(headers);
    for (std::size_t size = 1; size < whole.size(); ++size)
      CHECK_THROWS_AS(outbox::decode_headers(whole.substr(0, size)), error);
  }

  TEST_CASE("PostgreSQL: a failed statement fails the transaction") {
    store_scene<postgresql_database> s;
    transaction change(*s.store);
    CHECK_THROWS(postgresql_database::execute(*s.store, "SELECT nonsense"));
    CHECK_THROWS_AS(change.commit(), database_error);
  }

  TEST_CASE("PostgreSQL: when the connection is lost during a commit, nobody knows, until it is repeated") {
    postgresql_server server;  // of its own: it has next to nothing to recover
    outbox::postgresql_store store(server.make_database());
    store.create_tables();
    transaction change(store);
    CHECK(change.receive("c", "m"));
    server.kill();
    try {
      change.commit();
      FAIL("there is no server");
    } catch (const database_error& failed) {
      CHECK(failed.problem() == database_problem::unknown_outcome);
    }
    CHECK_THROWS_AS(store.reconnect(), database_error);
    server.start();
    store.reconnect();
    transaction again(store);
    CHECK(again.receive("c", "m"));
  }
}

}  // namespace skald::tests
