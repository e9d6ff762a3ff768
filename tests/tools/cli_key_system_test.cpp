// Topics with an index of keys, from the command line.
#include <boost/json.hpp>
#include <chrono>

#include "tests/tools/cli_scene.hpp"

namespace skald::tests {
namespace {

namespace json = boost::json;

void publish_keyed(const std::string& topic, std::string_view lines) {
  const process_result sent = skald({"pub", topic, "--key-separator", " "}, lines);
  REQUIRE_MESSAGE(sent.exit_code == 0, sent.errors);
}

TEST_CASE("the newest record of a key, all of them, and the keys there are") {
  create_topic("indexed", {"--index", "key", "--partitions", "3"});
  publish_keyed("indexed", "42 created\n7 created\n42 paid\n42 sent\n");

  CHECK(skald({"get", "indexed", "42"}).output == "sent\n");
  CHECK(skald({"events", "indexed", "42"}).output == "created\npaid\nsent\n");
  CHECK(skald({"events", "indexed", "42", "--from-version", "2", "--count", "1"}).output == "paid\n");
  CHECK(skald({"keys", "indexed"}).output == "42\n7\n");
  CHECK(skald({"keys", "indexed", "--prefix", "4"}).output == "42\n");

  const json::value key = json::parse(skald({"keys", "indexed", "--prefix", "4", "--output", "json"}).output);
  CHECK(key.at("key") == "42");
  CHECK(key.at("version") == 3);
  const json::value newest = json::parse(skald({"get", "indexed", "7", "--output", "json"}).output);
  CHECK(newest.at("value") == "created");
  const json::value topic = json::parse(skald({"topic", "describe", "indexed", "--output", "json"}).output);
  CHECK(topic.at("settings").at("index") == "key");
}

TEST_CASE("a record is published at the version of its key that is expected, and once for each message id") {
  create_topic("guarded", {"--index", "key", "--partitions", "3"});
  const auto pub = [](const std::string& value, std::initializer_list<std::string> options) {
    std::vector<std::string> given{"pub", "guarded", value, "--key", "42"};
    given.insert(given.end(), options);
    return skald(given);
  };
  CHECK(pub("opened", {"--expect-version", "0"}).exit_code == 0);
  const process_result stale = pub("opened again", {"--expect-version", "0"});
  CHECK(stale.exit_code == 1);
  CHECK(contains(stale.errors, "the key is at version 1"));
  CHECK(pub("paid", {"--message-id", "invoice-7"}).exit_code == 0);
  const process_result again = pub("paid again", {"--message-id", "invoice-7"});
  CHECK(again.exit_code == 0);
  CHECK(contains(again.errors, "is there already"));
  const process_result told = pub("paid again", {"--message-id", "invoice-7", "--output", "json"});
  CHECK(json::parse(told.output).at("duplicates") == 1);
  CHECK(skald({"events", "guarded", "42"}).output == "opened\npaid\n");

  create_topic("without-keys", {"--partitions", "3"});
  for (int i = 0; i < 5; ++i) CHECK(skald({"pub", "without-keys", "x", "--message-id", "m"}).exit_code == 0);
  CHECK(contents("without-keys", "%v") == "x\n");
}

TEST_CASE("of a compacted topic the newest record of each key is left, and nothing of those deleted") {
  create_topic("table", {"--index", "key", "--cleanup", "compact", "--keep-tombstones", "0s"});
  publish_keyed("table", "a 1\nb 1\na 2\nc 1\na 3\n");
  CHECK(skald({"pub", "table", "--input", "json"}, "{\"key\":\"b\",\"value\":null}\n").exit_code == 0);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (contents("table", "%o %k=%v") != "3 c=1\n4 a=3\n")
    REQUIRE(std::chrono::steady_clock::now() < deadline);
  CHECK(skald({"events", "table", "a"}).output == "3\n");
  CHECK(skald({"get", "table", "b"}).exit_code == 1);
  CHECK(skald({"keys", "table"}).output == "a\nc\n");

  const auto settings = [] {
    return json::parse(skald({"topic", "describe", "table", "--output", "json"}).output).at("settings");
  };
  CHECK(settings().at("cleanup") == "compact");
  CHECK(settings().at("keep_tombstones_ms") == 0);
  CHECK(skald({"topic", "alter", "table", "--cleanup", "delete", "--retention", "7d"}).exit_code == 0);
  CHECK(settings().at("cleanup") == "delete");
  const process_result refused = skald({"topic", "alter", "table", "--cleanup", "compact"});
  CHECK(refused.exit_code == 1);
  CHECK(contains(refused.errors, "retention_ms"));
  CHECK(skald({"topic", "create", "no-keys", "--cleanup", "compact"}).exit_code == 1);
  CHECK(skald({"topic", "create", "no-keys", "--cleanup", "some"}).exit_code == 2);
}

TEST_CASE("what cannot be read by key says why") {
  create_topic("unindexed");
  create_topic("some-keys", {"--index", "key"});
  for (const arguments& given : {arguments{"get", "unindexed", "42"},
                                 {"keys", "unindexed"},
                                 {"get", "some-keys", "nobody"},
                                 {"events", "some-keys", "nobody"},
                                 {"get", "no-such-topic", "42"}}) {
    const process_result ended = skald(given);
    CAPTURE(ended.errors);
    CHECK(ended.exit_code == 1);
    CHECK(ended.output == "");
    CHECK(ended.errors.starts_with("skald: "));
    CHECK(contains(ended.errors, "'" + given[1] + "'"));
  }
  CHECK(skald({"get", "some-keys"}).exit_code == 2);
  CHECK(skald({"topic", "create", "odd", "--index", "value"}).exit_code == 2);
}

TEST_CASE("a key whose newest record has no value is gone, and its history is there") {
  create_topic("removed", {"--index", "key"});
  const process_result sent = skald(
      {"pub", "removed", "--input", "json"},
      "{\"key\":\"a\",\"value\":\"v\"}\n{\"key\":\"a\",\"value\":null}\n{\"key\":\"b\",\"value\":\"w\"}\n");
  REQUIRE_MESSAGE(sent.exit_code == 0, sent.errors);
  const process_result gone = skald({"get", "removed", "a"});
  CHECK(gone.exit_code == 1);
  CHECK(contains(gone.errors, "removed"));
  CHECK(skald({"keys", "removed"}).output == "b\n");
  CHECK(skald({"events", "removed", "a", "--format", "%o\\n"}).output == "0\n1\n");
}

}  // namespace
}  // namespace skald::tests
