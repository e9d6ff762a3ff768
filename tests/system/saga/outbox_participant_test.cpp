// A participant with a database: its changes, its inbox and its answers are one local transaction.
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <memory>
#include <skald/outbox/relay.hpp>
#include <skald/outbox/sqlite_statement.hpp>
#include <skald/outbox/sqlite_store.hpp>
#include <skald/saga/outbox_participant.hpp>

#include "tests/system/outbox/unreachable_store.hpp"
#include "tests/system/saga/saga_scene.hpp"

namespace skald::tests {

namespace {

namespace asio = boost::asio;

// Customers whose credit is a table: a row for each reservation. Number 5 is refused, number 7 fails once.
class customers_with_a_database {
 public:
  customers_with_a_database(const std::filesystem::path& file, const std::string& address,
                            outage* meets = nullptr)
      : store(file),
        reached(store, meets),
        relay_store(file),
        broker(io.get_executor(), {.address = address}),
        relay_broker({.address = address}) {
    store.create_tables();
    outbox::execute_sqlite(store.connection(), "CREATE TABLE IF NOT EXISTS reserved (number INTEGER)");
    customers.handle<orders::reserve_credit>(
        [this](const orders::reserve_credit& wanted, outbox::transaction& change) {
          if (wanted.number == 5) return sagas::answer::failed(orders::refused{5});
          const std::string sql = "INSERT INTO reserved VALUES (" + std::to_string(wanted.number) + ")";
          outbox::execute_sqlite(store.connection(), sql.c_str());
          change.publish("ledger", {.key = "one", .value = "+credit"});
          if (wanted.number == 7 && !has_failed.exchange(true)) throw std::runtime_error("not today");
          return sagas::answer::done();
        });
    customers.handle<orders::release_credit>([this](const orders::release_credit&, outbox::transaction&) {
      outbox::execute_sqlite(store.connection(), "DELETE FROM reserved");
      ++releases;
    });
    asio::co_spawn(io, run(), [](const std::exception_ptr&) {});
    thread = std::thread([this] { io.run(); });
    relaying = std::thread([this] { relay.run(); });
  }
  ~customers_with_a_database() {
    relay.stop();
    relaying.join();
    asio::post(io, [this] { broker.close(); });
    thread.join();
  }
  std::int64_t reservations() {
    outbox::sqlite_statement count;
    count.on(relay_store.connection(), "SELECT count(*) FROM reserved");
    std::int64_t found = 0;
    while (count.step()) found = count.integer(0);
    return found;
  }

  sagas::participant_metrics metrics() {
    return asio::post(io, asio::use_future([this] { return customers.metrics(); })).get();
  }

  std::atomic<bool> has_failed = false;
  std::atomic<int> releases = 0;

 private:
  asio::awaitable<void> run() {
    co_await customers.create({.backoff_min = milliseconds(10)});
    co_await customers.run();
  }

  asio::io_context io;
  outbox::sqlite_store store;
  unreachable_store reached;
  outbox::sqlite_store relay_store;
  client broker;
  blocking_client relay_broker;
  outbox::relay relay{relay_store, outbox::to_broker(relay_broker), {.poll_interval = milliseconds(2)}};
  outbox::group_committer database{reached};
  sagas::outbox_participant customers{broker, "customers", database};
  std::thread thread;
  std::thread relaying;
};

class participant_scene : public saga_scene {
 public:
  participant_scene() {
    broker.create_topic("answers");
    start();
    REQUIRE(becomes([&] { return is_there(); }));
  }
  void start(outage* meets = nullptr) {
    customers =
        std::make_unique<customers_with_a_database>(directory.path() / "customers.db", address, meets);
  }
  void send(const char* type, const char* id, int number, const char* undoes = nullptr,
            const char* reply_to = "answers") {
    std::vector<header> with{{sagas::headers::command, type},
                             {sagas::headers::command_id, id},
                             {sagas::headers::reply_to, reply_to}};
    if (undoes != nullptr) with.push_back({sagas::headers::compensates, undoes});
    const std::string value = std::to_string(number);
    broker.publish("customers.commands", {.key = "s", .value = value, .headers = with});
  }
  // Whether each of the answers is an error.
  std::vector<bool> failures() {
    std::vector<bool> all;
    for (const record& one : broker.fetch("answers", partition_id(0), offset(0)))
      all.push_back(sagas::find_header(one, sagas::headers::failed).has_value());
    return all;
  }
  std::vector<std::string> types() {
    std::vector<std::string> all;
    for (const record& one : broker.fetch("answers", partition_id(0), offset(0)))
      all.emplace_back(sagas::find_header(one, sagas::headers::reply).value_or(""));
    return all;
  }
  // So many answers, and all commands done.
  bool answered(std::uint64_t count) {
    return becomes([&] {
      const queue_info now = broker.describe_queue("customers.commands", sagas::participant_queue);
      return records("answers") == count && now.ready == 0 && now.leased == 0 && now.parked == 0;
    });
  }
  std::unique_ptr<customers_with_a_database> customers;

 private:
  bool is_there() {
    for (const queue_info& one : broker.list_queues())
      if (one.topic == "customers.commands") return true;
    return false;
  }
};

}  // namespace

TEST_CASE_FIXTURE(participant_scene,
                  "a command that comes again changes the database once, and gets the same answer") {
  for (int times = 0; times < 3; ++times) send("reserve-credit", "s/credit", 1);
  for (int times = 0; times < 2; ++times) send("reserve-credit", "s/no-credit", 5);
  CHECK(answered(5));
  CHECK(failures() == std::vector<bool>{false, false, false, true, true});
  CHECK(types() == std::vector<std::string>{"", "", "", "refused", "refused"});
  CHECK(customers->reservations() == 1);
  CHECK(becomes([&] { return records("ledger") == 1; }));
  // The database remembers, not the process.
  customers.reset();
  start();
  send("reserve-credit", "s/credit", 1);
  send("reserve-credit", "s/other", 2);
  CHECK(answered(7));
  CHECK(customers->reservations() == 2);
}

TEST_CASE_FIXTURE(participant_scene, "a command of another orchestrator is another, also under the same id") {
  broker.create_topic("other-answers");
  send("reserve-credit", "s/credit", 1);
  send("reserve-credit", "s/credit", 1, nullptr, "other-answers");
  CHECK(answered(1));
  CHECK(becomes([&] { return records("other-answers") == 1; }));
  CHECK(customers->reservations() == 2);
}

TEST_CASE_FIXTURE(participant_scene, "an action that comes after its compensation is refused") {
  send("release-credit", "s/credit/undo", 1, "s/credit");
  send("reserve-credit", "s/credit", 1);
  send("release-credit", "s/credit/undo", 1, "s/credit");
  send("release-credit", "s/credit/undo#2", 1, "s/credit");
  CHECK(answered(4));
  CHECK(failures() == std::vector<bool>{false, true, false, false});
  CHECK(customers->releases == 0);
  CHECK(customers->reservations() == 0);
}

TEST_CASE_FIXTURE(participant_scene, "what was done is undone, and what failed is not") {
  send("reserve-credit", "s/credit", 5);
  send("release-credit", "s/credit/undo", 5, "s/credit");
  CHECK(answered(2));
  CHECK(failures() == std::vector<bool>{true, false});
  CHECK(customers->releases == 0);
  send("reserve-credit", "t/credit", 1);
  send("release-credit", "t/credit/undo", 1, "t/credit");
  CHECK(answered(4));
  CHECK(customers->releases == 1);
  CHECK(customers->reservations() == 0);
}

TEST_CASE_FIXTURE(participant_scene, "what was no command of its own is undone as it is asked for") {
  send("release-credit", "s/order/undo", 1, "");
  CHECK(answered(1));
  CHECK(customers->releases == 1);
}

TEST_CASE_FIXTURE(participant_scene,
                  "a database that cannot be reached is waited for, which is no attempt of the command") {
  outage meets;
  customers.reset();
  start(&meets);
  send("reserve-credit", "s/credit", 1);
  CHECK(answered(1));
  CHECK(meets.refusals == 0);
  CHECK(customers->metrics().outages == 3);
  CHECK(customers->metrics().failures == 0);
  CHECK(customers->reservations() == 1);
  customers.reset();  // before what it meets
}

TEST_CASE_FIXTURE(participant_scene, "a handler that throws has changed nothing, and is asked again") {
  send("reserve-credit", "s/credit", 7);
  CHECK(answered(1));
  CHECK(customers->has_failed);
  CHECK(customers->reservations() == 1);
  CHECK(becomes([&] { return records("ledger") == 1; }));
}

}  // namespace skald::tests
