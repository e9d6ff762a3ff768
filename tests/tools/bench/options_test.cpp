#include "tools/bench/options.hpp"

#include <doctest/doctest.h>

#include <skald/topic.hpp>
#include <string>

namespace skald::cli::bench {
namespace {

options of(workload what) {
  options with;
  with.what = what;
  return with;
}

std::string complaint(const options& with) {
  const auto outcome = check(with);
  return outcome ? "" : outcome.error().message;
}

TEST_CASE("a size is one, or a range") {
  CHECK(*parse_size_range("1KiB") == size_range{1024, 1024});
  CHECK(*parse_size_range("100B-4KiB") == size_range{100, 4096});
  CHECK_FALSE(parse_size_range("4KiB-100B").has_value());
  CHECK_FALSE(parse_size_range("-4KiB").has_value());
  CHECK_FALSE(parse_size_range("1-").has_value());
  CHECK_FALSE(parse_size_range("1GiB").has_value());
  CHECK_FALSE(parse_size_range("").has_value());
}

TEST_CASE("every workload may be run without options") {
  for (const workload what : {workload::publish, workload::consume, workload::pubsub, workload::fanout,
                              workload::queue, workload::request, workload::saga}) {
    CHECK(complaint(of(what)) == "");
  }
}

TEST_CASE("what is verified has room for its stamp; what is only published may be a byte") {
  options with = of(workload::pubsub);
  with.size = {16, 16};
  CHECK(complaint(with) ==
        "--size: records of pubsub need at least 24 B, for the number and the checksum by which they are "
        "verified");
  with.what = workload::publish;
  CHECK(complaint(with) == "");
  with.size = {0, 0};
  CHECK(complaint(with) == "--size: records of 0 B cannot be measured");
}

TEST_CASE("consumers that share partitions each get one") {
  options with = of(workload::pubsub);
  with.consumers = 3;
  CHECK(partitions_of(with) == 3);
  with.partitions = 2;
  CHECK(complaint(with) == "--consumers: 3 consumers cannot share 2 partitions");
  with.what = workload::fanout;
  CHECK(complaint(with) == "");
}

TEST_CASE("options that contradict one another are named") {
  options with = of(workload::publish);
  with.existing = true;
  CHECK(complaint(with) == "--existing is for --topic: say which");
  with.topic = "orders";
  CHECK(complaint(with) == "");
  with.partitions = 2;
  CHECK(complaint(with).starts_with("--partitions is for a topic that the benchmark creates"));
  with = of(workload::publish);
  with.producers = 10;
  with.rate = 9;
  CHECK(complaint(with).starts_with("--rate is for all producers together"));
  with.rate = 0;
  with.count = 9;
  CHECK(complaint(with) == "--count: there are fewer records than producers");
  with = of(workload::publish);
  with.in_flight = 1'000'000;
  CHECK(complaint(with).starts_with("--in-flight: "));
  with = of(workload::publish);
  with.topic = "a topic";
  CHECK(complaint(with) != "");
}

TEST_CASE("producers share what may be in flight, unless it is said for each") {
  options with = of(workload::publish);
  with.producers = 4;
  CHECK(in_flight_of(with, 1024) == 8192);
  CHECK(in_flight_of(with, 1e12) == 1);
  with.in_flight = 7;
  CHECK(in_flight_of(with, 1024) == 7);
  CHECK(in_flight_of(of(workload::request), 1024) == 64);
  CHECK(in_flight_of(of(workload::saga), 0) == 64);
}

TEST_CASE("what is to be consumed fits, or the disk is said to be too small") {
  options with = of(workload::consume);
  with.partitions = 1;
  CHECK(preload_of(with, 1024) == 524'288);
  CHECK(preload_of(with, 24) == 2'000'000);
  with.count = 5;
  CHECK(preload_of(with, 1024) == 5);
  const disk_plan plan = plan_disk(with, 1'000'000'000'000'000, 1024);
  CHECK(plan.bytes_needed >= 1'000'000'000'000'000'000);
  CHECK(plan.retention_bytes == unlimited);
}

TEST_CASE("what is only passed through is bounded by retention, with room for what is in flight") {
  options with = of(workload::pubsub);
  with.partitions = 8;
  CHECK(plan_disk(with, 0, 1024).retention_bytes == (1 << 30) / 8);
  CHECK(plan_disk(with, 0, 1024).bytes_needed == std::uint64_t{3} << 29);
  with.count = 1024;
  CHECK(plan_disk(with, 0, 1024 - 64).bytes_needed == 513 << 20);
  with.keys = 1;  // all of it may be in one partition
  CHECK(plan_disk(with, 0, 1024).retention_bytes == 256 << 20);
  CHECK(plan_disk(of(workload::request), 0, 1024).bytes_needed == 0);
  options existing = of(workload::publish);
  existing.existing = true;
  CHECK(plan_disk(existing, 0, 1024).retention_bytes == unlimited);
}

TEST_CASE("a setting is told in words") {
  options with = of(workload::pubsub);
  with.partitions = 8;
  with.consumers = 2;
  with.size = {100, 4096};
  with.rate = 20'000;
  with.compression = skald::compression::zstd;
  CHECK(describe(with) ==
        "1 producer, 2 consumers, 8 partitions, records of 100 B to 4 KiB of random bytes, acknowledged when "
        "on "
        "disk, zstd, 20,000/s wanted");
  with = of(workload::request);
  CHECK(describe(with) == "1 caller, 1 responder, records of 1 KiB of random bytes");
  with = of(workload::saga);
  with.partitions = partitions_of(with);
  with.producers = 2;
  CHECK(describe(with) == "2 orchestrators with a participant each, 1 partition");
}

}  // namespace
}  // namespace skald::cli::bench
