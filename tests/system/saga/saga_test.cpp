// Sagas through the real client and the real broker.
#include "tests/system/saga/running_scene.hpp"

namespace skald::tests {

TEST_CASE_FIXTURE(running_scene, "an order is approved and shipped, another rejected, each exactly once") {
  const participating in(address);
  const orchestrating on(address, only(orders::definition()));
  for (const int number : {1, 5, 7}) {
    start(number);
    start(number);  // a duplicate
  }
  CHECK(becomes_phase(1, phase::completed));
  CHECK(becomes_phase(5, phase::compensated));
  CHECK(becomes_phase(7, phase::compensated));
  for (const int number : {1, 5, 7}) check_order(number);
  check_no_timer_is_left();
  CHECK(instance("order-5").why == "'credit': refused: 5");
}

TEST_CASE_FIXTURE(running_scene, "correlation and causation go with every record") {
  const participating in(address);
  const orchestrating on(address, only(orders::definition()));
  start(1);
  CHECK(becomes_phase(1, phase::completed));
  for (const char* topic : {"customers.commands", "warehouse.commands", "customers.inbox", "orders.sagas"})
    for (const record& one : broker.fetch(topic, partition_id(0), offset(0))) {
      CAPTURE(topic);
      CHECK(tracing::find_header(one, tracing::correlation_id_header) == "order-1");
      CHECK(tracing::find_header(one, tracing::causation_id_header).has_value());
    }
  // A record each of what the orchestrator and a participant have done says what brought it about.
  const auto first = [&](const char* topic) {
    return *broker.fetch(topic, partition_id(0), offset(0)).begin();
  };
  const auto cause = [&](const char* topic) {
    const record one = first(topic);
    return std::string(tracing::find_header(one, tracing::causation_id_header).value_or(""));
  };
  CHECK(cause("orders.sagas") == "orders.sagas.inputs/0/0");
  CHECK(cause("orders") == "orders.sagas.inputs/0/0");
  CHECK(cause("customers.commands") == "orders.sagas.inputs/0/0");
  CHECK(tracing::message_id_of(first("customers.commands")) == "order-1/credit");
  CHECK(cause("customers.inbox") == "order-1/credit");
  CHECK(cause("warehouse.inbox") == "order-1/stock");
  std::vector<std::string> timeline;
  for (const record& one : broker.read_key("orders.sagas", "order-1").records)
    timeline.emplace_back(sagas::event_of(one));
  REQUIRE(timeline.size() == 4);
  CHECK(timeline[0].starts_with("started"));
  CHECK(timeline[3].ends_with("completed"));
}

TEST_CASE_FIXTURE(running_scene,
                  "a participant that is down is waited for, then its unknown step is undone") {
  const orchestrating on(address, only(orders::definition(50ms, 2)));
  start(1);
  CHECK(becomes_phase(1, phase::compensating));
  // Its commands wait in their order: the action is done before it is undone, and nothing is left.
  const participating in(address);
  CHECK(becomes_phase(1, phase::compensated));
  check_order(1);
  check_no_timer_is_left();
}

TEST_CASE_FIXTURE(running_scene,
                  "a compensation that comes before its action is empty, and the action is refused") {
  const participating in(address);
  REQUIRE(becomes([&] { return exists("customers.inbox"); }));
  broker.create_topic("answers");
  const auto command = [&](const char* type, const char* id, const char* undoes) {
    std::vector<header> with{{sagas::headers::command, type},
                             {sagas::headers::command_id, id},
                             {sagas::headers::reply_to, "answers"}};
    if (undoes != nullptr) with.push_back({sagas::headers::compensates, undoes});
    send("customers.commands", "s", "1", with);
  };
  command("release-credit", "s/credit/undo", "s/credit");
  command("reserve-credit", "s/credit", nullptr);
  command("release-credit", "s/credit/undo", "s/credit");
  CHECK(becomes([&] { return records("answers") == 3; }));
  std::vector<bool> failed;
  for (const record& one : broker.fetch("answers", partition_id(0), offset(0)))
    failed.push_back(sagas::find_header(one, sagas::headers::failed).has_value());
  CHECK(failed == std::vector<bool>{false, true, false});
  CHECK(records("ledger") == 0);
}

TEST_CASE_FIXTURE(running_scene,
                  "participants undo what the orchestrator did itself, whatever steps are called") {
  const participating in(address);
  const orchestrating on(
      address,
      only(sagas::saga<orders::order>("create-order")
               .step("order")
               .local(orders::note("created"))
               .compensate<orders::release_credit>("customers", orders::of_order<orders::release_credit>)
               .step("undo")
               .call<orders::reserve_stock>("warehouse", orders::of_order<orders::reserve_stock>)
               .step("credit")
               .call<orders::reserve_credit>("customers", orders::of_order<orders::reserve_credit>)
               .build()));
  start(5);  // customers refuse it
  CHECK(becomes_phase(5, phase::compensated));
  CHECK(values("ledger", "order-5") == std::vector<std::string>{"+stock", "-credit"});
}

TEST_CASE_FIXTURE(running_scene, "a command that comes twice is done once and answered twice") {
  const participating in(address);
  REQUIRE(becomes([&] { return exists("customers.inbox"); }));
  broker.create_topic("answers");
  for (int times = 0; times < 3; ++times)
    send("customers.commands", "s", "1",
         {{sagas::headers::command, "reserve-credit"},
          {sagas::headers::command_id, "s/credit"},
          {sagas::headers::reply_to, "answers"}});
  CHECK(becomes([&] { return records("answers") == 3; }));
  CHECK(records("ledger") == 1);
  CHECK(records("customers.inbox") == 1);
}

TEST_CASE_FIXTURE(running_scene, "what is no command or input goes to the dead letters, and others go on") {
  const participating in(address);
  const orchestrating on(address, only(orders::definition()));
  REQUIRE(becomes([&] { return exists("customers.inbox"); }));
  REQUIRE(becomes([&] { return exists("orders.sagas.inputs"); }));
  send("customers.commands", "order-1", "1", {});
  send("orders.sagas.inputs", "order-1", "1", {});
  send("orders.sagas.inputs", "no/id", "1", {{sagas::headers::kind, "start"}});
  start(1);
  CHECK(becomes_phase(1, phase::completed));
  CHECK(becomes([&] { return broker.describe_queue("customers.commands", "participant").dead == 1; }));
  CHECK(becomes([&] { return broker.describe_queue("orders.sagas.inputs", "orchestrator").dead == 2; }));
}

TEST_CASE_FIXTURE(running_scene, "two orchestrators on the same instances make each transition once") {
  const participating in(address);
  const orchestrating one(address, only(orders::definition()));
  const orchestrating other(address, only(orders::definition()));
  for (int number = 1; number <= 30; ++number) start(number);
  CHECK(becomes([&] { return finals() == 30; }));
  for (int number = 1; number <= 30; ++number) check_order(number);
  check_no_timer_is_left();
}

TEST_CASE_FIXTURE(running_scene,
                  "an instance of a version that nobody knows is parked, and resumed by who does") {
  sagas::definition newer = orders::definition();
  newer.version = sagas::version{2};
  {
    const orchestrating on(address, only(newer));
    start(1);
    CHECK(becomes_phase(1, phase::running));
  }
  const participating in(address);
  {
    const orchestrating old(address, only(orders::definition()), {.unknown_version_attempts = 1});
    CHECK(becomes_phase(1, phase::parked));
    CHECK(instance("order-1").why.find("version 2") != std::string::npos);
  }
  const orchestrating on(address, only(newer));
  order(1, "retry");
  CHECK(becomes_phase(1, phase::completed));
  check_order(1);
}

TEST_CASE_FIXTURE(running_scene, "names and ids may be as long as is said, and an orchestrator's no longer") {
  const std::string name(70, 'o');
  const std::string id(80, 'i');
  const participating in(address);
  struct long_named : service {
    long_named(const std::string& at, const std::string& called, sagas::definition what)
        : service(at), on(broker, called, only(std::move(what))) {
      CHECK_THROWS_AS(sagas::orchestrator(broker, called + "o", {}), error);
      run(on);
      begin();
    }
    ~long_named() { end(); }
    sagas::orchestrator on;
  };
  const long_named on(address, name,
                      sagas::saga<orders::order>("long")
                          .step(std::string(60, 'c'))
                          .call<orders::reserve_credit>("customers", orders::of_order<orders::reserve_credit>)
                          .compensate<orders::release_credit>(orders::of_order<orders::release_credit>)
                          .step(std::string(60, 's'))
                          .call<orders::reserve_stock>("warehouse", orders::of_order<orders::reserve_stock>)
                          .build());
  const std::string inputs = sagas::inputs_topic(name);
  REQUIRE(becomes([&] { return exists(inputs); }));
  send(inputs, id, "7", {{sagas::headers::kind, "start"}, {sagas::headers::definition, "long"}});
  CHECK(becomes([&] { return values("ledger", id) == std::vector<std::string>{"+credit", "-credit"}; }));
}

TEST_CASE_FIXTURE(running_scene, "an operator aborts a saga, and its timers go with it") {
  const orchestrating on(address, only(orders::definition(60s)));
  start(1);
  CHECK(becomes_phase(1, phase::running));
  CHECK(broker.list_timers({.owner_prefix = sagas::timer_owner("orders", "order-1")}).size() == 2);
  order(1, "abort");
  CHECK(becomes_phase(1, phase::aborted));
  check_no_timer_is_left();
}

}  // namespace skald::tests
