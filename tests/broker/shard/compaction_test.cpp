// Compaction: what stays, what goes and when, the space that comes back, and that restarts change none of it.
#include "broker/shard/compaction.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>

#include "broker/shard/verify.hpp"
#include "tests/broker/shard/scene.hpp"

namespace skald::shard::testing {

namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

struct change {
  std::string key;
  std::optional<std::string> value;
};

slice batch_with(const std::vector<change>& changes, timestamp at, compression how = compression::none) {
  protocol::batch_builder builder;
  for (const change& one : changes) REQUIRE(builder.append(one.key, one.value, {}, at) == errc::ok);
  return slice::copy_of(builder.finish({.compression = how}));
}

struct seen_record {
  std::uint64_t at = 0;
  std::string key;
  std::optional<std::string> value;
};

struct compacting : scene {
  explicit compacting(topic_settings settings = {}, std::uint64_t seed = 1) : scene(seed) {
    settings.index = topic_index::key;
    settings.cleanup = topic_cleanup::compact;
    REQUIRE_FALSE(create("table", settings));
  }
  offset put(const std::vector<change>& changes, compression how = compression::none) {
    const append_result stored = append(request_of("table", 0, batch_with(changes, clock.now(), how)));
    REQUIRE_FALSE(stored.why);
    return stored.base_offset.value();
  }
  offset put(std::string key, std::optional<std::string> value) {
    return put({{std::move(key), std::move(value)}});
  }

  // All records from an offset on, read batch by batch as a reader would.
  std::vector<seen_record> records(offset from = offset(0)) {
    std::vector<seen_record> all;
    protocol::batch_decoder decoder;
    while (true) {
      const read_plan plan = shard_->plan_read(ref("table"), from, 4'000);
      REQUIRE_FALSE(plan.why);
      for (const stored_batch& batch : plan.batches) read(plan, batch, from, decoder, all);
      if (plan.next == from) {
        CHECK(from == plan.high_watermark);
        return all;
      }
      from = plan.next;
    }
  }
  static void read(const read_plan& plan, const stored_batch& batch, offset from,
                   protocol::batch_decoder& decoder, std::vector<seen_record>& into) {
    std::vector<std::byte> bytes(batch.at.bytes);
    const iovec part{bytes.data(), bytes.size()};
    for (const auto& [segment, pin] : plan.pins)
      if (segment == batch.at.segment)
        REQUIRE_FALSE(journal::read(*pin, batch.at.position, {&part, 1}, file::blocking::allowed));
    protocol::patch_base_offset(bytes, batch.base_offset, 0);
    const auto view = protocol::batch_view::parse(bytes);
    REQUIRE(view.has_value());
    const auto decoded = decoder.check(*view, {.offset_gaps = true});
    REQUIRE_MESSAGE(decoded.has_value(), decoded.error().message);
    CHECK(view->last_offset() < batch.base_offset + batch.records);
    for (const auto& record : *decoded) {
      if (record.offset < from) continue;
      std::optional<std::string> value;
      if (record.value) value = std::string(*record.value);
      into.push_back({record.offset.value(), std::string(*record.key), value});
    }
  }
  std::vector<std::uint64_t> offsets() {
    std::vector<std::uint64_t> all;
    for (const seen_record& one : records(info("table").log_start)) all.push_back(one.at);
    return all;
  }
  void check_sound() {
    verify(disk, with.directory, store,
           [](const finding& one) { CHECK_MESSAGE(one.is != finding::severity::error, to_line(one)); });
  }
};

using numbers = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("a batch keeps some of its records at their offsets, compressed as it was") {
  const timestamp at{std::chrono::milliseconds(5000)};
  for (const compression how : {compression::none, compression::lz4, compression::zstd}) {
    const std::vector<change> all{
        {"a", std::string(200, '1')}, {"b", "2"}, {"c", {}}, {"d", std::string(200, '4')}};
    const slice stored = batch_with(all, at, how);
    const std::vector<std::uint32_t> kept{0, 2};
    const auto rewritten = without_others(stored.bytes(), kept);
    REQUIRE(rewritten.has_value());
    const auto view = protocol::batch_view::parse(rewritten->bytes());
    REQUIRE(view.has_value());
    CHECK(view->compression_code() == static_cast<std::uint8_t>(how));
    CHECK(view->record_count() == 2);
    CHECK(view->last_offset_delta() == 3);
    protocol::batch_decoder decoder;
    CHECK_FALSE(decoder.check(*view).has_value());  // no producer may send it
    const auto records = decoder.check(*view, {.offset_gaps = true});
    REQUIRE(records.has_value());
    auto record = records->begin();
    CHECK(record->offset == offset(0));
    CHECK(record->value == std::string(200, '1'));
    CHECK(record->timestamp == at);
    ++record;
    CHECK(record->offset == offset(2));
    CHECK_FALSE(record->value.has_value());
    const std::vector<std::uint32_t> again{2};
    CHECK(without_others(rewritten->bytes(), again).has_value());
    const std::vector<std::uint32_t> gone{1};
    CHECK_FALSE(without_others(rewritten->bytes(), gone).has_value());
  }
}

TEST_CASE("compaction is for topics with an index of keys and without retention") {
  scene s;
  const topic_cleanup compact = topic_cleanup::compact;
  CHECK(s.create("a", {.cleanup = compact}).code == errc::invalid_settings);
  CHECK(s.create("a", {.retention_bytes = 5, .index = topic_index::key, .cleanup = compact}).code ==
        errc::invalid_settings);
  CHECK(s.create("a", {.index = topic_index::key, .cleanup = compact, .compact_after_ms = -1}).code ==
        errc::invalid_settings);
  CHECK_FALSE(s.create("a", {.index = topic_index::key, .cleanup = compact}));
}

TEST_CASE("the newest record of each key stays, in its place, and others go") {
  compacting s;
  s.put({{"a", "1"}, {"b", "1"}, {"c", "1"}, {"d", "1"}});
  s.put("a", "2");
  s.put("a", "3");
  s.put({{"b", "2"}, {"e", "1"}});
  s.pass(seconds(5));
  CHECK(s.offsets() == numbers{2, 3, 5, 6, 7});
  s.check_sound();

  // A reader in the middle goes on behind what has gone.
  CHECK(s.records(offset(4)).front().at == 5);
  CHECK(s.records(offset(1)).front().at == 2);
  const auto found = s.shard_->plan_key(s.ref("table"), "a", 0, 0);
  REQUIRE_FALSE(found.plan.why);
  CHECK(found.version == 3);
  CHECK(found.records.front().at == offset(5));
  s.stop();
  s.check_sound();
}

TEST_CASE("a partition of which nothing is left at its front can be read from there") {
  compacting s;
  s.put({{"a", "1"}, {"b", "1"}});
  s.put("c", "1");
  s.put({{"a", "2"}, {"b", "2"}, {"c", "2"}});
  s.pass(seconds(5));
  CHECK(s.offsets() == numbers{3, 4, 5});
  const read_plan front = s.shard_->plan_read(s.ref("table"), offset(1), 1);
  CHECK_FALSE(front.why);
  CHECK(front.next == offset(front.batches.empty() ? 3 : 6));
  s.check_sound();
  s.crash();
  CHECK(s.offsets() == numbers{3, 4, 5});
  s.check_sound();
}

TEST_CASE("nothing younger than the lag is compacted") {
  compacting s({.compact_after_ms = 60'000});
  s.put("a", "1");
  s.put("a", "2");
  s.pass(seconds(50));
  CHECK(s.offsets() == numbers{0, 1});
  s.pass(minutes(11));
  CHECK(s.offsets() == numbers{1});
}

TEST_CASE("a round that has begun goes on by itself until it has been everywhere") {
  compacting s;
  constexpr std::uint64_t keys = 600;
  for (int round = 0; round < 20; ++round) {
    std::vector<change> changes;
    for (std::uint64_t k = 0; k < keys; ++k) changes.push_back({"k" + std::to_string(k), "v"});
    s.put(changes);
  }
  s.pass(2 * s.with.retention_interval);  // relocation goes first
  const numbers left = s.offsets();
  CHECK(left.size() == keys);
  CHECK(left.front() == 19 * keys);
}

TEST_CASE("a tombstone stays for its time, and then its key starts over") {
  compacting s({.keep_tombstones_ms = 3'600'000});
  s.put({{"a", "1"}, {"b", "1"}});
  s.put("a", std::nullopt);
  s.pass(minutes(30));
  CHECK(s.offsets() == numbers{1, 2});
  CHECK(s.shard_->plan_key(s.ref("table"), "a", 0, 0).version == 2);
  s.pass(hours(1));
  CHECK(s.offsets() == numbers{1});
  CHECK(s.shard_->plan_key(s.ref("table"), "a", 0, 0).plan.why.code == errc::unknown_key);
  s.put("a", "again");
  CHECK(s.shard_->plan_key(s.ref("table"), "a", 0, 0).version == 1);
  s.check_sound();
}

TEST_CASE("a message id is known while its record is the newest of its key, and for a day in any case") {
  compacting s;
  const auto put_with_id = [&](std::string key, std::string id) {
    append_request request = request_of("table", 0, batch_with({{std::move(key), "1"}}, s.clock.now()));
    append_conditions wants;
    wants.message_id = std::move(id);
    request.conditions = std::make_shared<const append_conditions>(std::move(wants));
    const append_result result = s.append(std::move(request));
    REQUIRE_FALSE(result.why);
    return result;
  };
  CHECK_FALSE(put_with_id("a", "m1").duplicate);
  CHECK_FALSE(put_with_id("b", "m2").duplicate);
  s.put("a", "2");
  s.pass(minutes(11));
  CHECK(s.offsets() == numbers{0, 1, 2});  // for the sake of m1
  CHECK(put_with_id("a", "m1").base_offset == offset(0));
  CHECK(put_with_id("a", "m1").duplicate);

  s.clock.advance(hours(25));
  s.put("c", "1");
  CHECK(put_with_id("b", "m2").duplicate);
  CHECK_FALSE(put_with_id("d", "m1").duplicate);  // whether compaction has been there yet or not
  s.pass(minutes(11));
  CHECK(s.offsets() == numbers{1, 2, 3, 4});
  CHECK(put_with_id("d", "m1").duplicate);
  s.stop();
  s.check_sound();
}

TEST_CASE("what a queue has not settled stays, and goes once it has") {
  compacting s;
  s.put("a", "1");
  s.put("a", "2");
  failure why;
  queue_id queue;
  s.shard_->create_queue("table", "work", {}, false, false, [&](const failure& failed, queue_id made) {
    why = failed;
    queue = made;
  });
  s.settle();
  REQUIRE_FALSE(why);
  s.put("a", "3");
  s.pass(minutes(11));
  CHECK(s.offsets() == numbers{0, 1, 2});
  settle_command settle;
  settle.settled.push_back({queue, partition_id(0), offset(0), offset(2)});
  s.shard_->settle(std::move(settle), [](const failure& failed) { CHECK_FALSE(failed); });
  s.settle();
  s.pass(minutes(11));
  CHECK(s.offsets() == numbers{2});
  s.stop();
  s.check_sound();
}

TEST_CASE("a topic can be set to compact and back, and retention goes on over the gaps") {
  scene s;
  REQUIRE_FALSE(s.create("table", {.retention_ms = 3'600'000, .index = topic_index::key}));
  const auto put = [&](std::string key) {
    REQUIRE_FALSE(s.append(request_of("table", 0, batch_with({{std::move(key), "v"}}, s.clock.now()))).why);
  };
  for (const char* key : {"a", "b", "a", "a", "c"}) put(key);
  s.pass(minutes(20));
  CHECK(s.shard_->plan_read(s.ref("table"), offset(0), 10'000).batches.size() == 5);
  CHECK(s.alter("table", {.cleanup = topic_cleanup::compact}).code == errc::invalid_settings);
  REQUIRE_FALSE(s.alter("table", {.retention_ms = unlimited, .cleanup = topic_cleanup::compact}));
  s.pass(minutes(11));
  CHECK(s.shard_->plan_read(s.ref("table"), offset(0), 10'000).batches.size() == 3);

  REQUIRE_FALSE(s.alter("table", {.retention_ms = 3'600'000, .cleanup = topic_cleanup::delete_old}));
  s.pass(minutes(20));
  put("b");
  put("b");
  s.pass(minutes(20));
  CHECK(s.info("table").log_start == offset(5));
  CHECK(s.shard_->plan_read(s.ref("table"), offset(5), 10'000).batches.size() == 2);
  CHECK(s.shard_->plan_key(s.ref("table"), "a", 0, 0).plan.why.code == errc::unknown_key);
  s.stop();
  verify(s.disk, s.with.directory, s.store,
         [](const finding& one) { CHECK_MESSAGE(one.is != finding::severity::error, to_line(one)); });
}

TEST_CASE("what expires in a compacted topic goes with the rest, and gaps move the log's start along") {
  compacting s;
  append_conditions brief;
  brief.ttl = minutes(30);
  const auto shared = std::make_shared<const append_conditions>(brief);
  for (const char* key : {"a", "b", "a"}) {
    append_request request = request_of("table", 0, batch_with({{key, "1"}}, s.clock.now()));
    request.conditions = shared;
    REQUIRE_FALSE(s.append(std::move(request)).why);
  }
  s.put("c", "1");
  s.pass(minutes(11));
  CHECK(s.offsets() == numbers{1, 2, 3});
  s.pass(minutes(31));
  CHECK(s.offsets() == numbers{3});
  CHECK(s.info("table").log_start == offset(3));
  s.stop();
  s.check_sound();
}

TEST_CASE("looking for a time finds what is left") {
  compacting s;
  s.put({{"a", "1"}, {"b", "1"}});
  s.clock.advance(minutes(1));
  const timestamp later = s.clock.now();
  s.put("b", "2");
  s.put("c", "1");
  s.clock.advance(minutes(1));
  s.put("b", "3");
  s.pass(minutes(11));
  const read_plan found = s.shard_->plan_find(s.ref("table"), later);
  REQUIRE(found.batches.size() == 1);
  CHECK(found.batches.front().base_offset == offset(3));
}

TEST_CASE("space comes back") {
  compacting s;
  std::mt19937 random(7);
  for (int round = 0; round < 40; ++round) {
    for (int i = 0; i < 20; ++i) {
      std::vector<change> changes;
      for (int k = 0; k < 10; ++k)
        changes.push_back({"key" + std::to_string(random() % 50), std::string(300, 'x')});
      s.put(changes);
    }
    s.pass(seconds(3));
  }
  s.pass(minutes(12));
  const statistics is = s.shard_->stats();
  // 2.4 MB were appended; 50 keys with 300 bytes each live.
  CHECK(is.live_bytes < 60'000);
  CHECK(is.journal.segments <= 6);
  CHECK(s.records().size() >= 50);
  CHECK(s.records().size() <= 150);
  s.stop();
  s.check_sound();
}

TEST_CASE("killed at any step of a compaction, it loses nothing, and goes on after it") {
  bool at_rest = false;
  for (int steps = 0; !at_rest; ++steps) {
    CAPTURE(steps);
    compacting s({.compact_after_ms = 60'000, .keep_tombstones_ms = 60'000});
    s.put({{"a", "1"}, {"b", "1"}, {"c", "1"}, {"d", "1"}});
    s.put({{"a", "2"}, {"e", "1"}}, compression::lz4);
    s.put({{"a", "3"}, {"b", std::nullopt}});
    s.put("c", "2");
    s.clock.advance(minutes(11));
    s.runs.pass(s.with.retention_interval);
    for (int step = 0; step < steps && !at_rest; ++step) {
      const bool ran = s.runs.run_one();
      const bool worked = s.worker.run_one();
      at_rest = !s.shard_->step_journal() && !ran && !worked;
    }
    s.crash();
    s.settle();
    std::map<std::string, std::optional<std::string>> newest;
    for (const seen_record& one : s.records()) newest[one.key] = one.value;
    CHECK(newest["a"] == "3");
    CHECK_FALSE(newest["b"].has_value());
    CHECK(newest["c"] == "2");
    CHECK(newest["d"] == "1");
    CHECK(newest["e"] == "1");
    s.pass(minutes(25));
    CHECK(s.offsets() == numbers{3, 5, 6, 8});
    s.stop();
    s.check_sound();
  }
}

TEST_CASE("whatever happens, the newest value of each key is there and deleted keys stay deleted") {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    compacting s(
        {.compact_after_ms = static_cast<std::int64_t>(random() % 3) * 5'000, .keep_tombstones_ms = 60'000},
        seed);
    std::map<std::string, std::pair<std::uint64_t, std::optional<std::string>>> model;  // offset, value
    for (int step = 0; step < 120; ++step) {
      const auto what = random() % 20;
      if (what < 15) {
        std::vector<change> changes;
        for (auto n = 1 + random() % 8; n > 0; --n) {
          std::optional<std::string> value;
          if (random() % 5 > 0) value = std::to_string(step) + std::string(random() % 400, 'v');
          changes.push_back({"k" + std::to_string(random() % 30), value});
        }
        const auto how = random() % 3 == 0 ? compression::lz4 : compression::none;
        std::uint64_t at = s.put(changes, how).value();
        for (const change& one : changes) model[one.key] = {at++, one.value};
      } else if (what < 18) {
        s.pass(seconds(1 + random() % 20));
      } else if (what == 18) {
        s.crash();
      } else {
        s.stop();
        s.crash();
      }
      if (step % 10 != 9) continue;
      std::map<std::string, std::pair<std::uint64_t, std::optional<std::string>>> found;
      std::uint64_t next = 0;
      for (const seen_record& one : s.records()) {
        CHECK(one.at >= next);
        next = one.at + 1;
        found[one.key] = {one.at, one.value};
      }
      for (const auto& [key, newest] : model) {
        CAPTURE(key);
        const auto is = found.find(key);
        if (newest.second) {
          REQUIRE(is != found.end());
          CHECK(is->second == newest);
        } else if (is != found.end()) {
          CHECK(is->second == newest);  // the tombstone, which is there for a while
        }
      }
    }
    s.pass(minutes(12));
    const std::size_t living = static_cast<std::size_t>(
        std::ranges::count_if(model, [](const auto& one) { return one.second.second.has_value(); }));
    CHECK(s.records().size() <= 2 * living + 1);
    s.stop();
    s.check_sound();
  }
}

}  // namespace skald::shard::testing
