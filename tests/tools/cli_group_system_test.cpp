// Consumer groups from the command line.
#include <boost/json.hpp>
#include <csignal>

#include "tests/tools/cli_scene.hpp"

namespace skald::tests {
namespace {

namespace json = boost::json;

void publish(const std::string& topic, int from, int to) {
  std::string lines;
  for (int i = from; i < to; ++i) lines += std::to_string(i) + "\n";
  REQUIRE(skald({"pub", topic}, lines).exit_code == 0);
}

json::value described(const std::string& group) {
  const process_result is = skald({"group", "describe", group, "--output", "json"});
  REQUIRE_MESSAGE(is.exit_code == 0, is.errors);
  return json::parse(is.output);
}

TEST_CASE("a group goes on where it was, also within a delivery") {
  create_topic("g-orders");
  publish("g-orders", 0, 5);
  const arguments sub{"sub", "g-orders", "--group", "g-billing", "--from", "earliest", "--count"};
  auto with = [&](const std::string& count) {
    arguments all = sub;
    all.push_back(count);
    const process_result read = skald(all);
    CHECK_MESSAGE(read.exit_code == 0, read.errors);
    return read.output;
  };
  CHECK(with("2") == "0\n1\n");
  CHECK(with("3") == "2\n3\n4\n");

  publish("g-orders", 5, 9);
  const process_result list = skald({"group", "list"});
  CHECK(contains(list.output, "GROUP"));
  CHECK(contains(list.output, "g-billing"));
  CHECK(contains(skald({"group", "list", "--names"}).output, "g-billing\n"));
  const json::value is = described("g-billing");
  CHECK(is.at("members").as_array().empty());
  const json::value& partition = is.at("partitions").at(0);
  CHECK(partition.at("topic") == "g-orders");
  CHECK(partition.at("position") == 5);
  CHECK(partition.at("end") == 9);
  CHECK(partition.at("lag") == 4);
  CHECK(contains(skald({"group", "describe", "g-billing"}).output, "no members"));
}

TEST_CASE("reset shows what it would do, does it when told to, and not under a member's feet") {
  create_topic("g-reset", {"--partitions", "2"});
  publish("g-reset", 0, 10);
  const process_result dry = skald({"group", "reset", "g-r", "--to", "latest", "--topic", "g-reset"});
  CHECK(dry.exit_code == 0);
  CHECK(contains(dry.output, "g-reset"));
  CHECK(contains(dry.errors, "nothing was changed"));
  CHECK(skald({"group", "describe", "g-r"}).exit_code == 1);

  CHECK(skald({"group", "reset", "g-r", "--to", "latest", "--topic", "g-reset", "--execute"}).exit_code == 0);
  json::value is = described("g-r");
  for (const json::value& each : is.at("partitions").as_array()) CHECK(each.at("lag") == 0);
  CHECK(skald({"group", "reset", "g-r", "--to", "earliest", "--execute", "--output", "json"}).exit_code == 0);
  is = described("g-r");
  for (const json::value& each : is.at("partitions").as_array()) CHECK(each.at("position") == 0);

  running_skald member({"sub", "g-reset", "--group", "g-r", "--instance", "one", "--quiet"});
  CHECK(member.wait_output("\n"));
  const process_result refused = skald({"group", "reset", "g-r", "--to", "latest", "--execute"});
  CHECK(refused.exit_code == 1);
  CHECK(contains(refused.errors, "members of group"));
  CHECK(skald({"group", "delete", "g-r", "--yes"}).exit_code == 1);
  is = described("g-r");
  CHECK(is.at("members").at(0).at("instance") == "one");
  CHECK(is.at("members").at(0).at("partitions") == 2);
  member.send_signal(SIGTERM);
  CHECK(member.wait().exit_code == 143);
}

TEST_CASE("a deleted group is unknown, and starts anew") {
  create_topic("g-gone");
  publish("g-gone", 0, 2);
  const arguments sub{"sub", "g-gone", "--group", "g-d", "--from", "earliest", "--count", "2"};
  CHECK(skald(sub).output == "0\n1\n");
  CHECK(skald({"group", "delete", "g-d", "--yes"}).exit_code == 0);
  const process_result gone = skald({"group", "describe", "g-d"});
  CHECK(gone.exit_code == 1);
  CHECK(contains(gone.errors, "there is no group 'g-d'"));
  CHECK(skald(sub).output == "0\n1\n");
}

TEST_CASE("options that contradict one another are usage errors") {
  CHECK(skald({"sub", "t", "--instance", "one"}).exit_code == 2);
  CHECK(skald({"sub", "t", "--group", "g", "--no-follow"}).exit_code == 2);
  CHECK(skald({"group"}).exit_code == 2);
  CHECK(skald({"group", "reset", "g"}).exit_code == 2);
}

}  // namespace
}  // namespace skald::tests
