// Topics, status and completion from the command line.
#include <boost/json.hpp>

#include "tests/tools/cli_scene.hpp"

namespace skald::tests {
namespace {

namespace json = boost::json;

TEST_CASE("a topic is created, shown, altered and deleted") {
  CHECK(skald({"topic", "create", "life", "--partitions", "3", "--retention", "7d", "--retention-bytes",
               "1GiB", "--max-bytes", "2GiB", "--max-record-bytes", "64KiB", "--max-batch-bytes", "1MiB"})
            .exit_code == 0);

  json::value shown = json::parse(skald({"topic", "describe", "life", "--output", "json"}).output);
  CHECK(shown.at("name") == "life");
  CHECK(shown.at("partitions").as_array().size() == 3);
  const json::value created = shown.at("settings");
  CHECK(created.at("partitions") == 3);
  CHECK(created.at("retention_ms") == 604'800'000);
  CHECK(created.at("retention_bytes") == 1ll << 30);
  CHECK(created.at("bytes_max") == 2ll << 30);
  CHECK(created.at("record_bytes_max") == 64 << 10);
  CHECK(created.at("batch_bytes_max") == 1 << 20);

  CHECK(skald({"topic", "alter", "life", "--partitions", "5", "--retention", "unlimited"}).exit_code == 0);
  shown = json::parse(skald({"topic", "describe", "life", "--output", "json"}).output);
  CHECK(shown.at("settings").at("partitions") == 5);
  CHECK(shown.at("settings").at("retention_ms").is_null());
  CHECK(shown.at("settings").at("retention_bytes") == 1ll << 30);

  const process_result deleted = skald({"topic", "delete", "life"});
  CHECK(deleted.exit_code == 0);
  CHECK(deleted.errors == "");
  CHECK(skald({"topic", "describe", "life"}).exit_code == 1);
}

TEST_CASE("a topic that exists is an error, unless that is fine") {
  create_topic("twice");
  const process_result again = skald({"topic", "create", "twice"});
  CHECK(again.exit_code == 1);
  CHECK(contains(again.errors, "twice"));
  CHECK(skald({"topic", "create", "twice", "--if-absent"}).exit_code == 0);
}

TEST_CASE("the broker's refusals are passed on") {
  create_topic("grown", {"--partitions", "4"});
  for (const arguments& given : {arguments{"topic", "create", "bad/name"},
                                 {"topic", "create", "__mine"},
                                 {"topic", "alter", "grown", "--partitions", "2"}}) {
    const process_result ended = skald(given);
    CAPTURE(ended.errors);
    CHECK(ended.exit_code == 1);
    CHECK(ended.errors.starts_with("skald: "));
    CHECK(contains(ended.errors, given[2]));
  }
}

TEST_CASE("the list is a table for people, objects for programs, names for scripts") {
  create_topic("listed.a", {"--partitions", "12"});
  create_topic("listed.b");
  const process_result text = skald({"topic", "list"});
  CHECK(text.output.starts_with("TOPIC"));
  CHECK(contains(text.output, "\nlisted.a"));
  CHECK(contains(skald({"topic", "list", "--names"}).output, "listed.a\nlisted.b\n"));
  bool found = false;
  const json::value all = json::parse(skald({"topic", "list", "--output", "json"}).output);
  for (const json::value& topic : all.as_array()) {
    if (topic.at("name") == "listed.a") found = topic.at("settings").at("partitions") == 12;
  }
  CHECK(found);
}

TEST_CASE("the description counts records and shows each partition") {
  create_topic("described", {"--partitions", "2"});
  skald({"pub", "described", "--partition", "1"}, "a\nb\nc\n");
  const process_result text = skald({"topic", "describe", "described"});
  CHECK(contains(text.output, "described"));
  CHECK(contains(text.output, "PARTITION"));
  const json::value shown = json::parse(skald({"topic", "describe", "described", "--output", "json"}).output);
  CHECK(shown.at("records") == 3);
  CHECK(shown.at("partitions").at(0).at("end") == 0);
  CHECK(shown.at("partitions").at(1).at("end") == 3);
}

TEST_CASE("status and ping speak to people and to programs") {
  const process_result text = skald({"status"});
  CHECK(text.exit_code == 0);
  CHECK(contains(text.output, shared_broker().address()));
  const json::value status = json::parse(skald({"status", "--output", "json"}).output);
  CHECK(std::string(status.at("broker").as_string()) == shared_broker().address());
  CHECK(status.at("connections").to_number<int>() >= 1);
  CHECK(status.at("storage_full") == false);
  const process_result ping = skald({"ping", "--count", "2", "--output", "json"});
  CHECK(ping.exit_code == 0);
  CHECK(json::parse(ping.output.substr(0, ping.output.find('\n'))).at("round_trip_us").to_number<int>() > 0);
}

// What bash would offer after these words, of which the last is incomplete.
std::string completions(const std::string& words) {
  const std::string script = "source " COMPLETION_SCRIPT "; COMP_WORDS=(" SKALD_PROGRAM " " + words +
                             "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _skald; echo \"${COMPREPLY[*]}\"";
  return run_process("/bin/bash", {"-c", script}, {}, broker_environment(shared_broker())).output;
}

TEST_CASE("bash completes commands, options, values and the broker's topics") {
  create_topic("completed.one");
  create_topic("completed.two");
  CHECK(completions("''") ==
        "topic pub sub queue dead group get events keys timer saga trace request serve service doctor bench "
        "status "
        "ping\n");
  CHECK(completions("to") == "topic\n");
  CHECK(completions("topic de") == "describe delete\n");
  CHECK(completions("service s") == "stats\n");
  CHECK(completions("serve x --con") == "--concurrency\n");
  CHECK(completions("serve x -- ''") == "\n");
  CHECK(completions("pub --comp") == "--compression\n");
  CHECK(completions("pub t --compression l") == "lz4\n");
  CHECK(completions("sub --from e") == "earliest\n");
  CHECK(completions("bench pub") == "publish pubsub\n");
  CHECK(completions("bench queue --pre") == "--prefetch\n");
  CHECK(completions("bench publish --payload t") == "text\n");
  CHECK(completions("sub completed.") == "completed.one completed.two\n");
  CHECK(completions("topic delete completed.t") == "completed.two\n");
  CHECK(completions("pub --key x completed.o") == "completed.one\n");
  CHECK(completions("-b 127.0.0.1 : 1 sub completed.") == "\n");
  CHECK(completions("sub completed.one comp") == "\n");
}

}  // namespace
}  // namespace skald::tests
