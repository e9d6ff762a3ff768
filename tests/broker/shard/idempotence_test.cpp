// The rules for idempotent producers, as tables; state_machine.hpp states them.
#include <doctest/doctest.h>

#include "broker/shard/producer_sequence.hpp"
#include "skald/protocol/record_batch.hpp"
#include "tests/broker/shard/scene.hpp"

namespace skald::shard::testing {

namespace {

using kind = sequence_verdict::kind;

append_command batch(std::int32_t sequence, std::uint32_t records, std::uint16_t epoch = 0) {
  append_command command;
  command.producer = producer_id(1);
  command.records = records;
  command.base_sequence = sequence;
  command.epoch = producer_epoch(epoch);
  return command;
}

// A producer of epoch 1 that has sent eighteen batches of ten records: 0-9 at offset 100, 10-19 at 110, ...
state::producer_row eighteen_sent() {
  state::producer_row row = introduce(batch(0, 10, 1));
  for (std::int32_t i = 0; i < 18; ++i)
    remember_batch(row, batch(10 * i, 10, 1), offset(100u + 10u * static_cast<std::uint64_t>(i)));
  return row;
}

append_request from(producer_id producer, std::int32_t sequence, std::string_view text, timestamp at,
                    std::uint32_t records = 1, std::string topic = "t") {
  return request_of(std::move(topic), 0,
                    batch_of(text, records, at, protocol::producer_stamp{producer, {}, sequence}));
}

}  // namespace

TEST_CASE("the verdict on a batch of a known producer") {
  const state::producer_row known = eighteen_sent();
  struct row {
    append_command sent;
    kind expected;
    std::uint64_t original;
  };
  const row table[] = {
      {batch(180, 10, 1), kind::next, 0},         {batch(180, 1, 1), kind::next, 0},
      {batch(170, 10, 1), kind::duplicate, 270},   // the last
      {batch(20, 10, 1), kind::duplicate, 120},    // the sixteenth to last
      {batch(10, 10, 1), kind::out_of_order, 0},   // the one before is forgotten
      {batch(170, 9, 1), kind::out_of_order, 0},   // not what was sent then
      {batch(175, 5, 1), kind::out_of_order, 0},   // overlaps
      {batch(181, 10, 1), kind::out_of_order, 0},  // a gap
      {batch(0, 10, 0), kind::fenced, 0},          // an older epoch
      {batch(0, 10, 2), kind::next, 0},            // a newer one begins again
      {batch(180, 10, 2), kind::out_of_order, 0},  // at 0 and nowhere else
  };
  for (const row& r : table) {
    CAPTURE(r.sent.base_sequence);
    CAPTURE(r.sent.epoch.value());
    const sequence_verdict verdict = judge_sequence(&known, r.sent);
    CHECK(verdict.is == r.expected);
    CHECK(verdict.original == offset(r.original));
  }
}

TEST_CASE("an unknown producer may begin anywhere") {
  CHECK(judge_sequence(nullptr, batch(0, 1)).is == kind::next);
  CHECK(judge_sequence(nullptr, batch(12345, 1)).is == kind::next);
}

TEST_CASE("sequence numbers wrap from 2^31-1 to 0") {
  constexpr std::int32_t max = 0x7fffffff;
  state::producer_row known = introduce(batch(max - 4, 5));
  remember_batch(known, batch(max - 4, 5), offset(0));  // up to and including the largest
  CHECK(judge_sequence(&known, batch(0, 1)).is == kind::next);
  state::producer_row across = introduce(batch(max - 1, 10));
  remember_batch(across, batch(max - 1, 10), offset(0));  // max-1, max, 0, 1, ... 7
  CHECK(judge_sequence(&across, batch(8, 1)).is == kind::next);
  CHECK(judge_sequence(&across, batch(max - 1, 10)).is == kind::duplicate);
}

TEST_CASE("a new epoch forgets the batches of the old one") {
  state::producer_row known = eighteen_sent();
  remember_batch(known, batch(0, 3, 2), offset(500));
  CHECK(known.batches.size() == 1);
  CHECK(judge_sequence(&known, batch(170, 10, 2)).is == kind::out_of_order);
}

TEST_CASE("a batch sent again gets its original offset, is stored once and costs no live bytes") {
  scene s;
  REQUIRE_FALSE(s.create("t"));
  const auto first = s.append(from(producer_id(1), 0, "a", s.clock.now(), 3));
  s.append(from(producer_id(1), 3, "b", s.clock.now()));
  const std::uint64_t live = s.shard_->stats().live_bytes;
  const auto again = s.append(from(producer_id(1), 0, "a", s.clock.now(), 3));
  CHECK_FALSE(again.why);
  CHECK(again.duplicate);
  CHECK(again.base_offset == first.base_offset);
  CHECK(s.shard_->stats().live_bytes == live);
  CHECK(s.read("t").size() == 2);

  SUBCASE("also after a restart") {
    s.crash();
    const auto later = s.append(from(producer_id(1), 3, "b", s.clock.now()));
    CHECK(later.duplicate);
    CHECK(later.base_offset == offset(3));
  }
  SUBCASE("also when the partition has become too full for it") {
    REQUIRE_FALSE(s.alter("t", {.bytes_max = 0}));
    CHECK(s.append(from(producer_id(1), 4, "c", s.clock.now())).why.code == errc::topic_full);
    CHECK(s.append(from(producer_id(1), 3, "b", s.clock.now())).duplicate);
  }
}

TEST_CASE("a gap is refused until it is filled") {
  scene s;
  REQUIRE_FALSE(s.create("t"));
  s.append(from(producer_id(1), 0, "a", s.clock.now()));
  const auto ahead = s.append(from(producer_id(1), 2, "c", s.clock.now()));
  CHECK(ahead.why.code == errc::out_of_order_sequence);
  CHECK(ahead.why.message.find("sequence 2 where 1 was expected") != std::string::npos);
  CHECK_FALSE(s.append(from(producer_id(1), 1, "b", s.clock.now())).why);
  CHECK_FALSE(s.append(from(producer_id(1), 2, "c", s.clock.now())).why);
}

TEST_CASE("batches on their way behind a refused first batch are not stored before it") {
  scene s;
  REQUIRE_FALSE(s.create("t", {.bytes_max = 0}));
  CHECK(s.append(from(producer_id(1), 0, "a", s.clock.now())).why.code == errc::topic_full);
  REQUIRE_FALSE(s.alter("t", {.bytes_max = unlimited}));
  CHECK(s.append(from(producer_id(1), 1, "b", s.clock.now())).why.code == errc::out_of_order_sequence);
  CHECK_FALSE(s.append(from(producer_id(1), 0, "a", s.clock.now())).why);
  CHECK_FALSE(s.append(from(producer_id(1), 1, "b", s.clock.now())).why);
}

TEST_CASE("an idle producer is forgotten after its time, a busy one is not") {
  scene s;
  s.shard_.reset();
  s.runs.clear();
  s.with.producer_expiry = std::chrono::hours(2);
  s.open();
  REQUIRE_FALSE(s.create("t"));
  s.append(from(producer_id(1), 0, "idle", s.clock.now()));
  s.append(from(producer_id(2), 0, "busy", s.clock.now()));
  for (std::int32_t hour = 1; hour <= 4; ++hour) {
    s.pass(std::chrono::hours(1));
    CHECK_FALSE(s.append(from(producer_id(2), hour, "busy", s.clock.now())).why);
  }
  // Forgotten, it may go on with any number; remembered, a gap is refused.
  CHECK_FALSE(s.append(from(producer_id(1), 500, "back", s.clock.now())).why);
  CHECK(s.append(from(producer_id(2), 500, "gap", s.clock.now())).why.code == errc::out_of_order_sequence);
}

TEST_CASE("producer ids are never given out twice") {
  scene s;
  std::vector<producer_id> ids;
  const auto init = [&] {
    s.shard_->init_producer({}, [&](failure why, producer_id id, producer_epoch epoch) {
      CHECK_FALSE(why);
      CHECK(epoch == producer_epoch(0));
      ids.push_back(id);
    });
    s.settle();
  };
  init();
  init();
  s.crash();
  init();
  CHECK(ids == std::vector{producer_id(1), producer_id(2), producer_id(3)});
}

}  // namespace skald::shard::testing
