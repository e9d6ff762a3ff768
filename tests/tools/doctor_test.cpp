// What the doctor makes of what it has seen.
#include <doctest/doctest.h>

#include <algorithm>
#include <boost/json.hpp>

#include "tools/cli/doctor.hpp"

namespace skald::cli {

namespace {

using namespace std::chrono_literals;

constexpr timestamp now{std::chrono::hours(24 * 365 * 50)};

observations nothing_stuck() {
  observations of;
  of.now = now;
  of.broker.disk_free_bytes = 1ull << 40;
  return of;
}

found_saga saga(const std::string& id, sagas::phase phase, std::chrono::milliseconds age) {
  found_saga made{"orders", 3, {}};
  made.state.id = id;
  made.state.definition = "create-order";
  made.state.phase = phase;
  made.state.started = made.state.changed = now - age;
  sagas::step_state& credit = made.state.steps.emplace_back();
  credit.name = "credit";
  credit.cause = "no reply within 30 ms";
  return made;
}

seen_queue queue(std::uint64_t ready, std::uint32_t consumers, std::chrono::milliseconds age) {
  seen_queue made;
  made.is.topic = "customers.commands";
  made.is.queue = "participant";
  made.is.ready = ready;
  made.is.consumers = consumers;
  made.oldest_waiting = now - age;
  return made;
}

instance_info instance(const char* id, instance_state state) {
  instance_info made;
  made.id = id;
  made.state = state;
  return made;
}

std::vector<std::string> kinds(const observations& of) {
  std::vector<std::string> made;
  for (const finding& one : diagnose(of, {})) made.push_back(one.kind);
  return made;
}

finding only(const observations& of) {
  const std::vector<finding> all = diagnose(of, {});
  REQUIRE(all.size() == 1);
  return all.front();
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

bool has(const std::vector<std::string>& all, std::string_view one) {
  return std::ranges::find(all, one) != all.end();
}

}  // namespace

TEST_CASE("nothing is found where nothing is stuck") {
  observations of = nothing_stuck();
  of.sagas.push_back(saga("young", sagas::phase::running, 4min));
  of.queues.push_back(queue(5, 1, 4min));
  of.queues.push_back(queue(0, 0, 0s));
  of.groups.push_back({{.name = "billing", .members = 1, .lag = 5}, now - 4min});
  of.groups.push_back({{.name = "done", .members = 0, .lag = 0}, {}});
  of.timers.push_back({"orders.sagas/young/credit", now + 1s, "orders.sagas.inputs", {}, 1});
  of.instances.push_back({{.service = "customers", .instance = "1", .every = 5s}, now - 10s});
  of.instances[0].said.outboxes.push_back({.name = "db", .unsent = 3, .oldest = now - 4min});
  of.instances[0].said.breakers.push_back({.name = "price", .state = "closed", .since = now});
  CHECK(kinds(of).empty());
  CHECK(contains(healthy_text(of), "nothing is stuck: 1 sagas on their way"));
}

TEST_CASE("a parked saga is told at once, with its reason and the orders that would do something") {
  observations of = nothing_stuck();
  of.sagas.push_back(saga("o-1", sagas::phase::parked, 1s));
  of.sagas[0].state.why = "'ship': no-carrier";
  of.sagas[0].state.forward_only = true;
  const finding is = only(of);
  CHECK(is.kind == "saga-parked");
  CHECK(is.since == now - 1s);
  CHECK(is.why == "'ship': no-carrier");
  CHECK(has(is.help, "skald saga show o-1 --orchestrator orders"));
  CHECK(has(is.help, "skald saga retry o-1 --orchestrator orders"));
  CHECK(has(is.help, "skald saga skip o-1 --orchestrator orders"));
  CHECK_FALSE(has(is.help, "skald saga compensate o-1 --orchestrator orders"));
}

TEST_CASE("an old saga is told with the step that it waits for") {
  observations of = nothing_stuck();
  of.sagas.push_back(saga("o-1", sagas::phase::running, 6min));
  const finding is = only(of);
  CHECK(is.kind == "saga-unfinished");
  CHECK(contains(is.why, "'credit' is acting, attempt 1: no reply within 30 ms"));
}

TEST_CASE("many sagas are told one by one up to a point, and counted behind it") {
  observations of = nothing_stuck();
  for (int i = 0; i < 40; ++i)
    of.sagas.push_back(saga("o-" + std::to_string(i), sagas::phase::parked, i * 1s));
  const std::vector<finding> all = diagnose(of, {});
  REQUIRE(all.size() == 11);
  CHECK(all[0].subject == "o-39");  // the oldest first
  CHECK(all[10].what == "30 more sagas of orders are parked");
  CHECK(has(all[10].help, "skald saga list --orchestrator orders --state parked"));
}

TEST_CASE("a queue that nobody consumes says who is missing, one that falls behind says by how much") {
  observations of = nothing_stuck();
  of.queues.push_back(queue(3, 0, 1s));
  CHECK(only(of).kind == "queue-unattended");
  CHECK(contains(only(of).why, "the participant 'customers' is not connected"));
  of.queues[0].is.topic = "price.requests";
  of.queues[0].is.queue = "responders";
  CHECK(contains(only(of).why, "a responder of the durable service 'price' is not connected"));
  of.queues[0].is.topic = "orders.sagas.inputs";
  of.queues[0].is.queue = "orchestrator";
  CHECK(contains(only(of).why, "the orchestrator 'orders' is not connected"));
  of.queues[0].is.consumers = 2;
  CHECK(kinds(of).empty());
  of.queues[0].oldest_waiting = now - 6min;
  of.queues[0].reason = "disk on fire";
  CHECK(only(of).kind == "queue-backlog");
  CHECK(contains(only(of).why, "disk on fire"));
}

TEST_CASE("dead letters are told beside a backlog") {
  observations of = nothing_stuck();
  of.queues.push_back(queue(3, 0, 1s));
  of.queues[0].is.dead = 2;
  of.queues[0].oldest_dead = now - 1h;
  of.queues[0].dead_reason = "it is no command of a saga";
  const std::vector<finding> all = diagnose(of, {});
  REQUIRE(all.size() == 2);
  CHECK(all[1].kind == "dead-letters");
  CHECK(has(all[1].help, "skald dead retry customers.commands participant --all"));
}

TEST_CASE("a group without members and with lag is told at once, one with members when it is old") {
  observations of = nothing_stuck();
  of.groups.push_back({{.name = "billing", .members = 0, .lag = 7}, now - 1s});
  CHECK(only(of).kind == "group-unattended");
  of.groups[0].is.members = 1;
  of.groups[0].oldest_behind = now - 6min;
  CHECK(only(of).kind == "group-lag");
}

TEST_CASE("services that are absent, drain, are unhealthy, overwhelmed or too late are told") {
  observations of = nothing_stuck();
  service_info price;
  price.subject = "price";
  price.instances = {instance("a", instance_state::draining), instance("b", instance_state::unhealthy)};
  price.statistics.replies = 90;
  price.statistics.late = 10;
  price.statistics.waiting = 3;
  of.services.push_back(price);
  CHECK(kinds(of) == std::vector<std::string>{"instance-draining", "instance-unhealthy", "replies-late",
                                              "requests-waiting"});
  of.services[0].statistics.replies = 1'000;
  of.services[0].statistics.waiting = 0;
  of.services[0].instances.clear();
  CHECK(kinds(of).empty());
  const std::vector<finding> absent = diagnose(of, {.expected_services = {"price", "stock"}});
  REQUIRE(absent.size() == 1);
  CHECK(absent[0].kind == "service-absent");
  CHECK(absent[0].subject == "stock");
}

TEST_CASE("overdue timers are one finding, with the first of them") {
  observations of = nothing_stuck();
  for (int i = 0; i < 3; ++i) of.timers.push_back({"o/" + std::to_string(i), now - i * 1min, "t", {}, 1});
  const finding is = only(of);
  CHECK(is.kind == "timers-overdue");
  CHECK(is.since == now - 2min);
  CHECK(contains(is.what, "2 timers are overdue, the first 'o/2'"));
}

TEST_CASE("a disk that is full, or nearly so, is told first") {
  observations of = nothing_stuck();
  of.sagas.push_back(saga("o-1", sagas::phase::parked, 1s));
  of.broker.disk_free_bytes = 100 << 20;
  CHECK(kinds(of) == std::vector<std::string>{"disk-nearly-full", "saga-parked"});
  of.broker.storage_full = true;
  CHECK(kinds(of).front() == "disk-full");
}

TEST_CASE("outboxes and breakers are told as reported, and that the report is old") {
  observations of = nothing_stuck();
  of.instances.push_back({{.service = "customers", .instance = "1", .every = 5s}, now - 3min});
  health::report& said = of.instances[0].said;
  CHECK(kinds(of) == std::vector<std::string>{"instance-silent"});
  CHECK(has(only(of).help, "skald doctor --forget customers/1"));
  of.instances[0].at = now;
  said.outboxes.push_back({.name = "a", .unsent = 3, .parked = 0, .oldest = now - 6min});
  said.outboxes.push_back(
      {.name = "b", .unsent = 3, .parked = 1, .oldest = now - 1s, .why = "no such topic"});
  said.outboxes.push_back({.name = "c", .why = "the database could not be asked"});
  said.breakers.push_back({.name = "price", .state = "open", .since = now - 1min});
  said.breakers.push_back({.name = "stock", .state = "half_open", .since = now - 1min});
  CHECK(kinds(of) == std::vector<std::string>{"outbox-unsent", "outbox-parked", "outbox-unknown",
                                              "breaker-open", "breaker-open"});
}

TEST_CASE("figures are lines that Prometheus reads, each metric under its type") {
  observations of = nothing_stuck();
  of.sagas.push_back(saga("o-1", sagas::phase::parked, 90s));
  of.sagas.push_back(saga("o-2", sagas::phase::running, 2s));
  of.instances.push_back({{.service = "customers", .instance = "a\"b", .every = 5s}, now});
  of.instances[0].said.outboxes.push_back({.name = "db", .unsent = 3, .oldest = now - 1500ms});
  const std::string text = metrics_text(measure(of));
  CHECK(contains(text,
                 "# TYPE skald_sagas_unfinished gauge\nskald_sagas_unfinished{orchestrator=\"orders\"} 2"));
  CHECK(contains(text, "skald_sagas_parked{orchestrator=\"orders\"} 1"));
  CHECK(contains(text, "skald_saga_oldest_unfinished_seconds{orchestrator=\"orders\"} 90\n"));
  CHECK(contains(text, "instance=\"a\\\"b\",outbox=\"db\"} 1.5\n"));
}

TEST_CASE("a finding is a paragraph for people, and an object for programs") {
  observations of = nothing_stuck();
  of.queues.push_back(queue(3, 0, 90s));
  const std::vector<finding> all = diagnose(of, {});
  const std::string text = findings_text(all, now);
  CHECK(text.starts_with(
      "nobody consumes queue 'participant' of topic 'customers.commands', and 3 records wait\n"));
  CHECK(contains(text, ", 1m30s ago\n  why    "));
  CHECK(contains(text,
                 "  help   skald queue describe customers.commands participant\n         skald queue peek"));
  const boost::json::object object = doctor_json(all, {}, now);
  CHECK(object.at("healthy") == false);
  CHECK(object.at("findings").at(0).at("age_ms") == 90'000);
}

}  // namespace skald::cli
