// What `skald bench` does when it cannot do what was asked, or not to the end.
#include <csignal>
#include <cstdlib>

#include "tests/tools/bench/bench_scene.hpp"

namespace skald::tests {
namespace {

TEST_CASE("a broker that does not answer is named, with exit code 3") {
  const process_result ended = run_process(SKALD_PROGRAM, {"-b", "127.0.0.1:1", "bench", "publish"});
  CHECK(ended.exit_code == 3);
  CHECK(contains(ended.errors, "127.0.0.1:1"));
  CHECK(ended.output == "");
}

TEST_CASE("a topic that exists is not touched, unless that is wanted") {
  create_topic("t.taken");
  const process_result refused = skald(bench("publish", {"--topic", "t.taken", "--count", "10"}));
  CHECK(refused.exit_code == 1);
  CHECK(contains(refused.errors, "topic 't.taken' exists already"));
  CHECK(contains(refused.errors, "--existing"));
  CHECK(contents("t.taken") == "");
  CHECK(bench_report("publish", {"--topic", "t.taken", "--existing", "--count", "10"})
            .at("verified")
            .at("records") == 10);
  CHECK(json::parse(skald({"topic", "describe", "t.taken", "--output", "json"}).output).at("records") == 10);
  const process_result unusable = skald(bench("queue", {"--topic", "t.taken", "--count", "10"}));
  CHECK(unusable.exit_code == 1);
  CHECK(contains(unusable.errors, "give another name, or none"));
}

TEST_CASE("a topic that was to exist and does not is named") {
  const process_result ended = skald(bench("consume", {"--topic", "t.nowhere", "--existing"}));
  CHECK(ended.exit_code == 1);
  CHECK(contains(ended.errors, "'t.nowhere'"));
}

TEST_CASE("a topic without records cannot be consumed") {
  create_topic("t.void");
  const process_result ended = skald(bench("consume", {"--topic", "t.void", "--existing"}));
  CHECK(ended.exit_code == 1);
  CHECK(contains(ended.errors, "topic 't.void' has no records to consume"));
}

TEST_CASE("a disk that is too small is found before anything is written") {
  const std::int64_t before = records_in(shared_broker());
  const process_result ended = skald(bench("consume", {"--count", "1000000000", "--size", "16MiB"}));
  CHECK(ended.exit_code == 1);
  CHECK(contains(ended.errors, "free, and this benchmark may need 14"));
  CHECK(records_in(shared_broker()) == before);
}

TEST_CASE("a file or a directory that cannot be used is named, and no broker stays") {
  const scratch_directory in;
  const std::string parent = in.path().string();
  const process_result file =
      run_process(SKALD_PROGRAM, bench("publish", {"--file", parent + "/none", "--dir", parent}));
  CHECK(file.exit_code == 1);
  CHECK(contains(file.errors, parent + "/none"));
  CHECK(std::filesystem::is_empty(in.path()));
  const process_result directory = run_process(SKALD_PROGRAM, bench("publish", {"--dir", parent + "/none"}));
  CHECK(directory.exit_code == 1);
  CHECK(contains(directory.errors, "--dir"));
}

TEST_CASE("a broker that goes away fails the run, whose results are marked as partial") {
  const scratch_directory in;
  skaldd_process broker(SKALDD_PROGRAM, in.path() / "data");
  running_skald running(bench("publish", {"--duration", "1h", "--rate", "1000", "--timeout", "1s"}), broker);
  REQUIRE(eventually([&] { return records_in(broker) > 0; }));
  broker.kill();
  const process_result ended = running.wait();
  CHECK(ended.exit_code == 1);
  CHECK(contains(ended.errors, "skald: bench: "));
  const json::value report = json::parse(ended.output);
  CHECK(report.at("status") == "failed");
  CHECK_FALSE(report.at("error").is_null());
}

// A disk that nobody else writes to, so that it is full when the test says so: in memory.
struct quiet_disk {
  static constexpr const char* parent = "/dev/shm";
  quiet_disk() {
    std::string name = std::string(parent) + "/skald-test-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~quiet_disk() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

TEST_CASE("a disk that fills up while it runs fails the run, and what was measured is marked as partial") {
  const quiet_disk disk;
  const std::uintmax_t free = std::filesystem::space(quiet_disk::parent).available;
  constexpr std::uintmax_t wanted = std::uintmax_t{2} << 30;  // what the benchmark itself asks for, and more
  if (free < wanted) {
    MESSAGE("not tested: ", quiet_disk::parent, " has less than 2 GiB");
    return;
  }
  constexpr std::uintmax_t room = 96u << 20;
  skaldd_process broker(SKALDD_PROGRAM, disk.path / "data",
                        {"--segment-bytes", "8MiB", "--reserve-bytes", std::to_string(free - room)});
  running_skald running(bench("publish", {"--duration", "1h", "--timeout", "1s"}), broker);
  const process_result ended = running.wait();
  CHECK(ended.exit_code == 1);
  CHECK(contains(ended.errors, "no room on disk"));
  const json::value report = json::parse(ended.output);
  CHECK(report.at("status") == "failed");
  CHECK(report.at("records").to_number<std::int64_t>() > 0);
  CHECK(contains(report.at("error").as_string(), "no room on disk"));
  const process_result topics =
      run_process(SKALD_PROGRAM, {"topic", "list", "--names"}, {}, broker_environment(broker));
  CHECK(topics.output == "");
}

struct interruption {
  int signal;
  int exit_code;
};

TEST_CASE("an interrupted run says what it measured, and leaves nothing behind") {
  for (const interruption& each : {interruption{SIGINT, 130}, {SIGTERM, 143}}) {
    for (const char* workload : {"publish", "pubsub", "queue", "saga"}) {
      CAPTURE(workload);
      const std::int64_t before = records_in(shared_broker());
      running_skald running(bench(workload, {"--duration", "1h", "--rate", "100"}));
      // More than all sagas that may be under way have: one has ended.
      const std::int64_t enough = workload == std::string_view("saga") ? 1000 : 20;
      REQUIRE(eventually([&] { return records_in(shared_broker()) > before + enough; }));
      running.send_signal(each.signal);
      const process_result ended = running.wait();
      CHECK(ended.exit_code == each.exit_code);
      const json::value report = json::parse(ended.output);
      CHECK(report.at("status") == "interrupted");
      CHECK(report.at("records").to_number<std::int64_t>() > 0);
      CHECK(report.at("latency_us").at("count").to_number<std::int64_t>() > 0);
      CHECK_FALSE(left_topics());
    }
  }
}

TEST_CASE("requests are interrupted as well, however long their turn is away") {
  running_skald running(bench("request", {"--duration", "1h", "--rate", "1"}));
  REQUIRE(eventually([] { return contains(skald({"service", "list", "--names"}).output, "skald-bench-"); }));
  running.send_signal(SIGINT);
  CHECK(running.wait().exit_code == 130);
  CHECK_FALSE(contains(skald({"service", "list", "--names"}).output, "skald-bench-"));
}

TEST_CASE("the limit is this machine's, and needs room") {
  const process_result elsewhere =
      run_process(SKALD_PROGRAM, {"-b", "192.0.2.1:7411", "bench", "publish", "--limit"});
  CHECK(elsewhere.exit_code == 2);
  CHECK(contains(elsewhere.errors,
                 "--limit measures this machine, and the broker at 192.0.2.1:7411 is on another"));
  const process_result nowhere = skald({"bench", "publish", "--limit", "--dir", "/nowhere"});
  CHECK(nowhere.exit_code == 1);
  CHECK(contains(nowhere.errors, "/nowhere"));
}

TEST_CASE("interrupted or killed while the limit is measured, nothing stays") {
  for (const int signal : {SIGINT, SIGKILL}) {
    CAPTURE(signal);
    const scratch_directory in;
    running_skald running(bench("publish", {"--duration", "1h", "--limit", "--dir", in.path().string()}));
    REQUIRE(eventually([&] { return !std::filesystem::is_empty(in.path()); }));
    running.send_signal(signal);
    CHECK(running.wait().exit_code == 128 + signal);
    CHECK(eventually([&] { return std::filesystem::is_empty(in.path()); }));
  }
}

// A run on a broker of its own in this directory, which has begun.
struct embedded_run : child_process {
  explicit embedded_run(const std::filesystem::path& parent)
      : child_process(SKALD_PROGRAM, bench("publish", {"--duration", "1h", "--dir", parent.string()})) {
    REQUIRE(eventually([&] {
      const std::filesystem::directory_iterator made(parent);
      return made != std::filesystem::directory_iterator() && std::filesystem::exists(made->path() / "data");
    }));
  }
};

TEST_CASE("interrupted, it takes its own broker along") {
  const scratch_directory in;
  embedded_run running(in.path());
  running.send_signal(SIGINT);
  const process_result ended = running.wait();
  CHECK(ended.exit_code == 130);
  CHECK(eventually([&] { return std::filesystem::is_empty(in.path()); }));
}

TEST_CASE("killed, its own broker notices, and removes its data alone") {
  const scratch_directory in;
  embedded_run running(in.path());
  running.send_signal(SIGKILL);
  running.wait();
  CHECK(eventually([&] { return std::filesystem::is_empty(in.path()); }));
}

}  // namespace
}  // namespace skald::tests
