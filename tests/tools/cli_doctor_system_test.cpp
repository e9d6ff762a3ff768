// `skald doctor`: everything that it finds, brought about on a real broker.
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <skald/blocking_client.hpp>
#include <skald/client.hpp>
#include <skald/health/reporter.hpp>
#include <skald/outbox/relay.hpp>
#include <skald/outbox/sqlite_store.hpp>
#include <skald/outbox/transaction.hpp>
#include <skald/saga/messages.hpp>
#include <thread>

#include "tests/tools/cli_scene.hpp"

namespace skald::tests {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

struct doctor_scene {
  scratch_directory directory;
  skaldd_process server{SKALDD_PROGRAM, directory.path() / "data"};
  blocking_client broker{{.address = server.address(), .timeout = 30s}};

  process_result doctor(const arguments& more = {}) const {
    arguments all{"doctor"};
    all.insert(all.end(), more.begin(), more.end());
    return run_process(SKALD_PROGRAM, all, {}, broker_environment(server));
  }
  // As KIND SUBJECT.
  std::vector<std::string> findings(arguments more = {}) const {
    more.insert(more.end(), {"--output", "json"});
    const process_result is = doctor(more);
    CAPTURE(is.errors);
    const json::value said = json::parse(is.output);
    std::vector<std::string> made;
    for (const json::value& one : said.at("findings").as_array())
      made.push_back(std::string(one.at("kind").as_string()) + " " +
                     std::string(one.at("subject").as_string()));
    CHECK(said.at("healthy").as_bool() == made.empty());
    CHECK(is.exit_code == (made.empty() ? 0 : 6));
    return made;
  }
  using list = std::vector<std::string>;
  bool becomes(const list& wanted, const arguments& more = {}) const {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    for (;;) {
      const list now = findings(more);
      if (now == wanted) return true;
      if (std::chrono::steady_clock::now() > deadline) {
        for (const std::string& one : now) MESSAGE("found instead: " << one);
        return false;
      }
      std::this_thread::sleep_for(5ms);
    }
  }
};

}  // namespace

TEST_CASE_FIXTURE(doctor_scene, "a healthy broker is one line, and none with -q") {
  const process_result is = doctor();
  CHECK(is.exit_code == 0);
  CHECK(is.output.starts_with("nothing is stuck: 0 sagas on their way, "));
  CHECK(std::count(is.output.begin(), is.output.end(), '\n') == 1);
  CHECK(doctor({"-q"}).output.empty());
  CHECK(findings().empty());
}

TEST_CASE_FIXTURE(doctor_scene, "sagas that are parked or without an end are told, finished ones are not") {
  broker.create_topic("orders.sagas", {.index = topic_index::key});
  const auto store = [&](const char* id, sagas::phase phase, std::chrono::milliseconds age) {
    sagas::instance is;
    is.id = id;
    is.definition = "create-order";
    is.phase = phase;
    is.why = "'ship': no carrier";
    is.started = is.changed = broker.status().now - age;
    const std::string state = encode_state(is);
    const std::array with{header{sagas::headers::state, state}};
    broker.publish("orders.sagas", {.key = is.id, .headers = with});
  };
  store("old", sagas::phase::running, 10min);
  store("young", sagas::phase::running, 1s);
  store("stuck", sagas::phase::parked, 2min);
  store("over", sagas::phase::completed, 10min);
  CHECK(findings() == list{"saga-unfinished old", "saga-parked stuck"});
  CHECK(findings({"--patience", "1h"}) == list{"saga-parked stuck"});
  const std::string text = doctor().output;
  CHECK(contains(text, "saga 'stuck' (create-order v1 of orders) is parked: it needs somebody\n  since  20"));
  CHECK(contains(text, "\n  why    'ship': no carrier\n"));
  CHECK(contains(text, "\n  help   skald saga show stuck --orchestrator orders\n"));
  CHECK(contains(doctor({"--metrics"}).output, "skald_sagas_unfinished{orchestrator=\"orders\"} 3\n"));
}

TEST_CASE_FIXTURE(doctor_scene,
                  "orchestrators and participants that do not run are named by what waits for them") {
  broker.create_topic("ledger", {.index = topic_index::key});
  broker.create_topic("orders", {.index = topic_index::key});
  {
    child_process orchestrator(SKALD_SAGA_PROGRAM, {server.address(), "orchestrator", "60000"});
    const auto is_there = [&] {
      for (const queue_info& one : broker.list_queues()) {
        if (one.topic == "warehouse.commands") return true;
      }
      return false;
    };
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!is_there() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(5ms);
    REQUIRE(run_process(SKALD_SAGA_PROGRAM, {server.address(), "start", "1", "1"}).exit_code == 0);
    CHECK(becomes({"queue-unattended customers.commands participant",
                   "queue-unattended warehouse.commands participant"}));
  }
  REQUIRE(run_process(SKALD_SAGA_PROGRAM, {server.address(), "start", "2", "2"}).exit_code == 0);
  CHECK(becomes({"queue-unattended customers.commands participant",
                 "queue-unattended orders.sagas.inputs orchestrator",
                 "queue-unattended warehouse.commands participant"}));
  CHECK(contains(doctor().output, "the orchestrator 'orders' is not connected"));
}

TEST_CASE_FIXTURE(doctor_scene, "a queue without consumers, one that falls behind, and dead letters") {
  broker.create_topic("work");
  broker.create_queue("work", "billing", {.backoff_min = 1h, .backoff_max = 1h});
  for (const char* value : {"a", "b", "c"}) broker.publish("work", {.key = value, .value = value});
  CHECK(becomes({"queue-unattended work billing"}));
  blocking_queue consumer = broker.open_queue("work", "billing", {.prefetch = 2});
  deliveries some;
  while (some.size() < 2)
    for (delivery& one : consumer.receive()) some.push_back(std::move(one));
  CHECK(findings().empty());
  CHECK(becomes({"queue-backlog work billing"}, {"--patience", "0"}));
  consumer.reject(some[0], "no such customer");
  consumer.nack(some[1], {}, "the printer is out of paper");
  consumer.flush();
  CHECK(becomes({"dead-letters work billing"}));
  const std::string text = doctor({"--patience", "0"}).output;
  CHECK(contains(text, "why    the first: no such customer"));
  CHECK(contains(text, "help   skald dead list work billing"));
  CHECK(contains(text, "; the oldest has failed: the printer is out of paper"));
}

TEST_CASE_FIXTURE(doctor_scene,
                  "a consumer group without members that has something to read, or with slow ones") {
  broker.create_topic("log");
  broker.publish("log", {.value = "read"});
  {
    blocking_subscription member = broker.subscribe("log", {.from = earliest, .group = "billing"});
    REQUIRE(member.receive().size() == 1);
    member.leave();
  }
  CHECK(findings().empty());
  broker.publish("log", {.value = "unread"});
  CHECK(becomes({"group-unattended billing"}));
  const blocking_subscription member = broker.subscribe("log", {.group = "billing", .commit = manual});
  CHECK(becomes({}));
  CHECK(becomes({"group-lag billing"}, {"--patience", "0"}));
}

TEST_CASE_FIXTURE(doctor_scene, "services that are absent or drain, and replies that nobody takes") {
  CHECK(findings({"--expect", "price,stock"}) == list{"service-absent price", "service-absent stock"});
  const std::string end = (directory.path() / "end").string();
  child_process slow(SKALD_PROGRAM,
                     {"serve", "price", "--instance", "one", "--", "sh", "-c",
                      "while [ ! -e " + end + " ]; do sleep 0.02; done"},
                     broker_environment(server));
  REQUIRE(slow.wait_errors("serving 'price' as "));
  CHECK(findings({"--expect", "price"}).empty());
  child_process asks(SKALD_PROGRAM, {"request", "price", "x", "--timeout", "60s"},
                     broker_environment(server));
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (broker.list_services().at(0).statistics.in_flight == 0 &&
         std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(5ms);
  slow.send_signal(SIGTERM);
  CHECK(becomes({"instance-draining price/one"}));
  std::ofstream(end).flush();
  CHECK(asks.wait().exit_code == 0);
  CHECK(becomes({}));

  blocking_responder late = broker.serve("late");
  errc given_up = errc::ok;
  std::thread impatient([&] {
    try {
      broker.request("late", "x", {.timeout = 2s});
    } catch (const error& why) {
      given_up = static_cast<errc>(why.code().value());
    }
  });
  service_request asked = late.receive();
  impatient.join();
  CHECK(given_up == errc::deadline_exceeded);
  asked.reply("too late");
  CHECK(becomes({"replies-late late"}));
}

TEST_CASE_FIXTURE(doctor_scene, "an instance that has missed its heartbeats") {
  boost::asio::io_context io;
  client hangs(io.get_executor(), {.address = server.address()});
  std::optional<responder> serving;
  const auto serve = [&]() -> boost::asio::awaitable<void> {
    serving = co_await hangs.serve("price", {.instance = "one", .heartbeat = 1s});
  };
  boost::asio::co_spawn(io, serve(), boost::asio::detached);
  while (!serving) REQUIRE(io.run_one() == 1);
  CHECK(findings().empty());
  CHECK(becomes({"instance-unhealthy price/one"}));  // nobody runs it any more
  hangs.close();
  io.restart();
  io.run();
}

TEST_CASE_FIXTURE(doctor_scene, "requests that wait for an instance to be free") {
  blocking_responder busy = broker.serve("price", {.window = 1});
  const auto ask = [&] { broker.request("price", "x", {.timeout = 60s}); };
  std::jthread one(ask);
  std::jthread other(ask);
  service_request first = busy.receive();
  CHECK(becomes({"requests-waiting price"}));
  first.reply("1");
  busy.receive().reply("2");
  CHECK(becomes({}));
}

TEST_CASE_FIXTURE(doctor_scene,
                  "what services report: unsent and parked rows, open breakers, and their silence") {
  const std::string database = (directory.path() / "service.db").string();
  outbox::sqlite_store store(database);
  store.create_tables();
  const auto add = [&](const char* topic) {
    outbox::transaction change(store);
    change.publish(topic, {.key = "k", .value = "v"});
    change.commit();
  };
  resilience::circuit_breaker breaker({.name = "price"});
  outbox::sqlite_store watched(database);
  {
    health::reporter health(broker, "customers", "one", 20ms);
    health.watch("service.db", watched);
    health.watch(breaker);
    health.start();
    CHECK(becomes({}));
    add("nowhere");
    CHECK(becomes({"outbox-unsent customers/one service.db"}, {"--patience", "0"}));
    outbox::relay(store, outbox::to_broker(broker)).run_once();
    CHECK(becomes({"outbox-parked customers/one service.db"}));
    CHECK(contains(doctor().output, "nowhere"));
    breaker.transition_to(resilience::breaker_state::open);
    CHECK(becomes({"outbox-parked customers/one service.db", "breaker-open customers/one price"}));
    CHECK(contains(doctor({"--metrics"}).output, "skald_outbox_unsent_rows{service=\"customers\""));
  }
  CHECK(becomes({}));  // it has ended, and taken its report back

  blocking_client dies({.address = server.address()});
  health::reporter silent(dies, "customers", "two", 20ms);
  silent.watch(breaker);
  silent.start();
  CHECK(becomes({"breaker-open customers/two price"}));
  dies.close();
  CHECK(becomes({"instance-silent customers/two", "breaker-open customers/two price"}));
  CHECK(doctor({"--forget", "customers/two"}).exit_code == 0);
  CHECK(becomes({}));
  const process_result again = doctor({"--forget", "customers/two"});
  CHECK(again.exit_code == 1);
  CHECK(contains(again.errors, "has not reported"));
}

TEST_CASE_FIXTURE(doctor_scene, "a disk that is nearly full") {
  CHECK(findings({"--min-free", "1000000TiB"}) == list{"disk-nearly-full disk"});
  CHECK(findings({"--min-free", "1"}).empty());
}

// The disk is a small tmpfs in a mount namespace of the broker's own.
TEST_CASE("a full disk, and timers that cannot fire") {
  const scratch_directory in;
  const std::string mount = in.path().string();
  const std::string command = "mount -t tmpfs -o size=100m none " + mount +
                              " && exec " SKALDD_PROGRAM " --data-dir " + mount +
                              "/data --listen 127.0.0.1:0 --segment-bytes 8MiB"
                              " --reserve-bytes 4MiB --state-map-bytes 64MiB";
  child_process server("/usr/bin/unshare", {"--mount", "--propagation", "private", "/bin/sh", "-c", command});
  const std::string ready = "is ready on ";
  if (!server.wait_errors(ready)) {
    const process_result ended = server.wait();
    REQUIRE_MESSAGE(ended.errors.starts_with("unshare: "), ended.errors);
    MESSAGE("skipped: this user may not have a mount namespace");
    return;
  }
  REQUIRE(server.wait_errors("127.0.0.1:"));
  const std::string log = server.errors();
  const std::size_t from = log.find(ready) + ready.size();
  const std::string address = log.substr(from, log.find_first_not_of("0123456789.:", from) - from);
  blocking_client broker({.address = address});
  broker.create_topic("log");
  commit timers;
  for (int i = 1; i <= 100; ++i)
    timers.set_timer("alarms/" + std::to_string(i), i * 1s, "log", {.value = "ring"});
  broker.commit(std::move(timers));
  // The client tries again what is refused for want of room, until its time is over. What is small may still
  // fit where the large did not.
  for (const std::size_t bytes : {500'000, 10'000, 100}) {
    const std::string value(bytes, 'x');
    CHECK_THROWS_AS(for (;;) broker.publish("log", {.value = value}, {.timeout = 1s}), error);
  }
  const process_result is = run_process(SKALD_PROGRAM, {"doctor", "-b", address});
  CHECK(is.exit_code == 6);
  CHECK(is.output.starts_with("the broker's disk is full: publishes are refused\n"));
  std::string found;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!contains(found, "overdue, the first 'alarms/") && std::chrono::steady_clock::now() < deadline)
    found = run_process(SKALD_PROGRAM, {"doctor", "-b", address, "--patience", "2s"}).output;
  CHECK(contains(found, "overdue, the first 'alarms/"));
  CHECK(contains(found, "why    the broker's disk is full"));
}

}  // namespace skald::tests
