// Publishing and subscribing from the command line.
#include <boost/json.hpp>
#include <csignal>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include "tests/tools/cli_scene.hpp"

namespace skald::tests {
namespace {

namespace json = boost::json;
using namespace std::string_literals;

TEST_CASE("messages given as arguments arrive") {
  create_topic("args");
  const process_result published = skald({"pub", "args", "hello", "wide world", ""});
  CHECK(published.exit_code == 0);
  CHECK(published.output == "");
  CHECK(published.errors == "");
  CHECK(contents("args") == "hello\nwide world\n\n");
}

TEST_CASE("keys, headers, partition and timestamp are what the flags say") {
  create_topic("flags", {"--partitions", "4"});
  CHECK(skald({"pub", "flags", "v", "--key", "k", "-H", "a=1", "-H", "b=x=y", "-p", "3", "--timestamp",
               "2020-01-02T03:04:05Z"})
            .exit_code == 0);
  CHECK(contents("flags", "%k|%v|%h|%p|%o|%t|%T") ==
        "k|v|a=1,b=x=y|3|0|2020-01-02T03:04:05.000Z|1577934245000\n");
}

TEST_CASE("a file of a hundred thousand lines comes back byte for byte") {
  create_topic("file");
  const scratch_directory directory;
  const std::string path = directory.path() / "lines";
  std::mt19937 random(3);
  std::string text;
  for (int line = 0; line < 100'000; ++line) {
    text += std::to_string(line);
    for (auto i = random() % 100; i > 0; --i)
      text += static_cast<char>(random() % 255 + (random() % 2 ? 11 : 1));
    text += '\n';
  }
  text.back() = '!';  // the last line has no newline
  std::ofstream(path, std::ios::binary) << text;
  const process_result published =
      skald({"pub", "file", "--file", path, "--compression", "zstd", "--output", "json"});
  CHECK(published.exit_code == 0);
  const json::value report = json::parse(published.output);
  CHECK(report.at("failed").is_null());
  CHECK(contents("file", "raw").size() + static_cast<std::size_t>(std::ranges::count(text, '\n')) ==
        text.size());
  CHECK(contents("file") == text + "\n");
}

TEST_CASE("a pattern reads all topics that match, and follows those that come") {
  create_topic("tree.eu", {"--partitions", "2"});
  create_topic("tree.us");
  create_topic("other.eu");
  for (const char* topic : {"tree.eu", "tree.us", "other.eu"}) {
    CHECK(skald({"pub", topic, "first"}).exit_code == 0);
  }
  const std::string all = contents("tree.*", "%N %v");
  CHECK((all == "tree.eu first\ntree.us first\n" || all == "tree.us first\ntree.eu first\n"));

  running_skald following({"sub", "tree.>", "--from", "earliest", "--count", "3", "--format", "%N"});
  create_topic("tree.fr.paris");
  CHECK(skald({"pub", "tree.fr.paris", "new"}).exit_code == 0);
  const process_result seen = following.wait();
  CHECK_MESSAGE(seen.exit_code == 0, seen.errors);
  CHECK(contains(seen.output, "tree.fr.paris\n"));
  const process_result wrong = skald({"sub", "tree.**"});
  CHECK(wrong.exit_code == 1);
  CHECK(contains(wrong.errors, "whole tokens"));
}

TEST_CASE("records with one key stay in one partition and in order") {
  create_topic("keyed", {"--partitions", "8"});
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "key" + std::to_string(i % 50) + "|" + std::to_string(i) + "\n";
  CHECK(skald({"pub", "keyed", "--key-separator", "|", "--compression", "lz4"}, text).exit_code == 0);
  std::istringstream lines(contents("keyed", "%k %p %v"));
  std::map<std::string, std::pair<int, int>> last;  // by key: partition and value
  std::map<int, int> per_partition;
  std::string key;
  int count = 0;
  for (int partition = 0, value = 0; lines >> key >> partition >> value;
       ++count, ++per_partition[partition]) {
    const auto [before, first] = last.try_emplace(key, partition, -1);
    CHECK(before->second.first == partition);
    CHECK(before->second.second < value);
    before->second.second = value;
  }
  CHECK(count == 5000);
  CHECK(per_partition.size() > 1);
}

TEST_CASE("raw input is one record, whatever is in it") {
  create_topic("raw");
  const std::string bytes = "\0binary\nwith lines\xff"s;
  CHECK(skald({"pub", "raw", "--input", "raw"}, bytes).exit_code == 0);
  CHECK(contents("raw", "raw") == bytes);
}

TEST_CASE("json goes round exactly: headers, absent keys, tombstones, any bytes") {
  create_topic("json.a", {"--partitions", "2"});
  create_topic("json.b", {"--partitions", "2"});
  const std::string input =
      R"({"key":"k","value":"v","headers":[{"key":"h","value":"1"},{"key":"h","value":null}],"timestamp":5,"partition":1})"
      "\n"
      R"({"key_base64":"/w==","value_base64":"AP8=","partition":1,"timestamp":"2020-01-01T00:00:00.123Z"})"
      "\n\n"
      R"({"key":null,"value":null,"partition":1})"
      "\n"
      R"({"key":"","value":"","partition":1})"
      "\n";
  CHECK(skald({"pub", "json.a", "--input", "json"}, input).exit_code == 0);
  const std::string first = contents("json.a", "json");
  CHECK(std::ranges::count(first, '\n') == 4);
  CHECK(skald({"pub", "json.b", "--input", "json"}, first).exit_code == 0);
  std::string second = contents("json.b", "json");
  for (std::size_t at; (at = second.find("json.b")) != std::string::npos;) second.replace(at, 6, "json.a");
  CHECK(second == first);
}

TEST_CASE("a line is sent and shown while the input stays open") {
  create_topic("live");
  running_skald sub({"sub", "live", "--from", "earliest"});
  running_skald pub({"pub", "live"});
  REQUIRE(pub.write("first\n"));
  CHECK(sub.wait_output("first\n"));
  REQUIRE(pub.write("second\nthi"));
  CHECK(sub.wait_output("second\n"));
  REQUIRE(pub.write("rd"));
  CHECK(pub.wait().exit_code == 0);
  CHECK(sub.wait_output("third\n"));
  sub.send_signal(SIGINT);
  const process_result ended = sub.wait();
  CHECK(ended.exit_code == 130);
  CHECK(ended.output == "first\nsecond\nthird\n");
  CHECK(ended.errors == "");
}

TEST_CASE("a publish that fails midway says which lines were acknowledged") {
  create_topic("midway", {"--max-record-bytes", "1KiB"});
  std::string text;
  for (int line = 1; line <= 4096; ++line) text += "line " + std::to_string(line) + "\n";
  text += std::string(2000, 'x') + "\nnever sent\n";
  const process_result ended = skald({"pub", "midway"}, text);
  CHECK(ended.exit_code == 4);
  CHECK(ended.errors ==
        "skald: midway: standard input: lines 1-4,096 acknowledged; line 4,097: longer than the limit of 1 "
        "KiB\n");
  CHECK(json::parse(skald({"topic", "describe", "midway", "--output", "json"}).output).at("records") == 4096);

  const process_result reported = skald({"pub", "midway", "--output", "json"}, text);
  CHECK(reported.exit_code == 4);
  const json::value report = json::parse(reported.output);
  CHECK(json::serialize(report.at("acknowledged_lines")) == "[[1,4096]]");
  CHECK(report.at("failed").at("first_line") == 4097);
}

TEST_CASE("a record that is too large only with its key and headers is named, too") {
  create_topic("large", {"--max-record-bytes", "1KiB"});
  const process_result ended = skald({"pub", "large", "--key", std::string(600, 'k')}, std::string(600, 'v'));
  CHECK(ended.exit_code == 1);
  CHECK(contains(ended.errors,
                 "large: standard input: line 1: the record has 1.1 KiB, more than the 1 KiB that"));
  CHECK(contains(ended.errors, "nothing was acknowledged"));
}

TEST_CASE("a bad line of JSON ends the publish at that line") {
  create_topic("badjson");
  const process_result ended =
      skald({"pub", "badjson", "--input", "json"}, "{\"value\":\"a\"}\n\n{\"vlaue\":\"b\"}\n");
  CHECK(ended.exit_code == 4);
  CHECK(contains(ended.errors, "line 1 acknowledged; line 3: has an unknown field 'vlaue'"));
  CHECK(contents("badjson") == "a\n");
}

TEST_CASE("what cannot be published at all says so") {
  create_topic("refused", {"--partitions", "2"});
  const process_result separator = skald({"pub", "refused", "--key-separator", "|"}, "none\n");
  CHECK(separator.exit_code == 1);
  CHECK(contains(separator.errors,
                 "refused: standard input: line 1: no key separator '|' in it; nothing was acknowledged"));
  const process_result partition = skald({"pub", "refused", "m", "--partition", "2"});
  CHECK(partition.exit_code == 1);
  CHECK(contains(partition.errors,
                 "message 1: there is no partition 2; topic 'refused' has the partitions 0 to 1"));
  const process_result missing = skald({"pub", "refused", "--file", "/nowhere/at/all"});
  CHECK(missing.exit_code == 1);
  CHECK(missing.errors == "skald: cannot open /nowhere/at/all: No such file or directory\n");
  const process_result directory = skald({"pub", "refused", "--file", "/"});
  CHECK(directory.exit_code == 1);
  CHECK(contains(directory.errors, "refused: /: cannot read: Is a directory"));
}

TEST_CASE("a full topic refuses what does not fit and says what was acknowledged") {
  create_topic("full", {"--max-bytes", "64KiB"});
  std::string text;
  for (int line = 0; line < 20'000; ++line) text += std::string(100, 'x') + "\n";
  const process_result ended = skald({"pub", "full"}, text);
  CAPTURE(ended.errors);
  CHECK((ended.exit_code == 4 || ended.exit_code == 1));
  CHECK(contains(ended.errors, "full"));
  const auto stored =
      json::parse(skald({"topic", "describe", "full", "--output", "json"}).output).at("records");
  CHECK(stored.to_number<int>() < 20'000);
}

TEST_CASE("an interrupted publish flushes what it read and says what that was") {
  create_topic("interrupted");
  running_skald pub({"pub", "interrupted"});
  running_skald sub({"sub", "interrupted", "--from", "earliest", "--count", "2"});
  REQUIRE(pub.write("one\ntwo\nthr"));
  CHECK(sub.wait().exit_code == 0);
  pub.send_signal(SIGINT);
  REQUIRE(pub.wait_errors("acknowledged\n"));  // while the input is open: its end would be another story
  const process_result ended = pub.wait();
  CHECK(ended.exit_code == 130);
  CHECK(ended.errors == "skald: interrupted: interrupted; lines 1-2 acknowledged\n");
  CHECK(contents("interrupted") == "one\ntwo\n");
}

TEST_CASE("to programs, an interruption has failed at no line") {
  create_topic("interrupted.json");
  running_skald pub({"pub", "interrupted.json", "--output", "json"});
  running_skald sub({"sub", "interrupted.json", "--from", "earliest", "--count", "1"});
  REQUIRE(pub.write("one\n"));
  CHECK(sub.wait().exit_code == 0);
  pub.send_signal(SIGINT);
  REQUIRE(pub.wait_output("\n"));
  const process_result ended = pub.wait();
  CHECK(ended.exit_code == 130);
  const auto failed = json::parse(ended.output).at("failed");
  CHECK(failed.at("first_line").is_null());
  CHECK(failed.at("last_line").is_null());
  CHECK(failed.at("message") == "interrupted");
}

TEST_CASE("a subscription says when the broker is gone, and when it is back") {
  const scratch_directory directory;
  skaldd_process broker(SKALDD_PROGRAM, directory.path() / "data");
  const auto run = [&](const arguments& given) {
    return run_process(SKALD_PROGRAM, given, {}, broker_environment(broker));
  };
  REQUIRE(run({"topic", "create", "t"}).exit_code == 0);
  REQUIRE(run({"pub", "t", "before"}).exit_code == 0);
  running_skald sub({"sub", "t", "--from", "earliest", "--count", "2"}, broker);
  REQUIRE(sub.wait_output("before\n"));
  broker.kill();
  REQUIRE(sub.wait_errors("skald: no connection: "));
  REQUIRE(sub.wait_errors("; trying again until there is one\n"));
  broker.start();
  REQUIRE(sub.wait_errors("skald: connected to " + broker.address() + " again\n"));
  REQUIRE(run({"pub", "t", "after"}).exit_code == 0);
  const process_result ended = sub.wait();
  CHECK(ended.exit_code == 0);
  CHECK(ended.output == "before\nafter\n");
}

TEST_CASE("a broker that dies midway is a partial publish") {
  const scratch_directory directory;
  skaldd_process broker(SKALDD_PROGRAM, directory.path() / "data");
  CHECK(run_process(SKALD_PROGRAM, {"topic", "create", "t"}, {}, broker_environment(broker)).exit_code == 0);
  running_skald sub({"sub", "t", "--from", "earliest"}, broker);
  running_skald pub({"pub", "t", "--timeout", "1s"}, broker);
  // The second line travels once the first is acknowledged; whether it is itself before the kill is open.
  REQUIRE(pub.write("one\n"));
  REQUIRE(sub.wait_output("one\n"));
  REQUIRE(pub.write("two\n"));
  REQUIRE(sub.wait_output("two\n"));
  broker.kill();
  pub.write("three\n");
  REQUIRE(pub.wait_errors("\n"));  // at once, though the input is still open
  const process_result ended = pub.wait();
  CAPTURE(ended.errors);
  CHECK(ended.exit_code == 4);
  CHECK((contains(ended.errors, "line 1 acknowledged; line") ||
         contains(ended.errors, "lines 1-2 acknowledged; line 3: ")));
}

TEST_CASE("the end of the output's reader ends a subscription quietly, even one that waits") {
  create_topic("head");
  skald({"pub", "head", "one"});
  running_skald sub({"sub", "head", "--from", "earliest"});
  REQUIRE(sub.wait_output("one\n"));
  sub.close_output();
  const process_result ended = sub.wait();
  CHECK(ended.exit_code == 141);
  CHECK(ended.errors == "");
}

TEST_CASE("output that cannot be written is an error") {
  create_topic("devfull");
  skald({"pub", "devfull", "one"});
  const process_result ended = run_process(
      "/bin/sh", {"-c", "exec " SKALD_PROGRAM " sub devfull --from earliest --no-follow >/dev/full"}, {},
      broker_environment(shared_broker()));
  CHECK(ended.exit_code == 1);
  CHECK(ended.errors == "skald: cannot write the output: No space left on device\n");
}

TEST_CASE("SIGTERM ends a subscription with 143") {
  create_topic("term");
  skald({"pub", "term", "one"});
  running_skald sub({"sub", "term", "--from", "earliest"});
  REQUIRE(sub.wait_output("one\n"));
  sub.send_signal(SIGTERM);
  CHECK(sub.wait().exit_code == 143);
}

TEST_CASE("a subscription starts where it is told") {
  create_topic("from", {"--partitions", "2"});
  skald({"pub", "from", "-p", "0", "--timestamp", "2020-01-01T00:00:00Z"}, "a0\na1\na2\n");
  skald({"pub", "from", "-p", "1", "--timestamp", "2021-01-01T00:00:00Z"}, "b0\nb1\n");
  const auto read = [](arguments more) {
    arguments all{"sub", "from", "--no-follow"};
    all.insert(all.end(), more.begin(), more.end());
    const process_result ended = skald(all);
    CHECK_MESSAGE(ended.exit_code == 0, ended.errors);
    std::vector<std::string> lines;
    std::istringstream text(ended.output);
    for (std::string line; std::getline(text, line);) lines.push_back(line);
    std::ranges::sort(lines);
    return lines;
  };
  using lines = std::vector<std::string>;
  CHECK(read({"--from", "earliest"}) == lines{"a0", "a1", "a2", "b0", "b1"});
  CHECK(read({"--from", "latest"}) == lines{});
  CHECK(read({}) == lines{});
  CHECK(read({"--from", "1"}) == lines{"a1", "a2", "b1"});
  CHECK(read({"--from", "2020-06-01T00:00:00Z"}) == lines{"b0", "b1"});
  CHECK(read({"--from", "@1577836800000"}).size() == 5);
  CHECK(read({"--from", "-1h"}) == lines{});
  CHECK(read({"--from", "-5000w"}).size() == 5);
  CHECK(read({"--from", "earliest", "--partition", "1"}) == lines{"b0", "b1"});
  CHECK(read({"--from", "earliest", "--partition", "1,0,1"}).size() == 5);
  CHECK(read({"--from", "earliest", "--count", "3"}).size() == 3);
  CHECK(read({"--from", "earliest", "--count", "0"}) == lines{});
  const process_result missing = skald({"sub", "from", "--partition", "7", "--from", "earliest"});
  CHECK(missing.exit_code == 1);
  CHECK(contains(missing.errors, "7"));
}

TEST_CASE("--no-follow ends with what was there, also when there is nothing") {
  create_topic("empty", {"--partitions", "3"});
  CHECK(contents("empty") == "");
}

TEST_CASE("the broker sends only what is asked for by key or header") {
  create_topic("chosen", {"--partitions", "3"});
  skald({"pub", "chosen", "--key-separator", "|", "-H", "kind=new"}, "eu-1|a\neu-2|b\nus-1|c\neu-1|d\n");
  skald({"pub", "chosen", "--key-separator", "|", "--compression", "zstd", "-H", "kind=old", "-H", "x=y"},
        "eu-1|e\nus-1|f\n");
  const auto chosen = [](arguments more) {
    arguments all{"sub", "chosen", "--from", "earliest", "--no-follow", "--timeout", "5s"};
    all.insert(all.end(), more.begin(), more.end());
    const process_result ended = skald(all);
    CHECK_MESSAGE(ended.exit_code == 0, ended.errors);
    std::string values = ended.output;
    std::erase(values, '\n');
    std::ranges::sort(values);
    return values;
  };
  CHECK(chosen({"--key", "eu-1"}) == "ade");
  CHECK(chosen({"--key-prefix", "eu-"}) == "abde");
  CHECK(chosen({"--header", "kind=old"}) == "ef");
  CHECK(chosen({"--key-prefix", "us", "-H", "kind=old", "-H", "x=y"}) == "f");
  CHECK(chosen({"--key", "nobody"}) == "");
  CHECK(chosen({"-H", "kind=neither"}) == "");
  CHECK(chosen({"--key", "us-1", "--count", "1"}) == "c");
  CHECK(skald({"sub", "chosen", "--header", "kind"}).exit_code == 2);
}

TEST_CASE("durability memory is acknowledged, too") {
  create_topic("memory");
  CHECK(skald({"pub", "memory", "--durability", "memory"}, "a\nb\n").exit_code == 0);
  CHECK(contents("memory") == "a\nb\n");
}

TEST_CASE(
    "a publisher that slept while another took its name is refused, where the other has written nothing") {
  create_topic("fenced", {"--partitions", "2"});
  running_skald zombie({"pub", "fenced", "-p", "0", "--producer", "feed"});
  running_skald seen({"sub", "fenced", "--from", "earliest", "--format", "%p %v"});
  REQUIRE(zombie.write("before\n"));
  REQUIRE(seen.wait_output("0 before\n"));
  zombie.send_signal(SIGSTOP);
  REQUIRE(zombie.write("too late\n"));
  const process_result taker = skald({"pub", "fenced", "-p", "1", "--producer", "feed", "after"});
  CHECK_MESSAGE(taker.exit_code == 0, taker.errors);
  zombie.send_signal(SIGCONT);
  const process_result ended = zombie.wait();
  CHECK(ended.exit_code == 4);
  CHECK_MESSAGE(contains(ended.errors,
                         "line 1 acknowledged; line 2: another producer has taken over the name "
                         "'feed'"),
                ended.errors);
  CHECK(contains(ended.errors, "this instance of it has to stop"));
  REQUIRE(seen.wait_output("1 after\n"));
  seen.send_signal(SIGINT);
  seen.wait();
  const std::string all = contents("fenced", "%p %v");
  CHECK(contains(all, "0 before\n"));
  CHECK(contains(all, "1 after\n"));
  CHECK_FALSE(contains(all, "too late"));
}

TEST_CASE("a producer's name that cannot be, or goes with what it is not for, is a usage error") {
  create_topic("named");
  const process_result bad = skald({"pub", "named", "--producer", "no spaces", "x"});
  CHECK(bad.exit_code == 2);
  CHECK(contains(bad.errors, "the name of a producer has 1 to 249 characters"));
  const process_result both = skald({"pub", "named", "--producer", "feed", "--message-id", "7", "x"});
  CHECK(both.exit_code == 2);
  CHECK(contains(both.errors, "--producer is not for records with a time, an id or a version"));
}

}  // namespace
}  // namespace skald::tests
