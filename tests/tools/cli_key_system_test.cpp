// Topics with an index of keys, from the command line.
#include <boost/json.hpp>

#include "tests/tools/cli_scene.hpp"

namespace skald::tests {
namespace {

namespace json = boost::json;

void publish(const std::string& topic, std::string_view lines) {
  const process_result sent = skald({"pub", topic, "--key-separator", " "}, lines);
  REQUIRE_MESSAGE(sent.exit_code == 0, sent.errors);
}

TEST_CASE("the newest record of a key, all of them, and the keys there are") {
  create_topic("indexed", {"--index", "key", "--partitions", "3"});
  publish("indexed", "42 created\n7 created\n42 paid\n42 sent\n");

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
