// Each workload, for a moment, on a real broker. Nothing here is about how fast it was.
#include <fstream>
#include <sstream>

#include "tests/tools/bench/bench_scene.hpp"

namespace skald::tests {
namespace {

void check_latency(const json::value& report) {
  const json::value& latency = report.at("latency_us");
  REQUIRE(latency.is_object());
  CHECK(latency.at("p50").to_number<double>() > 0);
  CHECK(latency.at("max").to_number<double>() >= latency.at("p99").to_number<double>());
}

TEST_CASE("publish counts what is acknowledged, and is what the topic then holds") {
  const json::value report = bench_report("publish", {"--count", "5000", "--size", "100B", "--producers", "2",
                                                      "--partitions", "3", "--topic", "t.kept", "--keep"});
  CHECK(report.at("verified").at("records") == 5000);
  CHECK(report.at("latency_us").at("count") == 5000);
  check_latency(report);
  CHECK(report.at("disk").at("fsyncs_per_s").to_number<double>() > 0);
  const json::value topic = json::parse(skald({"topic", "describe", "t.kept", "--output", "json"}).output);
  CHECK(topic.at("records") == 5000);
  CHECK(topic.at("partitions").as_array().size() == 3);
}

TEST_CASE("what a local broker costs is known, whoever has started it") {
  const json::value report = bench_report("publish", {"--count", "1000"});
  CHECK(report.at("broker_process").at("cpu_cores").is_double());
  CHECK(report.at("broker_process").at("memory_peak_bytes").to_number<double>() > 0);
  CHECK(report.at("client").at("memory_peak_bytes").to_number<double>() > 0);
}

TEST_CASE("pubsub delivers each record to one of the consumers") {
  const json::value report = bench_report(
      "pubsub", {"--count", "3000", "--producers", "2", "--consumers", "2", "--size", "24B-2KiB"});
  CHECK(report.at("verified").at("records") == 3000);
  CHECK(report.at("latency_us").at("count") == 3000);
  check_latency(report);
}

TEST_CASE("fanout delivers each record to every consumer") {
  const json::value report =
      bench_report("fanout", {"--count", "1000", "--consumers", "3", "--partitions", "2"});
  CHECK(report.at("verified").at("records") == 3000);
  check_latency(report);
}

TEST_CASE("a queue's records are all leased and acknowledged") {
  const json::value report =
      bench_report("queue", {"--count", "3000", "--consumers", "2", "--partitions", "2", "--size", "100B"});
  CHECK(report.at("verified").at("records") == 3000);
  check_latency(report);
}

TEST_CASE("requests are answered with what was asked") {
  const json::value report =
      bench_report("request", {"--count", "500", "--producers", "2", "--consumers", "2", "--in-flight", "4"});
  CHECK(report.at("verified").at("records") == 500);
  check_latency(report);
  CHECK(report.at("disk").at("written_bytes_per_payload_byte").is_null());
}

TEST_CASE("sagas are all completed, and their topics go") {
  const json::value report =
      bench_report("saga", {"--count", "100", "--producers", "2", "--in-flight", "20", "--partitions", "2"});
  CHECK(report.at("verified").at("records") == 100);
  CHECK(report.at("bytes") == 0);
  CHECK(report.at("latency_us").at("count") == 100);
  check_latency(report);
  CHECK_FALSE(left_topics());
}

TEST_CASE("what sagas leave when they are kept is what a tool shows") {
  bench_report("saga", {"--count", "10", "--keep"});
  const std::string topics = skald({"topic", "list", "--names"}).output;
  const std::size_t begin = topics.find("skald-bench-");
  REQUIRE(begin != std::string::npos);
  const std::string orchestrator = topics.substr(begin, topics.find('.', begin) - begin);
  const process_result listed =
      skald({"saga", "list", "--orchestrator", orchestrator, "--state", "completed", "--output", "json"});
  CHECK(listed.exit_code == 0);
  CHECK(json::parse(listed.output).as_array().size() == 10);
  std::istringstream names(topics);
  for (std::string name; std::getline(names, name);)
    if (name.starts_with(orchestrator)) CHECK(skald({"topic", "delete", name, "--yes"}).exit_code == 0);
}

TEST_CASE("consume reads once what it was told to publish") {
  const json::value report = bench_report(
      "consume", {"--count", "3000", "--consumers", "2", "--compression", "zstd", "--payload", "text"});
  CHECK(report.at("verified").at("records") == 3000);
  CHECK(report.at("latency_us").is_null());
}

TEST_CASE("for a duration, consume reads the same records again and again") {
  const json::value report = bench_report("consume", {"--existing", "--topic", "t.kept", "--duration", "1s"});
  CHECK(report.at("verified").at("records").to_number<std::int64_t>() > 5000);
  CHECK(skald({"topic", "describe", "t.kept"}).exit_code == 0);
}

TEST_CASE("one record at a time is a setting like any other") {
  for (const char* workload : {"publish", "pubsub", "queue", "request", "saga"}) {
    CAPTURE(workload);
    CHECK(bench_report(workload, {"--count", "50", "--in-flight", "1"}).at("verified").at("records") == 50);
  }
}

TEST_CASE("with a target rate no more is sent than is due") {
  for (const char* workload : {"publish", "pubsub", "request", "saga"}) {
    CAPTURE(workload);
    const json::value report =
        bench_report(workload, {"--rate", "2000", "--count", "400", "--producers", "2"});
    CHECK(report.at("verified").at("records") == 400);
    CHECK(report.at("rate_wanted") == 2000);
    // The last one is due 199.5 ms after the first, which may have been late.
    CHECK(report.at("measured_s").to_number<double>() > 0.05);
  }
}

TEST_CASE("a run by time has a warm-up that is not measured") {
  const process_result ended = skald(
      {"bench", "pubsub", "--warm-up", "200ms", "--duration", "500ms", "--rate", "1000", "--output", "json"});
  const json::value report = report_of(ended);
  CHECK(report.at("warm_up_s").to_number<double>() >= 0.2);
  CHECK(report.at("measured_s").to_number<double>() > 0);
  CHECK(report.at("latency_us").at("count").to_number<std::int64_t>() <= 500);
  CHECK(report.at("verified").at("records").to_number<std::int64_t>() <= 700);
}

TEST_CASE("records may have keys, and be the lines of a file") {
  const scratch_directory in;
  const std::string file = (in.path() / "events").string();
  std::ofstream(file) << "{\"kind\": \"created\"}\n{\"kind\": \"paid\", \"amount\": 12}\n\n";
  const json::value report = bench_report(
      "pubsub", {"--count", "1000", "--file", file, "--keys", "10", "--partitions", "4", "--consumers", "2"});
  CHECK(report.at("verified").at("records") == 1000);
}

TEST_CASE("memory durability, linger and small batches are verified as well") {
  const json::value report = bench_report("publish", {"--count", "2000", "--durability", "memory", "--linger",
                                                      "1ms", "--batch", "4KiB", "--size", "16B"});
  CHECK(report.at("verified").at("records") == 2000);
}

TEST_CASE("for people there is a table, and the last line is for scripts") {
  const process_result ended = skald({"bench", "publish", "--warm-up", "0", "--count", "100"});
  CHECK(ended.exit_code == 0);
  CHECK(ended.errors == "");
  CHECK(contains(ended.output, "throughput  "));
  CHECK(contains(ended.output, "latency     p50 "));
  const std::size_t last = ended.output.rfind('\n', ended.output.size() - 2);
  CHECK(ended.output.substr(last + 1).starts_with("skald-bench workload=publish status=ok records=100 "));
}

TEST_CASE("a run leaves no topic behind") {
  CHECK_FALSE(left_topics());
}

TEST_CASE("without a broker it brings its own, whose data go with it") {
  const scratch_directory in;
  const std::string parent = in.path().string();
  const process_result ended =
      run_process(SKALD_PROGRAM, bench("pubsub", {"--count", "1000", "--dir", parent}));
  const json::value report = report_of(ended);
  CHECK(report.at("verified").at("records") == 1000);
  CHECK(report.at("broker").as_string().starts_with("embedded, skald "));
  CHECK(report.at("broker_process").at("cpu_cores").is_double());
  CHECK(std::filesystem::is_empty(in.path()));
}

TEST_CASE("the machine's limit is measured before and after, and leaves nothing behind") {
  const scratch_directory in;
  const json::value report =
      bench_report("publish", {"--count", "20", "--in-flight", "1", "--limit", "--dir", in.path().string()});
  const json::value& limit = report.at("limit");
  CHECK(limit.at("unit") == "us");
  CHECK(limit.at("before").to_number<double>() > 0);
  CHECK(limit.at("after").to_number<double>() > 0);
  CHECK(limit.at("ratio").to_number<double>() > 0);
  CHECK(limit.at("before_p99").to_number<double>() >= limit.at("before").to_number<double>());
  CHECK(limit.at("ratio_p99").to_number<double>() > 0);
  CHECK(std::filesystem::is_empty(in.path()));
}

TEST_CASE("delivery at a rate has a limit of its own, at any rate") {
  const scratch_directory in;
  const json::value limit =
      bench_report("pubsub", {"--rate", "3", "--duration", "1s", "--limit", "--dir", in.path().string()})
          .at("limit");
  CHECK(limit.at("of") == "3/s of 1 KiB through TCP, written, synced and sent on");
  CHECK(limit.at("before").to_number<double>() > 0);
  CHECK(limit.at("after_p99").to_number<double>() >= limit.at("after").to_number<double>());
  CHECK(std::filesystem::is_empty(in.path()));
}

TEST_CASE("a limit that needs no disk, and none at all, need no files") {
  const json::value echo = bench_report("request", {"--count", "100", "--limit", "--dir", "/nowhere"});
  CHECK(echo.at("limit").at("unit") == "per_s");
  CHECK(echo.at("limit").at("ratio").to_number<double>() > 0);
  const json::value none = bench_report("publish", {"--count", "100", "--limit", "--durability", "memory"});
  CHECK(none.at("limit").at("ratio").is_null());
}

}  // namespace
}  // namespace skald::tests
