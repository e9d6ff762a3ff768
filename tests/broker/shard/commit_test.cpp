// The atomic commit, expected versions, message ids and the index of keys, on a simulated disk.
#include <doctest/doctest.h>

#include <cstring>
#include <limits>

#include "broker/shard/verify.hpp"
#include "broker/state/rows.hpp"
#include "tests/broker/shard/scene.hpp"

namespace skald::shard::testing {

namespace {

slice record(std::optional<std::string_view> key, std::optional<std::string_view> value, timestamp at) {
  protocol::batch_builder builder;
  REQUIRE(builder.append(key, value, {}, at) == errc::ok);
  return slice::copy_of(builder.finish());
}

struct commit_scene : scene {
  commit_scene() {
    REQUIRE_FALSE(create("events", {.partitions = 2, .index = topic_index::key}));
    REQUIRE_FALSE(create("plain"));
  }

  append_request to(std::string topic, std::string_view key, std::optional<std::string_view> value,
                    append_conditions conditions = {}) {
    append_request request = request_of(std::move(topic), 0, record(key, value, clock.now()));
    request.conditions = std::make_shared<const append_conditions>(std::move(conditions));
    return request;
  }

  using scene::commit;
  commit_result commit(std::vector<append_request> appends) { return commit(commit_of(std::move(appends))); }

  std::vector<std::uint64_t> versions(std::string_view key, std::uint64_t from = 1, std::size_t limit = 100) {
    const key_plan found = shard_->plan_key(ref("events"), key, from, limit);
    std::vector<std::uint64_t> all;
    for (const key_plan::record& one : found.records) all.push_back(one.version);
    return all;
  }
  std::vector<std::string> keys(std::string_view prefix) {
    std::vector<std::string> all;
    for (const auto& one : shard_->list_keys(ref("events"), prefix, "", 100).keys) all.push_back(one.key);
    return all;
  }
};

using part = commit_part::kind;

}  // namespace

TEST_CASE("a commit appends to several topics at once") {
  commit_scene s;
  const commit_result done =
      s.commit({s.to("plain", "a", "one"), s.to("events", "k", "two"), s.to("plain", "a", "three")});
  CHECK_FALSE(done.why);
  REQUIRE(done.appends.size() == 3);
  CHECK(done.appends[0].base_offset == offset(0));
  CHECK(done.appends[1].base_offset == offset(0));
  CHECK(done.appends[1].version == 1);
  CHECK(done.appends[2].base_offset == offset(1));
  CHECK(s.values("plain") == std::vector<std::string>{"one", "three"});
  CHECK(s.values("events") == std::vector<std::string>{"two"});
  CHECK(s.findings() == "");
}

TEST_CASE("a commit one of whose parts is refused changes nothing, and says which part it was") {
  commit_scene s;
  s.commit({s.to("events", "k", "first")});
  const commit_result done = s.commit({s.to("plain", "a", "one"), s.to("events", "x", "two"),
                                       s.to("events", "k", "three", {.expected_version = 0})});
  CHECK(done.why.code == errc::version_conflict);
  CHECK(done.refused.what == part::append);
  CHECK(done.refused.index == 2);
  CHECK(done.version == 1);
  CHECK(s.values("plain").empty());
  CHECK(s.values("events") == std::vector<std::string>{"first"});
  CHECK(s.versions("x").empty());
}

TEST_CASE("what an earlier append of a commit does counts for the later ones") {
  commit_scene s;
  const auto expecting = [&](std::uint64_t version) {
    return s.to("events", "k", "v", {.expected_version = version});
  };
  CHECK_FALSE(s.commit({expecting(0), expecting(1), expecting(2)}).why);
  const commit_result stale = s.commit({expecting(3), expecting(3)});
  CHECK(stale.why.code == errc::version_conflict);
  CHECK(stale.refused.index == 1);
  CHECK(stale.version == 4);
  CHECK(s.versions("k") == std::vector<std::uint64_t>{1, 2, 3});
}

TEST_CASE("the size limit of a topic counts all appends of a commit") {
  commit_scene s;
  const auto one = s.to("plain", "a", std::string(500, 'x'));
  s.alter("plain", {.bytes_max = 1'000});
  const commit_result done = s.commit({one, one});
  CHECK(done.why.code == errc::topic_full);
  CHECK(done.refused.index == 1);
  CHECK_FALSE(s.commit({one}).why);
}

TEST_CASE("a commit sent again says what came of it the first time, also after a crash") {
  commit_scene s;
  commit_request request = s.commit_of({s.to("plain", "a", "one"), s.to("events", "k", "two")});
  request.producer = producer_id(7);
  request.sequence = 1;
  CHECK_FALSE(s.commit(request).duplicate);
  s.append("plain", 0, "other");
  s.crash();
  const commit_result again = s.commit(request);
  CHECK_FALSE(again.why);
  CHECK(again.duplicate);
  REQUIRE(again.appends.size() == 2);
  CHECK(again.appends[0].base_offset == offset(0));
  CHECK(again.appends[1].version == 1);
  CHECK(s.values("plain") == std::vector<std::string>{"one", "other"});
  CHECK(s.findings() == "");
}

TEST_CASE("a refused commit sent again is judged anew") {
  commit_scene s;
  commit_request request = s.commit_of({s.to("events", "k", "v", {.expected_version = 1})});
  request.producer = producer_id(7);
  request.sequence = 1;
  CHECK(s.commit(request).why.code == errc::version_conflict);
  s.commit({s.to("events", "k", "first")});
  CHECK_FALSE(s.commit(request).why);
}

TEST_CASE("a commit with an older epoch is fenced, and a newer epoch counts anew") {
  commit_scene s;
  const auto make = [&](std::uint16_t epoch, std::uint64_t sequence, std::string_view text) {
    commit_request request = s.commit_of({s.to("plain", "a", text)});
    request.producer = producer_id(7);
    request.epoch = producer_epoch(epoch);
    request.sequence = sequence;
    return s.commit(request);
  };
  CHECK_FALSE(make(0, 1, "old").why);
  const commit_result newer = make(1, 1, "new");
  CHECK_FALSE(newer.why);
  CHECK_FALSE(newer.duplicate);
  CHECK(make(0, 2, "zombie").why.code == errc::fenced_producer);
  CHECK(s.values("plain") == std::vector<std::string>{"old", "new"});
}

TEST_CASE("a commit too old to be remembered is refused rather than repeated") {
  commit_scene s;
  const auto make = [&](std::uint64_t sequence) {
    commit_request request = s.commit_of({s.to("plain", "a", "x")});
    request.producer = producer_id(7);
    request.sequence = sequence;
    return s.commit(request);
  };
  for (std::uint64_t i = 1; i <= state::commit_row::remembered_max + 1; ++i) REQUIRE_FALSE(make(i).why);
  CHECK(make(1).why.code == errc::out_of_order_sequence);
  CHECK(make(2).duplicate);
}

TEST_CASE("what a producer has committed is remembered for so many commits, whatever their numbers") {
  commit_scene s;
  const auto make = [&](std::uint16_t epoch, std::uint64_t sequence) {
    commit_request request = s.commit_of({s.to("plain", "a", "x")});
    request.producer = producer_id(7);
    request.epoch = producer_epoch(epoch);
    request.sequence = sequence;
    return s.commit(request);
  };
  const auto remembered = [&] {
    s.stop();
    std::size_t count = 0;
    const auto rows = s.store.read(state::table_id::commits);
    for (bool there = rows->seek_at_or_after({}); there; there = rows->next()) ++count;
    s.crash();
    return count;
  };
  for (std::uint64_t i = 1; i <= 40; ++i) CHECK_FALSE(make(0, 300 * i).why);
  CHECK(make(0, 300 * 37).duplicate);  // of the last 1,024 numbers
  CHECK(make(0, 300 * 36).why.code == errc::out_of_order_sequence);
  CHECK(remembered() == 4);
  CHECK_FALSE(make(1, 5).why);
  CHECK(remembered() == 1);
  const std::uint64_t last = std::numeric_limits<std::uint64_t>::max();
  CHECK_FALSE(make(1, last).why);
  CHECK(make(1, last).duplicate);
  CHECK_FALSE(make(2, 1).why);
  CHECK(remembered() == 1);
  CHECK(s.findings() == "");
}

TEST_CASE("a message id makes a repeat a duplicate for as long as the record is kept") {
  commit_scene s;
  const auto send = [&](std::string_view text, std::string id) {
    return s.append(s.to("plain", "a", text, {.message_id = std::move(id)}));
  };
  CHECK(send("one", "m1").base_offset == offset(0));
  s.append("plain", 0, "between");
  s.crash();
  const append_result repeat = send("one again", "m1");
  CHECK(repeat.duplicate);
  CHECK(repeat.base_offset == offset(0));
  CHECK(send("two", "m2").base_offset == offset(2));

  s.alter("plain", {.retention_bytes = 1});
  s.pass(std::chrono::seconds(3));
  CHECK(s.info("plain").log_start == offset(2));
  CHECK_FALSE(send("one anew", "m1").duplicate);
  CHECK(s.findings() == "");
}

TEST_CASE("a key is at version 0 again once retention has removed all of its records") {
  commit_scene s;
  s.commit({s.to("events", "k", std::string(100, 'x'))});
  s.commit({s.to("events", "k", std::string(100, 'x'))});
  s.commit({s.to("events", "other", std::string(100, 'x'))});
  s.alter("events", {.retention_bytes = 1});
  s.pass(std::chrono::seconds(3));
  CHECK(s.info("events").log_start == offset(2));
  CHECK(s.shard_->plan_key(s.ref("events"), "k", 1, 10).plan.why.code == errc::unknown_key);
  CHECK_FALSE(s.commit({s.to("events", "k", "new", {.expected_version = 0})}).why);
  CHECK(s.versions("k") == std::vector<std::uint64_t>{1});
  CHECK(s.findings() == "");
}

TEST_CASE("records of a key are found by version, in order, after restarts too") {
  commit_scene s;
  for (int i = 0; i < 5; ++i) {
    s.commit({s.to("events", "k", "v" + std::to_string(i))});
    s.commit({s.to("events", "other", "x")});
    if (i == 2) s.crash();
  }
  CHECK(s.versions("k") == std::vector<std::uint64_t>{1, 2, 3, 4, 5});
  CHECK(s.versions("k", 3) == std::vector<std::uint64_t>{3, 4, 5});
  CHECK(s.versions("k", 2, 2) == std::vector<std::uint64_t>{2, 3});
  CHECK(s.versions("k", 1, 0) == std::vector<std::uint64_t>{5});
  const key_plan found = s.shard_->plan_key(s.ref("events"), "k", 4, 10);
  REQUIRE(found.records.size() == 2);
  CHECK(found.records[1].at == offset(8));
  CHECK(found.plan.batches[found.records[1].batch].base_offset == offset(8));
}

TEST_CASE("keys are listed by prefix, without those whose newest record is a tombstone") {
  commit_scene s;
  for (const char* key : {"b/2", "a/1", "b/1", "b/3"}) s.commit({s.to("events", key, "v")});
  s.commit({s.to("events", "b/2", std::nullopt)});
  s.commit({s.to("events", std::string_view("b/\0x", 4), "v")});
  CHECK(s.keys("") == std::vector<std::string>{"a/1", std::string("b/\0x", 4), "b/1", "b/3"});
  CHECK(s.keys("b/1") == std::vector<std::string>{"b/1"});
  const key_listing page = s.shard_->list_keys(s.ref("events"), "", "a/1", 1);
  CHECK(page.keys.size() == 1);
  CHECK(page.more);
  s.crash();
  CHECK(s.keys("b/").size() == 3);
}

TEST_CASE("a batch of many records is indexed record by record") {
  commit_scene s;
  protocol::batch_builder builder;
  for (const char* key : {"a", "b", "a", "c", "a"})
    REQUIRE(builder.append(key, "v", {}, s.clock.now()) == errc::ok);
  s.append(request_of("events", 0, slice::copy_of(builder.finish({.compression = compression::lz4}))));
  CHECK(s.versions("a") == std::vector<std::uint64_t>{1, 2, 3});
  const key_plan found = s.shard_->plan_key(s.ref("events"), "a", 1, 10);
  CHECK(found.plan.batches.size() == 1);
  CHECK(found.records[2].at == offset(4));
  CHECK(s.findings() == "");
}

TEST_CASE("a batch with more keys than an index takes at once is refused, and so is a commit") {
  scene s;
  s.with.journal.segment_bytes = 16 << 20;
  s.crash();
  REQUIRE_FALSE(s.create("events", {.batch_bytes_max = 8 << 20, .index = topic_index::key}));
  const auto batch = [&](std::uint32_t records) {
    protocol::batch_builder builder(16 << 20);
    for (std::uint32_t i = 0; i < records; ++i)
      REQUIRE(builder.append("k", std::nullopt, {}, s.clock.now()) == errc::ok);
    append_request request = request_of("events", 0, slice::copy_of(builder.finish()));
    request.record_bytes_largest = 1;
    return request;
  };
  CHECK(s.append(batch(131'073)).why.code == errc::batch_too_large);
  const commit_result two = s.commit(scene::commit_of({batch(70'000), batch(70'000)}));
  CHECK(two.why.code == errc::batch_too_large);
  CHECK(two.refused.index == 1);
  CHECK_FALSE(s.append(batch(131'072)).why);
  s.crash();
  CHECK(s.info("events").end == offset(131'072));
}

TEST_CASE("conditions that cannot be met are refused with what to do") {
  commit_scene s;
  const std::string long_key(state::indexed_key_bytes_max + 1, 'k');
  CHECK(s.append(s.to("events", long_key, "v")).why.code == errc::key_too_large);
  CHECK(s.append(request_of("events", 0, record(std::nullopt, "v", s.clock.now()))).why.code ==
        errc::key_required);
  CHECK(s.append(s.to("plain", "k", "v", {.expected_version = 1})).why.code == errc::not_indexed);
  CHECK(s.append(s.to("plain", "k", "v", {.message_id = std::string(300, 'm')})).why.code ==
        errc::invalid_request);
  append_request two = request_of("plain", 0, batch_of("x", 2, s.clock.now()));
  two.conditions = std::make_shared<const append_conditions>(append_conditions{{}, "m"});
  CHECK(s.append(two).why.code == errc::invalid_request);
  CHECK(s.commit({s.to("plain", "k", "v"), s.to("missing", "k", "v")}).refused.index == 1);
  CHECK(s.shard_->plan_key(s.ref("plain"), "k", 1, 1).plan.why.code == errc::not_indexed);
  CHECK(s.shard_->plan_key(s.ref("events"), "k", 1, 1).plan.why.code == errc::unknown_key);
  CHECK(s.shard_->plan_key({s.ref("events").topic, partition_id(9)}, "k", 1, 1).plan.why.code ==
        errc::unknown_partition);
}

TEST_CASE("deleting an indexed topic clears away all that was known of its records") {
  commit_scene s;
  for (int i = 0; i < 20; ++i)
    s.commit({s.to("events", "k" + std::to_string(i), "v", {.message_id = "m" + std::to_string(i)})});
  REQUIRE_FALSE(s.remove("events"));
  s.pass(std::chrono::seconds(3));
  CHECK(s.findings() == "");
  std::size_t left = 0;
  for (const auto table :
       {state::table_id::keys, state::table_id::key_records, state::table_id::message_ids}) {
    const auto rows = s.store.read(table);
    for (bool there = rows->seek_at_or_after({}); there; there = rows->next()) ++left;
  }
  CHECK(left == 0);
}

}  // namespace skald::shard::testing
