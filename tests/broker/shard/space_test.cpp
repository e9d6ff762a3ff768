// Space: it comes back when topics are deleted or trimmed, sparse segments are emptied, and a full disk is
// survived.
#include <doctest/doctest.h>

#include "tests/broker/shard/scene.hpp"

namespace skald::shard::testing {

namespace {

using std::chrono::seconds;

const std::string kilobytes(4'000, 'x');

std::uint32_t segments(const scene& s) {
  return s.shard_->stats().journal.segments;
}

}  // namespace

TEST_CASE("deleting a topic gives its segments back") {
  scene s;
  REQUIRE_FALSE(s.create("big", {.partitions = 4}));
  for (std::uint32_t i = 0; i < 200; ++i) s.append("big", i % 4, kilobytes);
  CHECK(segments(s) > 10);
  REQUIRE_FALSE(s.remove("big"));
  s.pass(seconds(2));
  CHECK(segments(s) <= 2);
  CHECK(s.shard_->stats().live_bytes == 0);
  CHECK(s.store.of(state::table_id::batches).empty());
  CHECK(s.store.of(state::table_id::places).empty());
  CHECK(s.store.of(state::table_id::garbage).empty());
  SUBCASE("which a restart does not undo") {
    s.crash();
    CHECK(segments(s) <= 2);
  }
}

TEST_CASE("deleting a topic clears away what is known of its producers") {
  scene s;
  REQUIRE_FALSE(s.create("t"));
  for (std::uint32_t p = 1; p <= 700; ++p)
    s.append(
        request_of("t", 0, batch_of("x", 1, s.clock.now(), protocol::producer_stamp{producer_id(p), {}, 0})));
  s.pass(seconds(61));
  CHECK(s.store.of(state::table_id::producers).size() == 700);
  REQUIRE_FALSE(s.remove("t"));
  s.pass(seconds(61));
  CHECK(s.store.of(state::table_id::producers).empty());
}

TEST_CASE("a crash while garbage is cleared away loses neither space nor count") {
  scene s;
  REQUIRE_FALSE(s.create("t"));
  REQUIRE_FALSE(s.create("kept"));
  for (int i = 0; i < 1'500; ++i) s.append("t", 0, "small");
  s.append("kept", 0, "it");
  s.shard_->delete_topic("t", [](const failure&) {});
  // Enough turns for the delete and one slice of clearing.
  for (int i = 0; i < 40 && s.shard_->stats().topics == 2; ++i) s.shard_->step_journal(), s.runs.run_one();
  s.runs.run_one();
  s.crash();
  s.settle();
  s.pass(seconds(61));
  CHECK(s.shard_->stats().live_bytes == s.info("kept").bytes);
  CHECK(s.store.of(state::table_id::batches).size() == 1);
}

TEST_CASE("sparse segments are emptied, and what lived in them is still there") {
  scene s;
  REQUIRE_FALSE(s.create("keep"));
  REQUIRE_FALSE(s.create("drop"));
  for (int i = 0; i < 300; ++i) {
    s.append("drop", 0, kilobytes);
    if (i % 10 == 0) s.append("keep", 0, std::to_string(i));
  }
  const std::uint32_t before = segments(s);
  REQUIRE_FALSE(s.remove("drop"));
  for (int i = 0; i < 60; ++i) s.pass(seconds(2));
  CHECK(before > 15);
  CHECK(segments(s) <= 4);
  const auto check = [&] {
    const auto read = s.read("keep");
    REQUIRE(read.size() == 30);
    for (std::size_t i = 0; i < read.size(); ++i) CHECK(read[i].text == std::to_string(10 * i));
  };
  check();
  s.crash();
  check();
  CHECK(s.fatal.empty());
}

TEST_CASE("a batch that has rotted is reported and its segment kept") {
  scene s;
  REQUIRE_FALSE(s.create("keep"));
  REQUIRE_FALSE(s.create("drop"));
  s.append("keep", 0, "precious");
  for (int i = 0; i < 100; ++i) s.append(i >= 20 && i % 10 == 0 ? "keep" : "drop", 0, kilobytes);
  s.pass(seconds(61));
  const auto plan = s.shard_->plan_read(s.ref("keep"), offset(0), 1);
  const journal::place at = plan.batches.at(0).at;
  std::vector<std::string> names;
  REQUIRE_FALSE(s.disk.list("data/journal", names));
  // The first segment's file is the one that verifies there: flip a bit of the batch in it.
  bool flipped = false;
  for (const std::string& name : names) {
    const auto bytes = s.disk.contents("data/journal/" + name);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (text.substr(at.position, at.bytes).find("precious") == std::string_view::npos) continue;
    s.disk.flip_bit("data/journal/" + name, (at.position + at.bytes - 3) * 8u);
    flipped = true;
  }
  REQUIRE(flipped);
  REQUIRE_FALSE(s.remove("drop"));
  for (int i = 0; i < 10; ++i) s.pass(seconds(2));
  CHECK(s.fatal.empty());
  REQUIRE(s.warnings.size() == 1);
  CHECK(s.warnings[0].find("checksum") != std::string::npos);
  CHECK(s.warnings[0].find("offset 0") != std::string::npos);
  CHECK(s.shard_->plan_read(s.ref("keep"), offset(0), 1).batches.at(0).at == at);
  CHECK(s.info("keep").end == offset(9));
}

TEST_CASE("a full disk refuses publishing, goes on reading and deleting, and recovers by itself") {
  scene s;
  s.disk.set_capacity(14 * (64 << 10));
  REQUIRE_FALSE(s.create("t"));
  REQUIRE_FALSE(s.create("u"));
  s.append("u", 0, "kept");
  std::size_t stored = 0;
  append_result last;
  for (; stored < 1'000; ++stored)
    if (last = s.append("t", 0, kilobytes); last.why) break;
  CHECK(last.why.code == errc::storage_full);
  CHECK(last.why.message.find("free space") != std::string::npos);
  CHECK(s.shard_->stats().journal.storage_full);
  CHECK(s.warnings.size() == 1);
  CHECK(s.read("t").size() == stored);

  REQUIRE_FALSE(s.remove("t"));
  s.pass(seconds(2));
  CHECK_FALSE(s.append("u", 0, "again").why);
  CHECK(s.read("u").size() == 2);
  CHECK(s.fatal.empty());
}

TEST_CASE("retention frees a full disk without anybody's help") {
  scene s;
  s.disk.set_capacity(14 * (64 << 10));
  REQUIRE_FALSE(s.create("t", {.retention_ms = 60'000}));
  while (!s.append("t", 0, kilobytes).why) {
  }
  s.pass(seconds(120));
  s.pass(seconds(1));
  s.pass(seconds(1));
  CHECK_FALSE(s.append("t", 0, kilobytes).why);
}

TEST_CASE("a state that cannot be written for want of space refuses publishing until it can") {
  scene s;
  REQUIRE_FALSE(s.create("t"));
  s.append("t", 0, "x");
  s.store.fail_with(errc::storage_full);
  s.pass(seconds(61));
  CHECK(s.append("t", 0, "y").why.code == errc::storage_full);
  CHECK(s.read("t").size() == 1);
  CHECK(s.fatal.empty());
  s.pass(seconds(10));
  CHECK(s.warnings.size() == 1);  // however often it was tried in vain
  s.store.fail_with(errc::ok);
  s.pass(seconds(2));
  REQUIRE(s.warnings.size() == 2);
  CHECK(s.warnings[1].find("room on disk for the state again") != std::string::npos);
  CHECK_FALSE(s.append("t", 0, "y").why);
  CHECK(s.read("t").size() == 2);
}

}  // namespace skald::shard::testing
