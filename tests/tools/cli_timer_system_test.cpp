// Records that wait or expire, from the command line.
#include <boost/json.hpp>
#include <chrono>
#include <thread>

#include "tests/tools/cli_scene.hpp"

namespace skald::tests {
namespace {

namespace json = boost::json;

// Waits until the topic's content is this.
bool becomes(const std::string& topic, const std::string& wanted) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (contents(topic) != wanted) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

TEST_CASE("a timer is set, listed, moved and cancelled") {
  create_topic("reminders");
  CHECK(skald({"pub", "reminders", "call", "--delay", "1h", "--timer", "cli/42/call"}).exit_code == 0);
  CHECK(skald({"pub", "reminders", "mail", "--at", "2999-01-01T00:00:00Z", "--timer", "cli/42/mail"})
            .exit_code == 0);
  const json::value timers = json::parse(skald({"timer", "list", "cli/", "--output", "json"}).output);
  REQUIRE(timers.as_array().size() == 2);
  CHECK(timers.at(0).at("name") == "cli/42/call");
  CHECK(timers.at(1).at("due") == "2999-01-01T00:00:00.000Z");
  CHECK(timers.at(1).at("topic") == "reminders");
  CHECK(contains(skald({"timer", "list"}).output, "cli/42/mail"));

  const process_result cancelled = skald({"timer", "cancel", "cli/42/mail", "--output", "json"});
  CHECK(cancelled.output == "{\"timers\":[\"cli/42/mail\"],\"done\":\"cancelled\"}\n");
  const process_result gone = skald({"timer", "cancel", "cli/42/mail"});
  CHECK(gone.exit_code == 1);
  CHECK(contains(gone.errors, "cli/42/mail"));
  CHECK(skald({"timer", "cancel", "cli/42/mail", "--if-exists"}).exit_code == 0);
  CHECK(skald({"timer", "move", "cli/42/call", "--delay", "0"}).exit_code == 0);
  CHECK(becomes("reminders", "call\n"));
}

TEST_CASE("lines are delayed and expire together") {
  create_topic("timed");
  const process_result sent = skald({"pub", "timed", "--delay", "100ms", "--output", "json"}, "one\ntwo\n");
  CHECK(json::parse(sent.output).at("records") == 2);
  CHECK(becomes("timed", "one\ntwo\n"));
  CHECK(skald({"pub", "timed", "short", "--ttl", "1ms"}).exit_code == 0);
  CHECK(becomes("timed", "one\ntwo\n"));
}

TEST_CASE("times that make no sense are errors of usage") {
  create_topic("untimed");
  for (const arguments& given :
       {arguments{"pub", "untimed", "x", "--delay", "5m", "--at", "2999-01-01T00:00:00Z"},
        {"pub", "untimed", "x", "--timer", "a/b"},
        {"pub", "untimed", "x", "y", "--timer", "a/b", "--delay", "5m"},
        {"pub", "untimed", "x", "--delay", "soon"},
        {"timer", "move", "a/b"}}) {
    const process_result refused = skald(given);
    CHECK(refused.exit_code == 2);
    CHECK_FALSE(refused.errors.empty());
  }
}

}  // namespace
}  // namespace skald::tests
