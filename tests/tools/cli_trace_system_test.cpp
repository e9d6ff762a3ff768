// `skald trace` on what sagas and choreography leave in a real broker.
#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <sstream>

#include "tests/tools/cli_scene.hpp"

namespace skald::tests {

namespace {

namespace json = boost::json;

void publish(const std::string& topic, const std::string& key, const arguments& headers,
             const std::string& value = "x") {
  arguments all{"pub", topic, value, "--key", key};
  for (const std::string& one : headers) {
    all.emplace_back("-H");
    all.push_back(one);
  }
  const process_result done = skald(all);
  REQUIRE_MESSAGE(done.exit_code == 0, done.errors);
}

// Three services: an event, what it caused, and what that caused; beside them what belongs to others.
void publish_story(const std::string& prefix, const std::string& id) {
  for (const char* topic : {".orders", ".customers"}) create_topic(prefix + topic);
  publish(prefix + ".orders", "order-1", {"message-id=" + id, "event-type=order-created"});
  publish(prefix + ".orders", "order-2", {"correlation-id=other", "event-type=order-created"});
  publish(prefix + ".customers", "ann",
          {"correlation-id=" + id, "causation-id=" + id, "event-type=credit-reserved"});
  publish(prefix + ".orders", "order-1",
          {"correlation-id=" + id, "causation-id=" + prefix + ".customers/0/0", "event-type=order-approved"});
}

std::string without_times(const std::string& text) {
  std::string result;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) result += line.substr(line.find("  ") + 2) + "\n";
  return result;
}

}  // namespace

TEST_CASE("all that an event has caused is shown as a tree, with what began it") {
  publish_story("tree", "request-1");
  const process_result shown = skald({"trace", "request-1"});
  CHECK_MESSAGE(shown.exit_code == 0, shown.errors);
  CHECK(shown.output.starts_with("TIME "));
  const std::string lines = without_times(shown.output.substr(shown.output.find('\n') + 1));
  for (const char* part :
       {"event order-created ", "\n  event credit-reserved ", "\n    event order-approved ",
        "tree.orders/0/0\n", "tree.customers/0/0\n", "tree.orders/0/2\n"})
    CHECK_MESSAGE(contains(lines, part), lines);
  CHECK(std::ranges::count(lines, '\n') == 3);
}

TEST_CASE("any record of it will do, by its id or by its place") {
  publish_story("any", "request-2");
  const std::string whole = skald({"trace", "request-2"}).output;
  CHECK(skald({"trace", "any.customers/0/0"}).output == whole);
  CHECK(skald({"trace", "any.orders/0/2"}).output == whole);
  CHECK(skald({"trace", "any.orders/0/0"}).output == whole);
}

TEST_CASE("a record without any of the headers begins a tree by its place") {
  create_topic("plain");
  publish("plain", "k", {});
  publish("plain", "k", {"correlation-id=plain/0/0", "causation-id=plain/0/0"});
  const process_result shown = skald({"trace", "plain/0/0"});
  CHECK_MESSAGE(shown.exit_code == 0, shown.errors);
  CHECK(contains(shown.output, "  record  "));
  CHECK(std::ranges::count(shown.output, '\n') == 3);
}

TEST_CASE("a trace as JSON says what a record is, beside the record") {
  publish_story("json", "request-3");
  const json::array all = json::parse(skald({"trace", "request-3", "--output", "json"}).output).as_array();
  REQUIRE(all.size() == 3);
  const json::object& second = all[1].as_object();
  CHECK(second.at("topic") == "json.customers");
  CHECK(second.at("id") == "json.customers/0/0");
  CHECK(second.at("caused_by") == "request-3");
  CHECK(second.at("depth") == 1);
  CHECK(second.at("kind") == "event");
  CHECK(second.at("name") == "credit-reserved");
  CHECK(second.at("value") == "x");
  CHECK(all[0].as_object().at("caused_by").is_null());
}

TEST_CASE("topics and time bound what is looked at, and what is not there is said") {
  publish_story("bound", "request-4");
  CHECK(contains(skald({"trace", "request-4", "--since", "1h"}).output, "bound.customers"));
  const process_result some =
      skald({"trace", "request-4", "--topic", "bound.customers", "--topic", "none.>"});
  CHECK(contains(some.output, "bound.customers"));
  CHECK_FALSE(contains(some.output, "bound.orders"));
  const process_result later = skald({"trace", "request-4", "--since", "2099-01-01T00:00:00Z"});
  CHECK(later.exit_code == 1);
  CHECK(later.errors == "skald: 'request-4': no topic has a record that belongs to it, or none since then\n");
  const process_result none = skald({"trace", "request-99"});
  CHECK(none.exit_code == 1);
  CHECK(none.errors == "skald: 'request-99': no topic has a record that belongs to it\n");
  CHECK(contains(skald({"trace", "request-4", "--topic", "nowhere"}).errors, "there is no topic"));
  CHECK(skald({"trace"}).exit_code == 2);
  CHECK(skald({"trace", "x", "--topic", "a.>.b"}).exit_code == 2);
  CHECK(skald({"trace", "x", "--since", "yesterday"}).exit_code == 2);
}

TEST_CASE("a saga is one tree: its start, its transitions, commands, answers and what participants did") {
  const scratch_directory directory;
  skaldd_process broker(SKALDD_PROGRAM, directory.path() / "data");
  const auto on = [&](const arguments& given) {
    return run_process(SKALD_PROGRAM, given, {}, broker_environment(broker));
  };
  const auto becomes = [&](const arguments& asked, const char* part) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!contains(on(asked).output, part))
      if (std::chrono::steady_clock::now() > deadline) return false;
    return true;
  };
  for (const char* topic : {"ledger", "orders"}) on({"topic", "create", topic, "--index", "key"});
  const child_process orchestrator(SKALD_SAGA_PROGRAM, {broker.address(), "orchestrator"});
  const child_process customers(SKALD_SAGA_PROGRAM, {broker.address(), "customers"});
  const child_process warehouse(SKALD_SAGA_PROGRAM, {broker.address(), "warehouse"});
  REQUIRE(becomes({"topic", "list", "--names"}, "orders.sagas.inputs"));
  const process_result started = run_process(SKALD_SAGA_PROGRAM, {broker.address(), "start", "1", "1"});
  REQUIRE_MESSAGE(started.exit_code == 0, started.errors);
  REQUIRE(becomes({"saga", "list", "--state", "completed"}, "order-1 "));

  const process_result shown = on({"trace", "order-1"});
  CHECK_MESSAGE(shown.exit_code == 0, shown.errors);
  for (const char* part : {"  start create-order ", "    transition started", "    command reserve-credit ",
                           "      answer done", "      reply done", "  customers  "})
    CHECK_MESSAGE(contains(shown.output, part), shown.output);
  // Only the start is nothing's effect.
  std::size_t roots = 0;
  std::istringstream lines(without_times(shown.output.substr(shown.output.find('\n') + 1)));
  for (std::string line; std::getline(lines, line);) roots += line.starts_with(' ') ? 0 : 1;
  CHECK_MESSAGE(roots == 1, shown.output);
}

}  // namespace skald::tests
