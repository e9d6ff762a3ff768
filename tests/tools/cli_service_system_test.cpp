// Services on the command line: the real `skald` on both sides of a real skaldd.
#include <boost/json.hpp>
#include <csignal>
#include <filesystem>

#include "tests/tools/cli_scene.hpp"

namespace skald::tests {
namespace {

namespace json = boost::json;

// A `skald serve` that answers by the time it is made.
struct running_service : running_skald {
  explicit running_service(const std::string& subject, const arguments& options, const arguments& command)
      : running_skald(all(subject, options, command)) {
    REQUIRE(wait_errors("serving '" + subject + "' as "));
  }
  static arguments all(const std::string& subject, const arguments& options, const arguments& command) {
    arguments given{"serve", subject};
    given.insert(given.end(), options.begin(), options.end());
    given.emplace_back("--");
    given.insert(given.end(), command.begin(), command.end());
    return given;
  }
};

json::value parsed(const process_result& ended) {
  CHECK_MESSAGE(ended.exit_code == 0, ended.errors);
  return json::parse(ended.output);
}

TEST_CASE("a command answers requests, its input the body, its output the reply") {
  running_service upper("t.upper", {}, {"tr", "a-z", "A-Z"});
  CHECK(skald({"request", "t.upper", "abc"}).output == "ABC\n");
  CHECK(skald({"request", "t.upper"}, "from input\n").output == "FROM INPUT\n");
  const process_result empty = skald({"request", "t.upper", ""});
  CHECK(empty.exit_code == 0);
  CHECK(empty.output == "\n");
}

TEST_CASE("a reply of bytes that are no text is written as it is") {
  running_service picture("t.picture", {}, {"printf", "\\377\\330"});
  CHECK(skald({"request", "t.picture", ""}).output == "\xff\xd8");
}

TEST_CASE("headers reach the command, and its reply is an object for programs") {
  running_service header("t.header", {"--instance", "one"},
                         {"sh", "-c", "printf %s \"$SKALD_HEADER_TRACE_ID\""});
  const json::value said =
      parsed(skald({"request", "t.header", "", "--header", "trace-id=7f", "--output", "json"}));
  CHECK(said.at("body") == "7f");
  CHECK(said.at("instance") == "one");
  CHECK(said.at("subject") == "t.header");
}

TEST_CASE("a command that fails is an error with its last word, and exit code 1") {
  running_service broken("t.broken", {}, {"sh", "-c", "echo first >&2; echo 'no such sku' >&2; exit 3"});
  const process_result ended = skald({"request", "t.broken", "x"});
  CHECK(ended.exit_code == 1);
  CHECK(ended.output == "");
  CHECK(ended.errors == "skald: service 't.broken': no such sku\n");
}

TEST_CASE("a command that cannot be run is an error of the service, not its end") {
  running_service none("t.none", {}, {"/nowhere/at/all"});
  for (int i = 0; i < 2; ++i) {
    const process_result ended = skald({"request", "t.none", "x"});
    CHECK(ended.exit_code == 1);
    CHECK(contains(ended.errors, "/nowhere/at/all"));
  }
}

TEST_CASE("without anyone who serves, a request says so at once and what to do") {
  const process_result ended = skald({"request", "t.nobody", "x", "--timeout", "10m"});
  CHECK(ended.exit_code == 1);
  CHECK(contains(ended.errors, "'t.nobody'"));
  CHECK(contains(ended.errors, "skald serve t.nobody -- COMMAND"));
}

TEST_CASE("a request that takes too long exits with 5, and its command is killed") {
  running_service slow("t.slow", {}, {"sh", "-c", "sleep 1000; echo never"});
  const process_result ended = skald({"request", "t.slow", "x", "--timeout", "300ms"});
  CHECK(ended.exit_code == 5);
  // The only worker is free again, so that this is answered by a new command.
  CHECK(skald({"request", "t.slow", "x", "--timeout", "300ms"}).exit_code == 5);
  const json::value stats = parsed(skald({"service", "stats", "t.slow", "--output", "json"}));
  CHECK(stats.at(0).at("statistics").at("expired") == 2);
}

TEST_CASE("a responder killed with the request in flight is a lost responder") {
  running_service dying("t.dying", {}, {"sh", "-c", "echo begun >&2; sleep 1000"});
  running_skald request({"request", "t.dying", "x", "--timeout", "10m"});
  REQUIRE(dying.wait_errors("begun"));
  dying.send_signal(SIGKILL);
  const process_result ended = request.wait();
  CHECK(ended.exit_code == 1);
  CHECK(contains(ended.errors, "has left with the request"));
}

TEST_CASE("SIGTERM drains: what was begun is finished, then the exit code is the signal's") {
  const scratch_directory directory;
  const std::string go = (directory.path() / "go").string();
  running_service leaving(
      "t.leaving", {},
      {"sh", "-c", "echo begun >&2; while [ ! -e " + go + " ]; do sleep 0.05; done; echo last"});
  running_skald request({"request", "t.leaving", "x"});
  REQUIRE(leaving.wait_errors("begun"));
  leaving.send_signal(SIGTERM);
  while (skald({"request", "t.leaving", "y"}).exit_code != 1) {
  }
  REQUIRE(run_process("/usr/bin/touch", {go}).exit_code == 0);
  CHECK(request.wait().output == "last\n");
  CHECK(leaving.wait().exit_code == 143);
}

TEST_CASE("as many requests are worked on at a time as --concurrency says") {
  const scratch_directory directory;
  const std::string where = directory.path().string();
  // Each waits until both have begun.
  running_service pair("t.pair", {"--concurrency", "2"},
                       {"sh", "-c",
                        "read name; touch " + where + "/$name; while [ ! -e " + where + "/a ] || [ ! -e " +
                            where + "/b ]; do sleep 0.05; done; echo $name"});
  running_skald a({"request", "t.pair", "a\n"});
  running_skald b({"request", "t.pair", "b\n"});
  CHECK(a.wait().output == "a\n");
  CHECK(b.wait().output == "b\n");
}

TEST_CASE("all instances are asked, and those that fail are named") {
  running_service one("t.all", {"--instance", "one"}, {"cat"});
  running_service two("t.all", {"--instance", "two"}, {"sh", "-c", "echo closed >&2; exit 1"});
  const process_result all = skald({"request", "t.all", "x", "--all"});
  CHECK(all.exit_code == 1);
  CHECK(all.output == "one\tx\n");
  CHECK(contains(all.errors, "instance 'two': closed"));
  const process_result first = skald({"request", "t.all", "x", "--all", "--count", "1", "--output", "json"});
  CHECK(contains(first.output, "\"instance\":\"one\""));
}

TEST_CASE("services are listed, described and pinged") {
  running_service one("t.listed", {"--instance", "one", "--label", "1.4.2", "-m", "zone=a"}, {"cat"});
  CHECK(skald({"request", "t.listed", "x"}).exit_code == 0);
  CHECK(contains(skald({"service", "list", "--names"}).output, "t.listed\n"));
  const process_result list = skald({"service", "list"});
  CHECK(list.output.starts_with("SERVICE"));
  CHECK(contains(list.output, "t.listed"));
  const process_result text = skald({"service", "info", "t.listed"});
  CHECK(contains(text.output, "healthy"));
  CHECK(contains(text.output, "zone=a"));
  const json::value info = parsed(skald({"service", "info", "t.listed", "--output", "json"}));
  CHECK(info.at("instances").at(0).at("version") == "1.4.2");
  CHECK(info.at("instances").at(0).at("metadata").at("zone") == "a");
  CHECK(info.at("statistics").at("replies") == 1);
  CHECK(info.at("statistics").at("latency_us").at("p99").to_number<int>() > 0);
  const process_result ping = skald({"service", "ping", "t.listed"});
  CHECK(ping.exit_code == 0);
  CHECK(ping.output.starts_with("answer from one in "));
  CHECK(contains(skald({"service", "stats"}).output, "t.listed"));
  CHECK(skald({"service", "info", "t.unlisted"}).exit_code == 1);
  CHECK(skald({"service", "ping", "t.unlisted"}).exit_code == 1);
}

TEST_CASE("a watch writes who comes and goes") {
  running_skald watch({"service", "watch", "t.watched", "--count", "3"});
  {
    // A watch is begun at some time after its process; a service that comes before is an initial event.
    running_service one("t.watched", {"--instance", "one"}, {"cat"});
    REQUIRE(watch.wait_output("t.watched one healthy"));
    one.send_signal(SIGTERM);
    REQUIRE(watch.wait_output("t.watched one draining"));
    one.wait();
  }
  const process_result ended = watch.wait();
  CHECK(ended.exit_code == 0);
  CHECK(contains(ended.output, "t.watched one left (drained)"));
}

TEST_CASE("an instance whose id is taken over ends with 1 and says why") {
  running_service old("t.taken", {"--instance", "one"}, {"cat"});
  running_service taking("t.taken", {"--instance", "one"}, {"cat"});
  const process_result ended = old.wait();
  CHECK(ended.exit_code == 1);
  CHECK(contains(ended.errors, "over"));
}

TEST_CASE("a responder goes on serving after the broker was killed and started again") {
  const scratch_directory directory;
  skaldd_process broker(SKALDD_PROGRAM, directory.path() / "data");
  running_skald serve({"serve", "t.again", "--", "cat"}, broker);
  REQUIRE(serve.wait_errors("serving"));
  broker.kill();
  broker.start();
  const auto deadline = std::chrono::steady_clock::now() + patience;
  std::string answer;
  while (answer.empty() && std::chrono::steady_clock::now() < deadline) {
    answer = run_process(SKALD_PROGRAM, {"request", "t.again", "x"}, {}, broker_environment(broker)).output;
  }
  CHECK(answer == "x\n");
}

}  // namespace
}  // namespace skald::tests
