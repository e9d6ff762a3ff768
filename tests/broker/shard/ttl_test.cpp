// Records with a time to live: nobody is given them once it has passed, and their space comes back.
#include <doctest/doctest.h>

#include "tests/broker/shard/timer_scene.hpp"

namespace skald::shard::testing {

namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using texts = std::vector<std::string>;

struct ttl_scene : timer_scene {
  void send(std::string_view text, std::optional<std::chrono::milliseconds> ttl = {}) {
    REQUIRE_FALSE(set(text, {.ttl = ttl}).why);
  }
  texts kept() {
    texts all;
    gaps = 0;
    for (const read_batch& batch : read_kept("plain", gaps)) all.push_back(batch.text);
    return all;
  }
  std::uint64_t gaps = 0;  // offsets passed over by the last kept()
};

}  // namespace

TEST_CASE("expired records are left out, wherever in the partition a reader is") {
  ttl_scene s;
  s.send("stays");
  s.send("short", seconds(10));
  s.send("long", minutes(10));
  s.send("stays too");
  s.send("last", seconds(10));
  CHECK(s.kept() == texts{"stays", "short", "long", "stays too", "last"});
  s.pass(seconds(9));
  CHECK(s.kept().size() == 5);
  s.pass(seconds(1));
  CHECK(s.kept() == texts{"stays", "long", "stays too"});
  CHECK(s.gaps == 2);

  const read_plan middle = s.shard_->plan_read(s.ref("plain"), offset(1), 10'000);
  CHECK(middle.batches.at(0).base_offset == offset(2));
  const read_plan end = s.shard_->plan_read(s.ref("plain"), offset(4), 10'000);
  CHECK(end.batches.empty());
  CHECK(end.next == offset(5));
  CHECK(end.next == end.high_watermark);

  s.crash();
  CHECK(s.kept() == texts{"stays", "long", "stays too"});
  s.pass(minutes(10));
  CHECK(s.kept() == texts{"stays", "stays too"});
  CHECK(s.findings() == "");
}

TEST_CASE("a batch of many records expires whole") {
  ttl_scene s;
  append_request request = request_of("plain", 0, batch_of("many", 7, s.clock.now()));
  request.conditions = std::make_shared<const append_conditions>(append_conditions{.ttl = seconds(5)});
  s.append(request);
  s.send("after");
  s.pass(seconds(5));
  CHECK(s.kept() == texts{"after"});
  CHECK(s.info("plain").log_start == offset(7));
}

TEST_CASE("retention removes what has expired at the front, and the space comes back") {
  ttl_scene s;
  const std::string text(4'000, 'x');
  for (int i = 0; i < 200; ++i) s.send(text, seconds(30));
  s.send("stays");
  for (int i = 0; i < 100; ++i) s.send(text, seconds(30));
  CHECK(s.shard_->stats().journal.segments > 10);
  s.pass(minutes(2));
  CHECK(s.info("plain").log_start == offset(200));
  CHECK(s.kept() == texts{"stays"});
  s.alter("plain", {.retention_ms = 1'000});
  s.pass(minutes(2));
  CHECK(s.info("plain").log_start == offset(301));
  CHECK(s.shard_->stats().journal.segments <= 3);
  CHECK(s.findings() == "");
}

TEST_CASE("more than a round looks at expires at once, and is removed without waiting for further rounds") {
  ttl_scene s;
  std::vector<append_request> batches;
  for (int i = 0; i < 10'000; ++i) batches.push_back(s.record_to("plain", "x", {.ttl = seconds(10)}));
  s.shard_->append(std::move(batches), durability::disk, [](const auto&) {});
  s.settle();
  s.pass(seconds(10));
  CHECK(s.info("plain").log_start == offset(10'000));
}

TEST_CASE("a long run of expired records is passed over in bounded steps") {
  ttl_scene s;
  s.send("first");
  std::vector<append_request> batches;
  for (int i = 0; i < 10'000; ++i) batches.push_back(s.record_to("plain", "x", {.ttl = seconds(10)}));
  s.shard_->append(std::move(batches), durability::disk, [](const auto&) {});
  s.settle();
  s.send("last");
  s.pass(seconds(10));
  const read_plan part = s.shard_->plan_read(s.ref("plain"), offset(1), 10'000);
  CHECK(part.batches.empty());
  CHECK(part.next > offset(1));
  CHECK(part.next < part.high_watermark);
  CHECK(s.kept() == texts{"first", "last"});
}

TEST_CASE("the time to live of a delayed record counts from when it is appended") {
  ttl_scene s;
  REQUIRE_FALSE(s.set("later", {.due = {.after = hours(1)}, .ttl = minutes(1)}).why);
  s.pass(hours(1));
  CHECK(s.kept() == texts{"later"});
  s.pass(seconds(59));
  CHECK(s.kept() == texts{"later"});
  s.pass(seconds(1));
  CHECK(s.kept().empty());
}

TEST_CASE("a step of the clock decides what has expired, either way") {
  ttl_scene s;
  s.send("stays");
  s.send("expires", minutes(30));
  s.clock.advance(hours(1));
  CHECK(s.kept() == texts{"stays"});
  s.clock.advance(-hours(1));
  CHECK(s.kept() == texts{"stays", "expires"});
}

TEST_CASE("expired records are not found by their key") {
  ttl_scene s;
  REQUIRE_FALSE(s.create("events", {.index = topic_index::key}));
  const auto send = [&](std::string_view key, append_conditions conditions) {
    REQUIRE_FALSE(s.append(s.record_to("events", "v", std::move(conditions), key)).why);
  };
  send("stays", {});
  send("k", {});
  send("k", {.ttl = seconds(10)});
  s.pass(seconds(10));
  const auto of = s.ref("events");
  CHECK(s.shard_->plan_key(of, "k", 1, 0).plan.why.code == errc::unknown_key);
  const key_plan all = s.shard_->plan_key(of, "k", 1, 10);
  CHECK_FALSE(all.plan.why);
  REQUIRE(all.records.size() == 1);
  CHECK(all.records[0].version == 1);
  CHECK(all.version == 2);
  const key_listing listed = s.shard_->list_keys(of, "", "", 10);
  REQUIRE(listed.keys.size() == 1);
  CHECK(listed.keys[0].key == "stays");
}

}  // namespace skald::shard::testing
