// What skaldd says and returns when it is started, refused, stopped, or asked to look into its data.
#include <doctest/doctest.h>

#include <csignal>
#include <fstream>

#include "tests/broker/server/raw_client.hpp"
#include "tests/system/support/skaldd_process.hpp"

namespace skald::tests {

namespace {

using server::test::make_batch;
using server::test::raw_client;

const std::string program = SKALDD_PROGRAM;

raw_client connect(const skaldd_process& to) {
  raw_client made(to.port());
  made.greet();
  return made;
}

process_result start(const std::filesystem::path& directory, std::vector<std::string> more = {}) {
  std::vector<std::string> arguments{"--data-dir", directory.string(), "--listen", "127.0.0.1:0"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run_process(program, arguments);
}

}  // namespace

TEST_CASE("it stops on SIGTERM and on SIGINT with exit code 0, telling its clients") {
  for (const int signal : {SIGTERM, SIGINT}) {
    const scratch_directory in;
    skaldd_process broker(program, in.path());
    raw_client client = connect(broker);
    broker.process().send_signal(signal);
    CHECK(client.reason() == errc::shutting_down);
    client.close();
    const process_result ended = broker.process().wait();
    CHECK(ended.exit_code == 0);
    CHECK(ended.errors.find(signal == SIGINT ? "SIGINT" : "SIGTERM") != std::string::npos);
  }
}

TEST_CASE("a publish that was accepted is answered before a stop, and kept") {
  const scratch_directory in;
  skaldd_process broker(program, in.path());
  raw_client client = connect(broker);
  client.create("orders");
  REQUIRE(client.send_publish(10, "orders", 0, make_batch({"first"})));
  client.answer(10);
  for (std::uint64_t id = 11; id < 60; ++id) client.send_publish(id, "orders", 0, make_batch({"more"}));
  broker.process().send_signal(SIGTERM);
  std::size_t acknowledged = 1;
  while (const auto is = client.receive()) acknowledged += is->type() == wire::Body::PublishOk ? 1 : 0;
  client.close();
  CHECK(broker.process().wait().exit_code == 0);
  broker.start();
  raw_client again = connect(broker);
  again.subscribe("orders", 1u << 20);
  CHECK(again.values(acknowledged).front() == "first");
}

TEST_CASE("a data directory that is in use is refused, naming the process") {
  const scratch_directory in;
  skaldd_process broker(program, in.path());
  const process_result refused = start(in.path());
  CHECK(refused.exit_code == 1);
  CHECK(refused.errors.find("in use by process " + std::to_string(broker.process().id())) !=
        std::string::npos);
  CHECK(run_process(program, {"verify", "--data-dir", in.path().string()}).exit_code == 1);
}

TEST_CASE("a port that is in use is refused") {
  const scratch_directory first;
  const scratch_directory second;
  skaldd_process broker(program, first.path());
  const process_result refused =
      run_process(program, {"--data-dir", second.path().string(), "--listen", broker.address()});
  CHECK(refused.exit_code == 1);
  CHECK(refused.errors.find(broker.address()) != std::string::npos);
  CHECK(refused.errors.find("another program has that port") != std::string::npos);
}

TEST_CASE("a data directory that a newer skald wrote is refused") {
  const scratch_directory in;
  std::ofstream(in.path() / "FORMAT") << "skald 1000\nbroker abc\n";
  const process_result refused = start(in.path());
  CHECK(refused.exit_code == 1);
  CHECK(refused.errors.find("newer skald") != std::string::npos);
}

TEST_CASE("a data directory that cannot be written or made is refused") {
  // /proc lets nobody make a file, root neither.
  const process_result unwritable = start("/proc/self");
  CHECK(unwritable.exit_code == 1);
  CHECK(unwritable.errors.find("cannot write in the data directory") != std::string::npos);
  const process_result unmakeable = start("/proc/skald/data");
  CHECK(unmakeable.exit_code == 1);
  CHECK(unmakeable.errors.find("cannot make the data directory") != std::string::npos);
}

TEST_CASE("a mistake in the configuration ends with 2 and its place") {
  const scratch_directory in;
  const auto file = in.path() / "skald.toml";
  std::ofstream(file) << "data_dir = \"" << in.path().string() << "/data\"\nthreads = \"many\"\n";
  const process_result refused = run_process(program, {"--config", file.string()});
  CHECK(refused.exit_code == 2);
  CHECK(refused.errors.find(file.string() + ":2:11: threads") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(in.path() / "data"));

  const process_result unknown = run_process(program, {"--no-such-flag"});
  CHECK(unknown.exit_code == 2);
  CHECK(unknown.errors == "skaldd: unexpected argument '--no-such-flag'; see skaldd --help\n");
  CHECK(start(in.path(), {"--listen", "0.0.0.0:0"}).exit_code == 2);
}

TEST_CASE("--check-config prints what is in effect and starts nothing") {
  const scratch_directory in;
  const process_result shown =
      run_process(program, {"--check-config", "--data-dir", (in.path() / "data").string()}, "",
                  {"SKALD_SEGMENT_BYTES=64MiB"});
  CHECK(shown.exit_code == 0);
  CHECK(shown.output.find("segment_bytes = \"64MiB\"") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(in.path() / "data"));
}

TEST_CASE("its log is one JSON object a line when asked for") {
  const scratch_directory in;
  child_process broker(program,
                       {"--data-dir", in.path().string(), "--listen", "127.0.0.1:0", "--log-format", "json"});
  REQUIRE(broker.wait_errors("is ready on"));
  broker.send_signal(SIGTERM);
  const process_result ended = broker.wait();
  CHECK(ended.exit_code == 0);
  CHECK(ended.errors.starts_with("{\"time\":\""));
  CHECK(ended.errors.find("\"level\":\"info\"") != std::string::npos);
}

TEST_CASE("verify finds nothing wrong with what a killed broker left, and dump shows it") {
  const scratch_directory in;
  {
    skaldd_process broker(program, in.path());
    raw_client client = connect(broker);
    client.create("orders", 2);
    client.publish("orders", make_batch({"a", "b"}));
    broker.kill();
  }
  const process_result verified = run_process(program, {"verify", "--data-dir", in.path().string()});
  CHECK(verified.exit_code == 0);
  CHECK(verified.output.find("1 topics, 2 partitions, 1 batches with 2 records") != std::string::npos);
  const process_result dumped =
      run_process(program, {"dump", "--data-dir", in.path().string(), "--output", "json", "topics"});
  CHECK(dumped.exit_code == 0);
  CHECK(dumped.output.find("\"orders\"") != std::string::npos);
  CHECK(run_process(program, {"dump", "--data-dir", (in.path() / "none").string()}).exit_code == 1);
  const process_result unknown = run_process(program, {"dump", "--data-dir", in.path().string(), "topic"});
  CHECK(unknown.exit_code == 2);
  CHECK(unknown.errors.starts_with("skaldd: SECTION: 'topic' is none of meta, topics, "));
  CHECK(unknown.errors.ends_with("; see skaldd dump --help\n"));
}

}  // namespace skald::tests
