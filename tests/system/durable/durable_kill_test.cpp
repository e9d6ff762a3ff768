// Durable requests whose caller, responder or broker is killed between any two steps: the reply is there, and
// the work was done once.
#include <signal.h>

#include <doctest/doctest.h>

#include <chrono>
#include <skald/skald.hpp>
#include <string>
#include <vector>

#include "tests/system/support/skaldd_process.hpp"

namespace skald::tests {

namespace {

using namespace std::chrono_literals;

constexpr int killed = 128 + 9;

struct kill_fixture {
  scratch_directory directory;
  skaldd_process server{SKALDD_PROGRAM, directory.path()};
  std::string address = server.address();
  blocking_client broker{
      {.address = address, .timeout = 30s, .reconnect_delay_min = 5ms, .reconnect_delay_max = 50ms}};
  blocking_durable_service service{broker, "double"};

  kill_fixture() {
    broker.create_topic("ledger");
    service.create();
  }
  process_result run(const std::vector<std::string>& arguments) const {
    std::vector<std::string> all{address};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run_process(SKALD_DURABLE_PROGRAM, all);
  }
  void check_done_once(const std::string& id) {
    CHECK(service.ask(id, "21").body == "42");
    CHECK(broker.describe_topic("ledger").records == 1);
    CHECK(broker.describe_topic("double.requests").records == 1);
    CHECK(broker.describe_topic("double.replies").records == 1);
    CHECK(server.stop().exit_code == 0);
    const process_result verified =
        run_process(SKALDD_PROGRAM, {"verify", "--data-dir", directory.path().string()});
    CHECK_MESSAGE(verified.exit_code == 0, verified.output << verified.errors);
  }
};

}  // namespace

TEST_CASE("A caller that is killed behind any of its steps asks again and gets the one reply") {
  for (const char* step : {"begun", "looked", "sent", "replied"}) {
    CAPTURE(step);
    kill_fixture on;
    child_process responder(SKALD_DURABLE_PROGRAM, {on.address, "respond", "none"});
    CHECK(on.run({"ask", "order-1", step}).exit_code == killed);
    const process_result again = on.run({"ask", "order-1", "none"});
    CHECK(again.output == "reply 42\n");
    CHECK(responder.wait().exit_code == 0);
    on.check_done_once("order-1");
  }
}

TEST_CASE("A caller that is killed while it waits asks again and gets the one reply") {
  kill_fixture on;
  child_process caller(SKALD_DURABLE_PROGRAM, {on.address, "ask", "order-1", "none"});
  // It waits: there is a request, and nobody to answer.
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (on.broker.describe_topic("double.requests").records == 0)
    REQUIRE(std::chrono::steady_clock::now() < deadline);
  caller.send_signal(SIGKILL);
  CHECK(caller.wait().exit_code == killed);
  CHECK(on.run({"respond", "none"}).output == "answered order-1\n");
  CHECK(on.run({"ask", "order-1", "none"}).output == "reply 42\n");
  on.check_done_once("order-1");
}

TEST_CASE("A responder that is killed behind any of its steps leaves the request to another, or is done") {
  for (const char* step : {"received", "worked", "answered"}) {
    CAPTURE(step);
    kill_fixture on;
    on.service.send("order-1", "21");
    CHECK(on.run({"respond", step}).exit_code == killed);
    if (std::string(step) != "answered") CHECK(on.run({"respond", "none"}).output == "answered order-1\n");
    on.check_done_once("order-1");
  }
}

TEST_CASE("A broker that is killed behind any step has what was acknowledged") {
  for (const char* step : {"sent", "received", "answered"}) {
    CAPTURE(step);
    kill_fixture on;
    on.service.send("order-1", "21");
    if (std::string(step) != "sent") CHECK(on.run({"respond", step}).exit_code == killed);
    on.server.kill();
    on.server.start();
    if (std::string(step) != "answered") CHECK(on.run({"respond", "none"}).output == "answered order-1\n");
    on.check_done_once("order-1");
  }
}

}  // namespace skald::tests
