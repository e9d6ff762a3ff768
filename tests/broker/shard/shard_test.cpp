// What users of a shard may rely on, story by story.
#include <doctest/doctest.h>

#include "skald/protocol/error.hpp"
#include "tests/broker/shard/scene.hpp"

namespace skald::shard::testing {

namespace {

using std::chrono::seconds;

}  // namespace

TEST_CASE("batches get the offsets after one another and read back as they came") {
  scene s;
  REQUIRE_FALSE(s.create("t", {.partitions = 2}));
  CHECK(s.append("t", 0, "a", 3).base_offset == offset(0));
  CHECK(s.append("t", 1, "b", 1).base_offset == offset(0));
  const auto last = s.append("t", 0, "c", 2);
  CHECK(last.base_offset == offset(3));
  CHECK(last.partitions == 2);
  CHECK_FALSE(last.duplicate);
  const auto read = s.read("t", 0);
  REQUIRE(read.size() == 2);
  CHECK(read[0].text == "a");
  CHECK(read[1].text == "c");
  CHECK(s.info("t", 0).end == offset(5));
}

TEST_CASE("an append is acknowledged when it is durable, not before") {
  scene s;
  REQUIRE_FALSE(s.create("t"));
  bool acknowledged = false;
  std::vector<append_request> batches;
  batches.push_back(request_of("t", 0, batch_of("x", 1, s.clock.now())));
  s.shard_->append(std::move(batches), durability::disk, [&](const auto&) { acknowledged = true; });
  while (s.runs.run_one()) {
  }
  CHECK_FALSE(acknowledged);
  CHECK(s.shard_->queued_bytes() > 0);
  CHECK(s.info("t").end == offset(0));  // and nobody sees it
  s.settle();
  CHECK(acknowledged);
  CHECK(s.shard_->queued_bytes() == 0);
  CHECK(s.info("t").end == offset(1));
}

TEST_CASE("with memory durability an append is acknowledged at once, without an offset") {
  scene s;
  REQUIRE_FALSE(s.create("t"));
  std::optional<append_result> result;
  std::vector<append_request> batches;
  batches.push_back(request_of("t", 0, batch_of("x", 1, s.clock.now())));
  s.shard_->append(std::move(batches), durability::memory,
                   [&](std::vector<append_result> results) { result = results.at(0); });
  CHECK_FALSE(result);
  while (s.runs.run_one()) {
  }
  REQUIRE(result);
  CHECK_FALSE(result->why);
  CHECK_FALSE(result->base_offset);
  s.settle();
  CHECK(s.read("t").size() == 1);
}

TEST_CASE("each batch of one append is decided by itself") {
  scene s;
  REQUIRE_FALSE(s.create("t", {.batch_bytes_max = 200}));
  std::vector<append_request> batches;
  batches.push_back(request_of("t", 0, batch_of("a", 1, s.clock.now())));
  batches.push_back(request_of("t", 7, batch_of("b", 1, s.clock.now())));
  batches.push_back(request_of("nowhere", 0, batch_of("c", 1, s.clock.now())));
  batches.push_back(request_of("t", 0, batch_of(std::string(300, 'x'), 1, s.clock.now())));
  batches.push_back(request_of("t", 0, batch_of("d", 1, s.clock.now())));
  std::vector<append_result> results;
  s.shard_->append(std::move(batches), durability::disk, [&](auto all) { results = std::move(all); });
  s.settle();
  REQUIRE(results.size() == 5);
  CHECK(results[0].base_offset == offset(0));
  CHECK(results[1].why.code == errc::unknown_partition);
  CHECK(results[2].why.code == errc::unknown_topic);
  CHECK(results[3].why.code == errc::batch_too_large);
  CHECK(results[4].base_offset == offset(1));
  for (const append_result& r : results)
    if (r.why) CHECK_FALSE(r.why.message.empty());
}

TEST_CASE("the limits of a topic hold, and can be altered") {
  scene s;
  REQUIRE_FALSE(s.create("t", {.bytes_max = 1'000, .record_bytes_max = 150}));
  CHECK(s.append("t", 0, std::string(200, 'x')).why.code == errc::record_too_large);
  int stored = 0;
  while (!s.append("t", 0, "x").why) ++stored;
  CHECK(stored > 5);
  CHECK(s.append("t", 0, "x").why.code == errc::topic_full);
  CHECK(s.info("t").bytes <= 1'000);
  REQUIRE_FALSE(s.alter("t", {.bytes_max = unlimited, .record_bytes_max = 1'000}));
  CHECK_FALSE(s.append("t", 0, std::string(200, 'x')).why);
}

TEST_CASE("topics are created, described, listed in order, altered and deleted") {
  scene s;
  for (const char* name : {"b", "a", "d", "c"}) REQUIRE_FALSE(s.create(name, {.partitions = 2}));
  CHECK(s.create("a").code == errc::topic_exists);
  CHECK_FALSE(s.create("a", {.partitions = 9}, true));
  CHECK(s.shard_->describe_topic("a")->settings.partitions == 2);
  CHECK_FALSE(s.shard_->describe_topic("e"));

  bool more = false;
  const auto page = s.shard_->list_topics("a", 2, more);
  REQUIRE(page.size() == 2);
  CHECK(page[0].name == "b");
  CHECK(page[1].name == "c");
  CHECK(more);
  CHECK(s.shard_->list_topics("c", 2, more).size() == 1);
  CHECK_FALSE(more);

  CHECK(s.alter("a", {.partitions = 1}).code == errc::invalid_settings);
  CHECK_FALSE(s.alter("a", {.partitions = 4, .retention_ms = 5}));
  CHECK(s.shard_->describe_topic("a")->partitions.size() == 4);
  CHECK(s.shard_->describe_topic("a")->settings.retention_ms == 5);
  CHECK_FALSE(s.append("a", 3, "x").why);
  CHECK(s.alter("e", {}).code == errc::unknown_topic);

  CHECK_FALSE(s.remove("a"));
  CHECK(s.remove("a").code == errc::unknown_topic);
  CHECK(s.shard_->stats().topics == 3);
  CHECK(s.shard_->stats().partitions == 6);
}

TEST_CASE("settings out of range are refused with the reason") {
  scene s;
  for (const topic_settings& wrong :
       {topic_settings{.partitions = 0}, topic_settings{.retention_bytes = -2},
        topic_settings{.retention_ms = -7}, topic_settings{.bytes_max = -3},
        topic_settings{.record_bytes_max = 0}, topic_settings{.batch_bytes_max = 10},
        topic_settings{.batch_bytes_max = 1u << 30}}) {
    const failure why = s.create("t", wrong);
    CHECK(why.code == errc::invalid_settings);
    CHECK_FALSE(why.message.empty());
  }
  CHECK(s.shard_->stats().topics == 0);
}

TEST_CASE("there is a limit to all partitions together") {
  scene s;
  s.shard_.reset();
  s.with.partitions_max = 10;
  s.open();
  CHECK_FALSE(s.create("a", {.partitions = 8}));
  CHECK(s.create("b", {.partitions = 3}).code == errc::invalid_settings);
  CHECK(s.alter("a", {.partitions = 11}).code == errc::invalid_settings);
  CHECK_FALSE(s.remove("a"));
  CHECK_FALSE(s.create("b", {.partitions = 10}));
}

TEST_CASE("a topic made again under the same name begins anew") {
  scene s;
  REQUIRE_FALSE(s.create("t"));
  s.append("t", 0, "old");
  const auto old = s.ref("t");
  REQUIRE_FALSE(s.remove("t"));
  CHECK(s.append("t", 0, "lost").why.code == errc::unknown_topic);
  REQUIRE_FALSE(s.create("t"));
  CHECK(s.append("t", 0, "new").base_offset == offset(0));
  REQUIRE(s.read("t").size() == 1);
  CHECK(s.read("t")[0].text == "new");
  CHECK(s.shard_->plan_read(old, offset(0), 100).why.code == errc::unknown_topic);
}

TEST_CASE("a delete that overtakes appends refuses them when they are applied") {
  scene s;
  REQUIRE_FALSE(s.create("t"));
  failure deleted{errc::internal_error, ""};
  append_result after;
  s.shard_->delete_topic("t", [&](failure why) { deleted = std::move(why); });
  std::vector<append_request> batches;
  batches.push_back(request_of("t", 0, batch_of("x", 1, s.clock.now())));
  s.shard_->append(std::move(batches), durability::disk, [&](auto results) { after = results.at(0); });
  s.settle();
  CHECK_FALSE(deleted);
  CHECK(after.why.code == errc::unknown_topic);
}

TEST_CASE("reading: plans hold at least one batch and no more than asked for") {
  scene s;
  REQUIRE_FALSE(s.create("t"));
  for (int i = 0; i < 10; ++i) s.append("t", 0, std::to_string(i), 2);
  const auto of = s.ref("t");
  const std::uint64_t each = s.info("t").bytes / 10;
  const auto plan = [&](std::uint64_t from, std::uint64_t bytes) {
    return s.shard_->plan_read(of, offset(from), bytes);
  };
  CHECK(plan(0, 1).batches.size() == 1);
  CHECK(plan(0, 3 * each).batches.size() == 3);
  CHECK(plan(0, 4 * each - 1).batches.size() == 3);
  CHECK(plan(0, 1'000 * each).batches.size() == 10);
  CHECK(plan(3, 1).batches[0].base_offset == offset(2));  // the batch that holds 3
  CHECK(plan(20, 100).batches.empty());
  CHECK_FALSE(plan(20, 100).why);
  CHECK(plan(21, 100).why.code == errc::offset_out_of_range);
  CHECK(s.shard_->plan_read({of.topic, partition_id(1)}, offset(0), 1).why.code == errc::unknown_partition);
}

TEST_CASE("everything is there again after a crash, before and after flushes") {
  scene s;
  REQUIRE_FALSE(s.create("t", {.partitions = 3}));
  std::size_t stored = 0;
  for (int round = 0; round < 6; ++round) {
    for (int i = 0; i < 50; ++i, ++stored)
      REQUIRE_FALSE(s.append("t", static_cast<std::uint32_t>(stored % 3), std::to_string(stored)).why);
    if (round % 2 == 0) s.pass(seconds(61));  // a flush
    s.crash();
    CHECK(s.fatal.empty());
    std::size_t found = 0;
    for (std::uint32_t p = 0; p < 3; ++p) {
      std::size_t next = p;
      for (const auto& batch : s.read("t", p)) {
        CHECK(batch.text == std::to_string(next));
        next += 3;
        ++found;
      }
    }
    CHECK(found == stored);
  }
}

TEST_CASE("a long run keeps its replay within bounds") {
  scene s;
  REQUIRE_FALSE(s.create("t"));
  const std::string text(2'000, 'x');
  for (int i = 0; i < 600; ++i) {
    REQUIRE_FALSE(s.append("t", 0, text).why);
    CHECK(s.shard_->stats().replay_bytes <= s.with.replay_bytes_max);
  }
  CHECK(s.store.commits() > 3);
  s.crash();
  CHECK(s.shard_->recovery().bytes <= s.with.replay_bytes_max + (64 << 10));
  CHECK(s.info("t").end == offset(600));
}

TEST_CASE("publishing waits while flushing falls behind, and nothing is refused or reordered") {
  scene s;
  REQUIRE_FALSE(s.create("t"));
  const std::string text(4'000, 'x');
  std::vector<std::uint64_t> offsets;
  const auto publish = [&] {
    std::vector<append_request> batches;
    batches.push_back(request_of("t", 0, batch_of(text, 1, s.clock.now())));
    s.shard_->append(std::move(batches), durability::disk, [&](const std::vector<append_result>& results) {
      REQUIRE_FALSE(results.at(0).why);
      offsets.push_back(results.at(0).base_offset->value());
    });
  };
  // Everybody runs but the worker.
  for (int i = 0; i < 300; ++i) {
    publish();
    while (s.runs.run_one() || s.shard_->step_journal()) {
    }
  }
  CHECK(offsets.size() < 300);
  CHECK(s.shard_->queued_bytes() > 0);
  CHECK(s.shard_->stats().replay_bytes <= s.with.replay_bytes_max + 8'000);
  s.settle();
  REQUIRE(offsets.size() == 300);
  for (std::size_t i = 0; i < offsets.size(); ++i) CHECK(offsets[i] == i);
  CHECK(s.shard_->queued_bytes() == 0);
}

TEST_CASE("stopping finishes what was accepted, flushes, and refuses what comes later") {
  scene s;
  REQUIRE_FALSE(s.create("t"));
  append_result early;
  append_result late;
  bool stopped = false;
  const auto publish = [&](append_result& into) {
    std::vector<append_request> batches;
    batches.push_back(request_of("t", 0, batch_of("x", 1, s.clock.now())));
    s.shard_->append(std::move(batches), durability::disk, [&](auto results) {
      into = results.at(0);
      CHECK_FALSE(stopped);
    });
  };
  publish(early);
  s.shard_->stop([&] { stopped = true; });
  publish(late);
  s.settle();
  CHECK(stopped);
  CHECK(early.base_offset == offset(0));
  CHECK(late.why.code == errc::shutting_down);
  CHECK(s.shard_->stats().replay_bytes == 0);
  s.crash();
  CHECK(s.shard_->recovery().entries == 0);
  CHECK(s.read("t").size() == 1);
}

TEST_CASE("a state that points into a missing segment is refused, naming the segment") {
  scene s;
  REQUIRE_FALSE(s.create("t"));
  s.append("t", 0, "x");
  s.stop();
  s.store.of(state::table_id::segments)[std::string("\0\0\0\0\0\0\0\x63", 8)] =
      std::string("\0\0\0\0\0\0\0\x05", 8);
  s.shard_.reset();
  try {
    s.open();
    FAIL("it was opened");
  } catch (const error& refused) {
    CHECK(refused.code() == errc::storage_corrupt);
    CHECK(refused.message().find("segment 99") != std::string::npos);
  }
}

TEST_CASE("a store that fails is fatal, and no more is acknowledged") {
  scene s;
  REQUIRE_FALSE(s.create("t"));
  s.append("t", 0, "x");
  s.store.fail_with(errc::storage_error);
  s.pass(seconds(61));
  CHECK(s.fatal.find("told to fail") != std::string::npos);
  CHECK(s.append("t", 0, "y").why.code == errc::storage_error);
}

}  // namespace skald::shard::testing
