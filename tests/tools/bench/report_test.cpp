#include "tools/bench/report.hpp"

#include <doctest/doctest.h>

#include <boost/json.hpp>

namespace skald::cli::bench {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

report measured() {
  report of;
  of.workload = "publish";
  of.setting = "1 producer, 1 partition";
  of.broker = "embedded, skald 0.1.0";
  of.warm_up = 1s;
  of.measured = 2s;
  of.records = 3'000'000;
  of.bytes = 3'000'000'000;
  of.latency_of = "from being handed over to its acknowledgement";
  for (int i = 1; i <= 1000; ++i) of.latency.record(std::chrono::microseconds(i));
  of.client_cores = 0.5;
  of.client_memory_bytes = 20 << 20;
  of.used = {.cores = 1.25,
             .memory_bytes = 40 << 20,
             .disk_written_bytes = 3'300'000'000,
             .payload_written_bytes = 3'000'000'000,
             .syncs = 1'000};
  of.verified = 4'500'000;
  return of;
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

TEST_CASE("latencies have three digits and a unit that suits them") {
  CHECK(format_latency(235us) == "235 us");
  CHECK(format_latency(1234ns) == "1.23 us");
  CHECK(format_latency(1'234us) == "1.23 ms");
  CHECK(format_latency(45'670us) == "45.7 ms");
  CHECK(format_latency(999'600us) == "1.00 s");
  CHECK(format_latency(75s) == "75.0 s");
  CHECK(format_latency(0ns) == "0.00 us");
}

TEST_CASE("the summary line is what scripts depend on") {
  CHECK(
      summary_line(measured()) ==
      "skald-bench workload=publish status=ok records=3000000 seconds=2.000 records_per_s=1500000 "
      "bytes_per_s=1500000000 p50_us=500.2 p90_us=900.1 p99_us=990.2 p99.9_us=999.4 max_us=1000.0 missing=0 "
      "repeated=0 damaged=0 unsent=0 limit=- limit_unit=- limit_ratio=- limit_ratio_p99=- limit_p99_us=-");
}

TEST_CASE("a workload without latencies has dashes there") {
  report of = measured();
  of.latency_of.clear();
  CHECK(contains(summary_line(of), " p50_us=- "));
  CHECK(contains(summary_line(of), " max_us=- "));
  CHECK(json::parse(to_json(of)).at("latency_us").is_null());
}

TEST_CASE("the text has what was measured, and ends with the summary") {
  const std::string text = to_text(measured());
  CHECK(contains(text, "1,500,000 records/s"));
  CHECK(contains(text, "1.10 bytes written for each byte of payload, 500.0 fsyncs/s"));
  CHECK(contains(text, "1.25 cores"));
  CHECK(contains(text, "4,500,000 records: none missing"));
  CHECK_FALSE(contains(text, "PARTIAL"));
  CHECK(text.ends_with(summary_line(measured()) + "\n"));
}

TEST_CASE("throughput is told as a share of the machine's") {
  report of = measured();
  of.limit = {.of = "group commit behind TCP",
              .unit = "bytes_per_s",
              .before = {{.value = 1.9e9}},
              .after = {{.value = 2.1e9}}};
  CHECK(*of.limit_ratio() == doctest::Approx(0.75));
  CHECK(contains(to_text(of), "limit       0.75 of 1.8 GiB/s, group commit behind TCP (before 1.7 GiB/s, "));
  CHECK(summary_line(of).ends_with(
      " limit=2000000000 limit_unit=bytes_per_s limit_ratio=0.750 limit_ratio_p99=- limit_p99_us=-"));
  const json::value limit = json::parse(to_json(of)).at("limit");
  CHECK(limit.at("before") == 1.9e9);
  CHECK(limit.at("ratio") == 0.75);
  CHECK(limit.at("ratio_p99").is_null());
}

TEST_CASE("latencies are told as times of the machine's") {
  report of = measured();
  of.limit = {
      .of = "one fdatasync of 1 KiB", .unit = "us", .before = {{.value = 250, .p99 = 495}}, .after = {}};
  CHECK(*of.limit_ratio() == doctest::Approx(2).epsilon(0.01));
  CHECK(*of.limit_ratio_p99() == doctest::Approx(2).epsilon(0.01));
  CHECK(contains(to_text(of),
                 "limit       p50 2.00 times 250 us, p99 2.00 times 495 us, one fdatasync of 1 KiB "
                 "(before 250 us and 495 us, after not measured)"));
  CHECK(contains(summary_line(of), " limit=250.0 limit_unit=us limit_ratio=2.0"));
  CHECK(summary_line(of).ends_with(" limit_p99_us=495.0"));
  CHECK(json::parse(to_json(of)).at("limit").at("after").is_null());
  CHECK(json::parse(to_json(of)).at("limit").at("before_p99") == 495.0);
}

TEST_CASE("a workload without a limit says why, and one that was not asked says nothing") {
  report of = measured();
  CHECK_FALSE(contains(to_text(of), "limit  "));
  CHECK(json::parse(to_json(of)).at("limit").is_null());
  CHECK(summary_line(of).ends_with(" limit=- limit_unit=- limit_ratio=- limit_ratio_p99=- limit_p99_us=-"));
  of.limit = {.of = "one fdatasync of 1 KiB", .unit = "us"};
  CHECK(contains(to_text(of), "limit       not measured: one fdatasync of 1 KiB\n"));
  of.limit = {.of = "nothing is written"};
  CHECK(contains(to_text(of), "limit       none: nothing is written\n"));
  CHECK(summary_line(of).ends_with(" limit=- limit_unit=- limit_ratio=- limit_ratio_p99=- limit_p99_us=-"));
  CHECK(json::parse(to_json(of)).at("limit").at("unit").is_null());
}

TEST_CASE("what has no bytes has no bytes a second") {
  report of = measured();
  of.workload = "saga";
  of.unit = "sagas";
  of.bytes = 0;
  CHECK(contains(to_text(of), "1,500,000 sagas/s\n"));
  CHECK(contains(summary_line(of), " bytes_per_s=0 "));
}

TEST_CASE("partial results are marked as such everywhere") {
  report of = measured();
  of.ended = ending::interrupted;
  CHECK(contains(to_text(of), "PARTIAL (interrupted)"));
  CHECK(contains(summary_line(of), "status=interrupted"));
  CHECK(json::parse(to_json(of)).at("status") == "interrupted");
  of.ended = ending::failed;
  of.why = "the disk is full";
  CHECK(contains(to_text(of), "failed: the disk is full\n"));
  CHECK(json::parse(to_json(of)).at("error") == "the disk is full");
}

TEST_CASE("a run that ended before it measured anything has no throughput") {
  report of;
  of.workload = "queue";
  of.ended = ending::interrupted;
  CHECK(contains(summary_line(of), " records_per_s=0 "));
  CHECK(json::parse(to_json(of)).at("records_per_s") == 0.0);
}

TEST_CASE("what is not known of a broker elsewhere is null, not nought") {
  report of = measured();
  of.used.cores.reset();
  of.used.disk_written_bytes.reset();
  of.used.memory_is_peak = false;
  const json::value object = json::parse(to_json(of));
  CHECK(object.at("broker_process").at("cpu_cores").is_null());
  CHECK(object.at("broker_process").at("memory_bytes") == (40 << 20));
  CHECK(object.at("disk").at("written_bytes_per_payload_byte").is_null());
  CHECK(object.at("disk").at("fsyncs_per_s") == 500.0);
  CHECK_FALSE(contains(to_text(of), "bytes written"));
}

}  // namespace
}  // namespace skald::cli::bench
