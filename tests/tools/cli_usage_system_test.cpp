// What `skald` says when it cannot do what was asked: exit codes and error lines.
#include <csignal>

#include "tests/tools/cli_scene.hpp"

namespace skald::tests {
namespace {

struct mistake {
  arguments given;
  const char* said;
};

TEST_CASE("every mistake on the command line is named, with exit code 2") {
  const mistake mistakes[] = {
      {{"pub", "a", "m", "--partition", "-1"},
       "--partition: '-1' is not a whole number; see skald pub --help"},
      {{"sub", "a", "--partition", "0,-1"}, "--partition: '-1' is not a whole number; "},
      {{}, "skald: a command is required; see skald --help\n"},
      {{"frobnicate"}, "skald: there is no command 'frobnicate'; see skald --help\n"},
      {{"topic", "make"}, "skald: there is no command 'make'; see skald topic --help\n"},
      {{"status", "--frob"}, "skald: unexpected argument '--frob'; see skald status --help\n"},
      {{"topic", "create", "a", "b"}, "skald: unexpected argument 'b'; see skald topic create --help\n"},
      {{"--frob", "status"}, "see skald"},
      {{"topic"}, "skald: a command is required; see skald topic --help\n"},
      {{"topic", "create"}, "skald: NAME is required; see skald topic create --help\n"},
      {{"topic", "create", "a", "--partitions", "0"},
       "--partitions: 0 is out of range; it must be from 1 to 4294967295; see skald topic create --help\n"},
      {{"topic", "create", "a", "--partitions", "99999999999999999999"},
       "--partitions: 99999999999999999999 is out of"},
      {{"topic", "create", "a", "--partitions", "x"}, "--partitions: 'x' is not a whole number; "},
      {{"topic", "create", "a", "--retention", "7"}, "--retention: duration '7' lacks a unit; "},
      {{"topic", "create", "a", "--retention-bytes", "1XB"},
       "--retention-bytes: size '1XB' has an unknown unit 'XB'; "},
      {{"topic", "create", "a", "--max-bytes", ""}, "--max-bytes: size '' is not a number; "},
      {{"topic", "create", "a", "--max-record-bytes", "8GiB"}, "is not between 1 and 4 GiB"},
      {{"topic", "create", "a", "--max-batch-bytes", "unlimited"}, "size 'unlimited' is not a number"},
      {{"topic", "alter", "a"}, "skald: a setting is required; see skald topic alter --help\n"},
      {{"pub"}, "skald: TOPIC is required; see skald pub --help\n"},
      {{"pub", "a", "--input", "xml"}, "--input: 'xml' is none of json, lines, raw; "},
      {{"pub", "a", "--compression", "gzip"}, "--compression: 'gzip' is none of lz4, none, zstd; "},
      {{"pub", "a", "--durability", "quorum"}, "--durability: 'quorum' is none of disk, memory; "},
      {{"pub", "a", "--timestamp", "noon"},
       "--timestamp: timestamp 'noon' is not a date and time with a zone; "},
      {{"pub", "a", "m", "--file", "f"}, "pub: MESSAGE and --file are two inputs; give one"},
      {{"pub", "a", "m", "--input", "json"}, "pub: MESSAGE is published as it is; "},
      {{"pub", "a", "-k", "x", "--key-separator", "y"}, "pub: --key and --key-separator exclude each other"},
      {{"pub", "a", "--input", "raw", "--key-separator", "y"}, "pub: --key-separator is for --input lines"},
      {{"pub", "a", "m", "--header", "novalue"}, "--header: 'novalue' is not KEY=VALUE"},
      {{"pub", "a", "m", "--header", "=v"}, "--header: '=v' is not KEY=VALUE"},
      {{"sub"}, "skald: TOPIC is required; see skald sub --help\n"},
      {{"sub", "a", "--from", "newest"},
       "--from: 'newest' is no place to start from; write earliest, latest, "},
      {{"sub", "a", "--format", "%q"}, "--format: unknown escape '%q' at position 1; "},
      {{"sub", "a", "--queue", "q", "--group", "g"}, "--group"},
      {{"pub", "a", "m", "n", "--message-id", "i"}, "are of one record; give one MESSAGE"},
      {{"pub", "a", "m", "--expect-version", "x"}, "--expect-version: 'x' is not a whole number; "},
      {{"request"}, "skald: SUBJECT is required; see skald request --help\n"},
      {{"request", "a", "--header", "x"}, "--header: 'x' is not KEY=VALUE"},
      {{"request", "a", "--count", "2"}, "--count: it is for --all"},
      {{"request", "a", "--all", "--count", "0"}, "--count: "},
      {{"serve", "a"}, "skald: COMMAND is required; see skald serve --help\n"},
      {{"serve", "a", "--concurrency", "0", "--", "cat"}, "--concurrency: "},
      {{"serve", "a", "-m", "zone", "--", "cat"}, "--metadata: 'zone' is not KEY=VALUE"},
      {{"service"}, "skald: a command is required; see skald service --help\n"},
      {{"service", "info"}, "skald: SUBJECT is required; see skald service info --help\n"},
      {{"service", "ping", "a", "--count", "0"}, "--count: "},
      {{"sub", "a", "--format", "yaml"},
       "is neither text, json or raw nor a template such as '%k: %v'; see skald sub --help\n"},
      {{"sub", "a", "--partition", "x"}, "--partition: 'x' is not a whole number; "},
      {{"sub", "a", "--count", "-1"}, "--count: '-1' is not a whole number; "},
      {{"status", "--output", "yaml"}, "--output: 'yaml' is none of text, json; "},
      {{"status", "--timeout", "soon"}, "--timeout: duration 'soon'"},
      {{"status", "--timeout", "0"}, "--timeout: it must be more than 0; "},
      {{"doctor", "--patience", "long"}, "--patience: duration 'long'"},
      {{"doctor", "--metrics", "--forget", "a/b"}, "; see skald doctor --help"},
      {{"bench"}, "skald: a command is required; see skald bench --help\n"},
      {{"bench", "sprint"}, "there is no command 'sprint'"},
      {{"bench", "publish", "--size", "4KiB-1KiB"}, "--size: '4KiB-1KiB' goes from large to small"},
      {{"bench", "publish", "--consumers", "2"}, "unexpected argument '--consumers'"},
      {{"bench", "pubsub", "--size", "8B"}, "--size: records of pubsub need at least 24 B"},
      {{"bench", "pubsub", "--consumers", "3", "--partitions", "2"}, "3 consumers cannot share 2 partitions"},
      {{"bench", "publish", "--duration", "0"}, "--duration: it must be more than 0"},
      {{"bench", "publish", "--rate", "0"}, "--rate: 0 is out of range"},
      {{"bench", "publish", "--existing"}, "--existing is for --topic: say which"},
      {{"bench", "publish", "--durability", "quorum"}, "--durability: 'quorum' is none of disk, memory"},
      {{"ping", "--count", "0"}, "--count: 0 is out of range; it must be from 1 to 4294967295; "},
      {{"-b", "no port:x", "status"}, "no port:x"},
  };
  for (const mistake& each : mistakes) {
    const process_result ended = run_process(SKALD_PROGRAM, each.given);
    CAPTURE(each.said);
    CAPTURE(ended.errors);
    CHECK(ended.exit_code == 2);
    CHECK(ended.output == "");
    CHECK(ended.errors.starts_with("skald: "));
    CHECK(contains(ended.errors, each.said));
  }
}

TEST_CASE("--help and --version stand alone, without a broker") {
  for (const arguments& given : {arguments{"--help"},
                                 {"pub", "--help"},
                                 {"sub", "--help"},
                                 {"topic", "--help"},
                                 {"topic", "create", "--help"},
                                 {"topic", "list", "--help"},
                                 {"topic", "describe", "--help"},
                                 {"topic", "alter", "--help"},
                                 {"topic", "delete", "--help"},
                                 {"request", "--help"},
                                 {"serve", "--help"},
                                 {"service", "--help"},
                                 {"service", "list", "--help"},
                                 {"service", "info", "--help"},
                                 {"service", "ping", "--help"},
                                 {"service", "stats", "--help"},
                                 {"service", "watch", "--help"},
                                 {"doctor", "--help"},
                                 {"bench", "--help"},
                                 {"bench", "publish", "--help"},
                                 {"bench", "request", "--help"},
                                 {"status", "--help"},
                                 {"ping", "--help"}}) {
    const process_result ended = run_process(SKALD_PROGRAM, given);
    CAPTURE(given.front());
    CHECK(ended.exit_code == 0);
    CHECK(ended.errors == "");
    CHECK(contains(ended.output, "Example"));
  }
  CHECK(run_process(SKALD_PROGRAM, {"--version"}).output.starts_with("skald "));
}

TEST_CASE("without a broker every command exits with 3 and says how to start one") {
  // Port 1 needs privileges that no broker has.
  for (const arguments& command : {arguments{"status"},
                                   {"doctor"},
                                   {"ping"},
                                   {"topic", "list"},
                                   {"topic", "create", "a"},
                                   {"pub", "a", "m"},
                                   {"sub", "a"},
                                   {"request", "a", "m"},
                                   {"serve", "a", "--", "cat"},
                                   {"service", "list"},
                                   {"service", "watch"}}) {
    arguments given{"-b", "127.0.0.1:1"};
    given.insert(given.end(), command.begin(), command.end());
    const process_result ended = run_process(SKALD_PROGRAM, given);
    CAPTURE(command.front());
    CAPTURE(ended.errors);
    CHECK(ended.exit_code == 3);
    CHECK(ended.output == "");
    CHECK(ended.errors.starts_with("skald: "));
    CHECK(contains(ended.errors, "127.0.0.1:1"));
    CHECK(contains(ended.errors, "skaldd --data-dir DIR"));
    CHECK(contains(ended.errors, "SKALD_BROKER"));
  }
}

TEST_CASE("SKALD_BROKER names the broker, and -b wins over it") {
  const std::vector<std::string> nowhere{"SKALD_BROKER=127.0.0.1:1"};
  CHECK(run_process(SKALD_PROGRAM, {"ping"}, {}, nowhere).exit_code == 3);
  CHECK(run_process(SKALD_PROGRAM, {"ping", "-b", shared_broker().address()}, {}, nowhere).exit_code == 0);
  CHECK(skald({"ping"}).exit_code == 0);
}

TEST_CASE("an unknown topic is named, whatever is done with it") {
  for (const arguments& given : {arguments{"pub", "nowhere", "m"},
                                 {"sub", "nowhere"},
                                 {"sub", "nowhere", "--no-follow"},
                                 {"topic", "describe", "nowhere"},
                                 {"topic", "delete", "nowhere"},
                                 {"topic", "alter", "nowhere", "--partitions", "2"}}) {
    const process_result ended = skald(given);
    CAPTURE(given.front());
    CAPTURE(ended.errors);
    CHECK(ended.exit_code == 1);
    CHECK(ended.errors.starts_with("skald: "));
    CHECK(contains(ended.errors, "'nowhere'; create it with: skald topic create nowhere\n"));
  }
}

TEST_CASE("a broker that stops answering is a timeout, not a missing broker") {
  const scratch_directory directory;
  skaldd_process broker(SKALDD_PROGRAM, directory.path() / "data");
  running_skald ping({"ping", "--count", "1000000000", "--timeout", "500ms"}, broker);
  REQUIRE(ping.wait_output("answer from"));
  broker.process().send_signal(SIGSTOP);
  const process_result ended = ping.wait();
  broker.process().send_signal(SIGCONT);
  CAPTURE(ended.errors);
  CHECK(ended.exit_code == 5);
}

}  // namespace
}  // namespace skald::tests
