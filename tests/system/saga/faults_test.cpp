// What goes wrong between services, brought about one by one: duplicates, reordering, absence and its storm,
// poison, compensations that fail, databases that do not say, and processes that wake too late.
#include <signal.h>
#include <sqlite3.h>

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <skald/outbox/sqlite_store.hpp>
#include <skald/outbox/transaction.hpp>

#include "tests/system/saga/running_scene.hpp"

namespace skald::tests {

namespace {

// A participant whose handlers are the test's.
struct one_participant : service {
  one_participant(const std::string& address, const char* name,
                  const std::function<void(sagas::participant&)>& handlers)
      : service(address), in(broker, name) {
    handlers(in);
    run(in);
    begin();
  }
  ~one_participant() { end(); }
  sagas::participant in;
};

void stocks(sagas::participant& in) {
  orders::keeps_ledger<orders::reserve_stock>(in, "+stock", 7);
  orders::keeps_ledger<orders::release_stock>(in, "-stock", 0);
  orders::keeps_ledger<orders::ship>(in, "shipped", 0);
}

struct fault_scene : running_scene {
  void command(const std::string& key, const char* type, const std::string& id,
               const char* reply_to = "answers") {
    send("customers.commands", key, "1",
         {{sagas::headers::command, type},
          {sagas::headers::command_id, id},
          {sagas::headers::reply_to, reply_to}});
  }
  queue_info queue(const char* topic, std::string_view name) { return broker.describe_queue(topic, name); }
  // What is not settled, in order.
  std::vector<peeked_record> waiting(const char* topic, std::string_view name) {
    std::vector<peeked_record> all;
    peeked_records some;
    do {
      some = broker.peek_queue(topic, name, partition_id(0), {.from = some.next});
      std::ranges::move(some.records, std::back_inserter(all));
    } while (some.more);
    return all;
  }
  bool becomes_settled(const char* topic, std::string_view name) {
    return becomes([&] {
      const queue_info is = queue(topic, name);
      return is.ready + is.leased + is.parked == 0;
    });
  }
  bool becomes_progress(int number, const char* step, progress wanted) {
    return becomes([&] {
      sagas::instance is = instance(orders::id_of(number));
      const sagas::step_state* at = is.find(step);
      return at != nullptr && at->progress == wanted;
    });
  }
  // Nothing is kept of what the topic has held.
  void forget(const char* topic) {
    broker.alter_topic(topic, {.retention_ms = 1});
    CHECK(becomes([&] {
      const partition_info is = broker.describe_topic(topic).partitions.at(0);
      return is.log_start == is.end;
    }));
    broker.alter_topic(topic, {.retention_ms = unlimited});
  }
  void check_orders(int to) {
    REQUIRE(becomes([&] { return finals() == static_cast<std::size_t>(to); }));
    for (int number = 1; number <= to; ++number) check_order(number);
    check_no_timer_is_left();
  }
};

}  // namespace

// ---- duplicates ------------------------------------------------------------------------------------------

TEST_CASE_FIXTURE(fault_scene,
                  "a start and a command that come again after retention has forgotten them change nothing") {
  const participating in(address);
  const orchestrating on(address, only(orders::definition()));
  start(1);
  REQUIRE(becomes_phase(1, phase::completed));
  forget("orders.sagas.inputs");
  forget("customers.commands");
  const std::uint64_t transitions = records("orders.sagas");
  start(1);
  command("order-1", "reserve-credit", "order-1/credit", "orders.sagas.inputs");
  CHECK(becomes_settled("customers.commands", "participant"));
  CHECK(becomes_settled("orders.sagas.inputs", sagas::orchestrator_queue));
  CHECK(records("orders.sagas") == transitions);
  check_order(1);
}

// Local steps in a database are durable before the transition is.
struct counting_locals : service {
  counting_locals(const std::string& address, sagas::registry known, sagas::saga_topics settings = topics,
                  int failures_before = 0)
      : service(address), failures(failures_before), on(broker, "orders", std::move(known)) {
    on.run_locals_by(
        [this](const tracing::lineage&, const std::function<void()>& work) { return count(work); });
    run(on, settings);
    begin();
  }
  ~counting_locals() { end(); }
  asio::awaitable<void> count(const std::function<void()>& work) {
    ++runs;
    if (runs <= failures) throw std::runtime_error("the database is away");
    work();
    co_return;
  }
  std::atomic<int> runs = 0;
  const int failures;
  sagas::orchestrator on;
};

TEST_CASE_FIXTURE(fault_scene, "a start that comes again after retention runs no local step a second time") {
  const counting_locals on(address, only(orders::definition(60s)));
  start(1);
  REQUIRE(becomes_phase(1, phase::running));
  REQUIRE(becomes_settled("orders.sagas.inputs", sagas::orchestrator_queue));
  forget("orders.sagas.inputs");
  start(1);
  start(2);
  CHECK(becomes_phase(2, phase::running));
  CHECK(becomes_settled("orders.sagas.inputs", sagas::orchestrator_queue));
  CHECK(on.runs == 2);
}

TEST_CASE_FIXTURE(fault_scene, "an input that cannot be handled for long is not given up") {
  constexpr int failures = 12;  // a record of a queue is given up after 10, unless it says otherwise
  const counting_locals on(address, only(orders::definition(60s)), {.backoff_min = 1ms}, failures);
  start(1);
  CHECK(becomes_phase(1, phase::running));
  CHECK(on.runs == failures + 1);
  CHECK(queue("orders.sagas.inputs", sagas::orchestrator_queue).dead == 0);
}

TEST_CASE_FIXTURE(fault_scene, "two participants that get one command at the same time do it once") {
  const participating one(address);
  const participating other(address);
  REQUIRE(becomes([&] { return exists("customers.inbox"); }));
  broker.create_topic("answers");
  constexpr int commands = 30;
  // Commands of one key come in order, so that each goes under two.
  for (int i = 0; i < commands; ++i)
    for (const char* key : {"a", "b"})
      command(key + std::to_string(i), "reserve-credit", "s/" + std::to_string(i));
  CHECK(becomes([&] { return records("answers") == 2 * commands; }));
  CHECK(records("ledger") == commands);
  CHECK(records("customers.inbox") == commands);
}

TEST_CASE_FIXTURE(
    fault_scene,
    "one intent under a second id is another command, which the participant may know by its saga") {
  std::set<std::string, std::less<>> reserved;
  const one_participant in(address, "customers", [&](sagas::participant& at) {
    at.handle<orders::reserve_credit>([&](const orders::reserve_credit&, sagas::handling& within) {
      if (!reserved.emplace(within.saga_id()).second) return;
      within.effect.append("ledger", {.key = within.saga_id(), .value = "+credit"});
    });
  });
  REQUIRE(becomes([&] { return exists("customers.inbox"); }));
  broker.create_topic("answers");
  command("s", "reserve-credit", "s/credit");
  command("s", "reserve-credit", "s/credit#2");
  CHECK(becomes([&] { return records("answers") == 2; }));
  CHECK(records("customers.inbox") == 2);
  CHECK(records("ledger") == 1);
}

// ---- reordering ------------------------------------------------------------------------------------------

TEST_CASE_FIXTURE(fault_scene, "a reply that is there before its saga is nobody's") {
  const orchestrating on(address, only(orders::definition(60s)));
  REQUIRE(becomes([&] { return exists("orders.sagas.inputs"); }));
  send("orders.sagas.inputs", "order-1", "",
       {{sagas::headers::kind, "reply"}, {sagas::headers::command_id, "order-1/credit"}});
  CHECK(becomes_settled("orders.sagas.inputs", sagas::orchestrator_queue));
  start(1);
  CHECK(becomes_phase(1, phase::running));
  CHECK(instance("order-1").find("credit")->progress == progress::acting);
  const participating in(address);
  check_orders(1);
}

TEST_CASE_FIXTURE(fault_scene,
                  "a saga that is cancelled before its approval is not approved, whatever replies come") {
  const orchestrating on(address, only(orders::definition(60s)));
  start(1);
  REQUIRE(becomes_phase(1, phase::running));
  order(1, "compensate");
  REQUIRE(becomes_phase(1, phase::compensating));
  const participating in(address);  // it does the actions first, and answers
  check_orders(1);
  CHECK(instance("order-1").phase == phase::compensated);
}

// ---- absence, poison -------------------------------------------------------------------------------------

TEST_CASE_FIXTURE(fault_scene, "participants that come back to a storm of repeated commands do each once") {
  constexpr int many = 40;
  const orchestrating on(address, only(orders::definition(20ms, 3)));
  for (int number = 1; number <= many; ++number) start(number);
  // Nobody answers: all have given up, and ask again and again for what may have happened to be undone.
  REQUIRE(becomes([&] { return records("warehouse.commands") > 10 * many; }));
  const participating in(address);
  check_orders(many);
}

TEST_CASE_FIXTURE(fault_scene, "a poisonous command holds back the later ones of its saga, and no others") {
  std::atomic<bool> poisonous = true;
  const one_participant warehouse(address, "warehouse", stocks);
  const one_participant customers(address, "customers", [&](sagas::participant& at) {
    at.handle<orders::reserve_credit>([&](const orders::reserve_credit& wanted, sagas::handling& within) {
      if (wanted.number == 3 && poisonous) throw std::runtime_error("it chokes on this");
      within.effect.append("ledger", {.key = within.saga_id(), .value = "+credit"});
    });
    orders::keeps_ledger<orders::release_credit>(at, "-credit", 0);
  });
  const orchestrating on(address, only(orders::definition(60s)));
  for (const int number : {1, 2, 3, 4}) start(number);
  for (const int number : {1, 2, 4}) CHECK(becomes_phase(number, phase::completed));
  order(3, "compensate");
  CHECK(becomes_progress(3, "credit", progress::undoing));
  CHECK(becomes([&] {
    const std::vector<peeked_record> waits = waiting("customers.commands", "participant");
    return waits.size() == 2 && waits[0].reason == "it chokes on this" && waits[0].attempts > 2 &&
           waits[1].attempts == 0;
  }));
  poisonous = false;
  check_orders(4);
  CHECK(instance("order-3").phase == phase::compensated);
}

// ---- compensations that fail -----------------------------------------------------------------------------

TEST_CASE_FIXTURE(
    fault_scene,
    "a compensation that fails once is tried again; for good, the saga is parked until a retry") {
  std::atomic<int> failures = 0;
  const one_participant warehouse(address, "warehouse", stocks);
  const one_participant customers(address, "customers", [&](sagas::participant& at) {
    orders::keeps_ledger<orders::reserve_credit>(at, "+credit", 0);
    at.handle<orders::release_credit>(
        [&](const orders::release_credit& of, sagas::handling& within) -> sagas::answer {
          if (failures > 0) {
            --failures;
            return sagas::answer::failed(orders::refused{of.number});
          }
          within.effect.append("ledger", {.key = within.saga_id(), .value = "-credit"});
          return sagas::answer::done();
        });
  });
  sagas::definition of = orders::definition();
  for (sagas::step& at : of.steps)
    if (at.undo) at.undo->retry.max_attempts = 2;
  const orchestrating on(address, only(of));
  SUBCASE("once") {
    failures = 1;
    start(7);  // the warehouse refuses it
    REQUIRE(becomes_phase(7, phase::compensated));
  }
  SUBCASE("for good") {
    failures = 2;
    start(7);
    REQUIRE(becomes_phase(7, phase::parked));
    CHECK(instance("order-7").why == "compensation of 'credit' has failed: refused: 7");
    order(7, "retry");
    REQUIRE(becomes_phase(7, phase::compensated));
  }
  check_order(7);
  check_no_timer_is_left();
}

// ---- a database of the participant's own -----------------------------------------------------------------

TEST_CASE_FIXTURE(fault_scene,
                  "a database commit of unknown outcome is done once, by the id of its command") {
  outbox::sqlite_store store((directory.path() / "customers.db").string());
  store.create_tables();
  const auto execute = [&](const char* sql) {
    REQUIRE(sqlite3_exec(store.connection(), sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  };
  execute("CREATE TABLE customer (reserved INTEGER); INSERT INTO customer VALUES (0)");
  int attempts = 0;
  {
    const one_participant warehouse(address, "warehouse", stocks);
    const one_participant customers(address, "customers", [&](sagas::participant& at) {
      at.handle<orders::reserve_credit>([&](const orders::reserve_credit&, sagas::handling& within) {
        outbox::transaction change(store);
        if (change.receive("customers", within.command_id())) {
          sqlite3_exec(store.connection(), "UPDATE customer SET reserved = reserved + 1", nullptr, nullptr,
                       nullptr);
          change.commit();
        }
        within.effect.append("ledger", {.key = within.saga_id(), .value = "+credit"});
        if (++attempts == 1)
          throw outbox::database_error(outbox::database_problem::unknown_outcome, "08006",
                                       "the connection was lost");
      });
    });
    const orchestrating on(address, only(orders::definition()));
    start(1);
    check_orders(1);
  }
  CHECK(attempts == 2);
  int reserved = 0;
  const auto read = [](void* into, int, char** values, char**) {
    *static_cast<int*>(into) = std::atoi(values[0]);
    return 0;
  };
  REQUIRE(sqlite3_exec(store.connection(), "SELECT reserved FROM customer", read, &reserved, nullptr) ==
          SQLITE_OK);
  CHECK(reserved == 1);
}

// ---- processes that wake too late ------------------------------------------------------------------------

TEST_CASE_FIXTURE(fault_scene, "processes that wake after others have taken over do nothing a second time") {
  const auto role = [&](const char* what) {
    return std::make_unique<child_process>(SKALD_SAGA_PROGRAM, std::vector<std::string>{address, what});
  };
  int started = 0;
  const auto start_some = [&] {
    const process_result done = run_process(
        SKALD_SAGA_PROGRAM, {address, "start", std::to_string(started + 1), std::to_string(started + 8)});
    REQUIRE_MESSAGE(done.exit_code == 0, done.errors);
    started += 8;
  };
  const auto warehouse = role("warehouse");
  const auto customers = role("customers");
  const auto orchestrator = role("orchestrator");
  REQUIRE(becomes([&] { return exists("customers.inbox") && exists("orders.sagas.inputs"); }));
  start_some();
  check_orders(started);

  // Stopped with commands in its hands.
  customers->send_signal(SIGSTOP);
  start_some();
  REQUIRE(becomes([&] { return queue("customers.commands", "participant").leased > 0; }));
  const auto second_customers = role("customers");
  REQUIRE(becomes([&] { return finals() == static_cast<std::size_t>(started); }));
  customers->send_signal(SIGCONT);

  orchestrator->send_signal(SIGSTOP);
  start_some();
  REQUIRE(becomes([&] { return queue("orders.sagas.inputs", sagas::orchestrator_queue).leased > 0; }));
  const auto second_orchestrator = role("orchestrator");
  REQUIRE(becomes([&] { return finals() == static_cast<std::size_t>(started); }));
  orchestrator->send_signal(SIGCONT);

  start_some();
  check_orders(started);
  CHECK(becomes_settled("customers.commands", "participant"));
  CHECK(becomes_settled("orders.sagas.inputs", sagas::orchestrator_queue));
}

}  // namespace skald::tests
