#include <doctest/doctest.h>

#include "broker/shard/partition_index.hpp"
#include "broker/shard/state_machine.hpp"
#include "tests/broker/shard/scene.hpp"

namespace skald::shard::testing {

namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const state::partition_key trimmed{topic_id(1), partition_id(0)};

// A partition with batches of 100 bytes and 10 records, appended and stamped at the given minutes.
struct partition_of {
  struct batch {
    int appended;
    int stamped;
  };
  explicit partition_of(const std::vector<batch>& batches) {
    tables.topics.put(trimmed.topic, {.name = "t", .created = {}, .settings = {}});
    tables.partitions.put(trimmed, {});
    std::uint32_t position = 4096;
    for (const batch& b : batches) {
      append_command append;
      append.to = trimmed;
      append.records = 10;
      append.batch_bytes = 100;
      append.now = timestamp(minutes(b.appended));
      append.timestamp_max = timestamp(minutes(b.stamped));
      REQUIRE_FALSE(machine.apply(append, {journal::generation(1), position, 100}).why);
      position += 200;
    }
  }
  std::optional<offset> start(std::int64_t bytes, std::int64_t ms, int now) {
    return retention_start(tables, trimmed, {.retention_bytes = bytes, .retention_ms = ms},
                           timestamp(minutes(now)));
  }

  sim_store store;
  state::tables tables{store};
  state_machine machine{tables};
};

constexpr std::int64_t minute_ms = 60'000;

}  // namespace

TEST_CASE("retention by bytes keeps the newest batches that fit, and always the last one") {
  partition_of p({{1, 1}, {2, 2}, {3, 3}, {4, 4}});  // 400 bytes
  const auto start = [&](std::int64_t bytes) { return p.start(bytes, unlimited, 10); };
  CHECK_FALSE(start(unlimited));
  CHECK_FALSE(start(400));
  CHECK(start(399) == offset(10));
  CHECK(start(300) == offset(10));
  CHECK(start(299) == offset(20));
  CHECK(start(100) == offset(30));
  CHECK(start(99) == offset(30));
  CHECK(start(0) == offset(30));
}

TEST_CASE("retention by age removes whole batches, and all of them when all are old") {
  partition_of p({{1, 1}, {2, 2}, {3, 3}, {4, 4}});
  const auto start = [&](int now) { return p.start(unlimited, 10 * minute_ms, now); };
  CHECK_FALSE(start(5));
  CHECK_FALSE(start(11));
  CHECK(start(12) == offset(10));
  CHECK(start(13) == offset(20));
  CHECK(start(14) == offset(30));
  CHECK(start(15) == offset(40));
  CHECK(start(1'000) == offset(40));
}

TEST_CASE("the stricter of two retentions decides") {
  partition_of p({{1, 1}, {2, 2}, {3, 3}, {4, 4}});
  CHECK(p.start(300, 10 * minute_ms, 13) == offset(20));  // age
  CHECK(p.start(100, 10 * minute_ms, 12) == offset(30));  // bytes
}

TEST_CASE("a younger batch protects those behind it, as only the front is trimmed") {
  partition_of p({{1, 1}, {9, 9}, {10, 2}, {11, 11}});
  CHECK(p.start(unlimited, 10 * minute_ms, 13) == offset(10));
  CHECK(p.start(unlimited, 10 * minute_ms, 20) == offset(30));
}

TEST_CASE("a producer whose clock runs ahead cannot keep its batches for ever") {
  partition_of p({{1, 1'000'000}, {2, 2}});
  CHECK_FALSE(p.start(unlimited, 10 * minute_ms, 11));
  CHECK(p.start(unlimited, 10 * minute_ms, 12) == offset(10));
  CHECK(p.start(unlimited, 10 * minute_ms, 13) == offset(20));
}

TEST_CASE("nothing is trimmed of what is trimmed already, or empty") {
  partition_of p({{1, 1}, {2, 2}});
  p.machine.apply(trim_command{trimmed, offset(10)}, {});
  CHECK_FALSE(p.start(100, unlimited, 5));
  p.machine.apply(trim_command{trimmed, offset(20)}, {});
  CHECK_FALSE(p.start(0, 0, 5));
}

TEST_CASE("the first batch at a time is found, also behind trimmed batches with later times") {
  partition_of p({{1, 50}, {2, 2}, {3, 3}, {4, 60}});
  const auto at = [&](int minute) {
    const auto found = first_batch_at(p.tables, trimmed, timestamp(minutes(minute)));
    return found ? std::optional(found->first) : std::nullopt;
  };
  CHECK(at(1) == offset(0));
  CHECK(at(50) == offset(0));
  CHECK(at(51) == offset(30));
  CHECK_FALSE(at(61));
  p.machine.apply(trim_command{trimmed, offset(10)}, {});
  CHECK(at(1) == offset(10));
  CHECK(at(3) == offset(20));
  CHECK(at(4) == offset(30));
}

TEST_CASE("a trim inside of a batch keeps the batch") {
  partition_of p({{1, 1}, {2, 2}, {3, 3}});
  p.machine.apply(trim_command{trimmed, offset(15)}, {});
  CHECK(p.tables.partitions.find(trimmed)->log_start == offset(10));
  CHECK(p.tables.partitions.find(trimmed)->bytes == 200);
  p.machine.apply(trim_command{trimmed, offset(999)}, {});
  CHECK(p.tables.partitions.find(trimmed)->log_start == offset(30));
  CHECK(p.tables.partitions.find(trimmed)->bytes == 0);
  p.machine.apply(trim_command{trimmed, offset(5)}, {});  // backwards: nothing
  CHECK(p.tables.partitions.find(trimmed)->log_start == offset(30));
}

TEST_CASE("a shard trims by age and by bytes on its own") {
  scene s;
  REQUIRE_FALSE(s.create("aged", {.retention_ms = 60'000}));
  REQUIRE_FALSE(s.create("sized", {.retention_bytes = 200}));
  REQUIRE_FALSE(s.create("kept"));
  for (const char* topic : {"aged", "sized", "kept"})
    for (int i = 0; i < 5; ++i) s.append(topic, 0, std::to_string(i));
  s.pass(seconds(30));
  s.append("aged", 0, "young");
  CHECK(s.info("aged").log_start == offset(0));
  s.pass(seconds(31));
  CHECK(s.info("aged").log_start == offset(5));
  CHECK(s.read("aged").size() == 1);
  CHECK(s.info("sized").bytes <= 200);
  CHECK(s.read("sized").back().text == "4");
  CHECK(s.info("kept").log_start == offset(0));
  const auto trimmed = s.shard_->plan_read(s.ref("aged"), offset(0), 100);
  CHECK(trimmed.why.code == errc::offset_out_of_range);
  CHECK(trimmed.log_start == offset(5));
}

TEST_CASE("retention reaches every one of many partitions") {
  scene s;
  REQUIRE_FALSE(s.create("t", {.partitions = 1'000, .retention_ms = 1'000}));
  for (std::uint32_t p = 0; p < 1'000; p += 111) s.append("t", p, "x");
  s.pass(seconds(5));
  for (std::uint32_t p = 0; p < 1'000; p += 111) CHECK(s.info("t", p).log_start == offset(1));
}

}  // namespace skald::shard::testing
