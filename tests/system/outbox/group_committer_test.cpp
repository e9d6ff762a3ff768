// Transactions of many coroutines, committed together.
#include <doctest/doctest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <latch>
#include <skald/outbox/group_committer.hpp>

#include "tests/system/outbox/databases.hpp"

namespace skald::tests {

namespace {

namespace asio = boost::asio;
using outbox::group_committer;
using outbox::transaction;

template <class Database>
class committing_scene {
 public:
  committing_scene() {
    store->create_tables();
    Database::execute(*store, "CREATE TABLE done (number INTEGER PRIMARY KEY)");
  }

  // Adds a number and a row of the outbox; the coroutine notes how that ended.
  asio::awaitable<void> add(int number, bool fails) {
    try {
      const int same = co_await database.run([&](transaction& change) {
        if (number == 0) begun.wait();
        Database::execute(*store, "INSERT INTO done VALUES (" + std::to_string(number) + ")");
        change.publish("numbers", {.value = "one more"});
        if (fails) throw std::runtime_error("number " + std::to_string(number));
        return number;
      });
      succeeded += same == number ? 1 : 0;
    } catch (const std::exception& why) {
      failures.emplace_back(why.what());
    }
  }
  // Number 0 waits until all have asked.
  void run() {
    io.poll();
    begun.count_down();
    io.run();
  }
  void spawn(int number, bool fails = false) { asio::co_spawn(io, add(number, fails), asio::detached); }
  std::int64_t rows() { return Database::number(*store, "SELECT count(*) FROM done"); }

  asio::io_context io;
  Database where;
  std::unique_ptr<typename Database::store_type> store = where.open();
  std::latch begun{1};
  int succeeded = 0;
  std::vector<std::string> failures;
  group_committer database{*store};
};

}  // namespace

TEST_SUITE("group committer") {
  TEST_CASE_TEMPLATE("what is asked for during a commit becomes the next one, whole", Database,
                     sqlite_database, postgresql_database) {
    committing_scene<Database> s;
    int woken = 0;
    s.database.on_commit([&] { ++woken; });
    for (int number = 0; number < 100; ++number) s.spawn(number);
    s.run();
    CHECK(s.succeeded == 100);
    CHECK(s.rows() == 100);
    CHECK(s.store->statistics().unsent == 100);
    CHECK(s.database.statistics().works == 100);
    // The first began alone, or with some of the others; the rest came together.
    CHECK(s.database.statistics().commits <= 2);
    CHECK(static_cast<std::uint64_t>(woken) == s.database.statistics().commits);
  }

  TEST_CASE_TEMPLATE("work that throws is undone alone", Database, sqlite_database, postgresql_database) {
    committing_scene<Database> s;
    for (int number = 0; number < 6; ++number) s.spawn(number, number % 3 == 1);
    s.run();
    CHECK(s.succeeded == 4);
    CHECK(s.failures == std::vector<std::string>{"number 1", "number 4"});
    CHECK(s.rows() == 4);
    CHECK(s.store->statistics().unsent == 4);
    CHECK(s.database.statistics().failed == 2);
  }

  TEST_CASE_TEMPLATE("when the commit fails, all of it has", Database, sqlite_database, postgresql_database) {
    committing_scene<Database> s;
    if constexpr (std::is_same_v<Database, sqlite_database>)
      Database::execute(*s.store, "PRAGMA foreign_keys = ON");
    Database::execute(*s.store,
                      "CREATE TABLE checked (number INTEGER REFERENCES done DEFERRABLE INITIALLY DEFERRED)");
    int refused = 0;
    const auto violate = [&]() -> asio::awaitable<void> {
      try {
        co_await s.database.run([&](transaction& change) {
          Database::execute(*s.store, "INSERT INTO checked VALUES (1000)");
          change.publish("numbers", {.value = "never"});
        });
      } catch (const outbox::database_error&) {
        ++refused;
      }
    };
    asio::co_spawn(s.io, violate(), asio::detached);
    s.run();
    CHECK(refused == 1);
    CHECK(s.store->statistics().unsent == 0);
    // And it goes on.
    s.io.restart();
    s.spawn(1);
    s.io.run();
    CHECK(s.succeeded == 1);
  }
}

}  // namespace skald::tests
