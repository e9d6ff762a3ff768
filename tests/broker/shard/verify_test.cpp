// verify finds nothing in a sound directory, and each kind of damage in a damaged one.
#include "broker/shard/verify.hpp"

#include <doctest/doctest.h>

#include <set>

#include "broker/shard/dump.hpp"
#include "broker/state/rows.hpp"
#include "skald/protocol/error.hpp"
#include "tests/broker/shard/scene.hpp"

namespace skald::shard::testing {

namespace {

using state::decode;
using state::encode;
using std::chrono::seconds;

// A directory with some history: topics that live and died, trimmed partitions, producers, a flushed state
// and entries beyond it.
struct directory {
  directory() {
    REQUIRE_FALSE(s.create("t", {.partitions = 2}));
    REQUIRE_FALSE(s.create("trimmed", {.retention_bytes = 300}));
    REQUIRE_FALSE(s.create("gone"));
    const protocol::producer_stamp stamp{producer_id(1), {}, 0};
    s.append(request_of("t", 0, batch_of("idempotent", 2, s.clock.now(), stamp)));
    for (int i = 0; i < 10; ++i) {
      s.append("t", 1, std::to_string(i), 3);
      s.append("trimmed", 0, std::to_string(i));
      s.append("gone", 0, std::to_string(i));
    }
    REQUIRE_FALSE(s.remove("gone"));
    s.pass(seconds(61));
    s.append("t", 0, "beyond the flush");
  }
  std::vector<std::string> check() {
    std::vector<std::string> lines;
    counts = verify(s.disk, "data", s.store, [&](const finding& found) { lines.push_back(to_line(found)); });
    return lines;
  }
  // Whether verify reports this and nothing but errors.
  bool finds(std::string_view what) {
    bool found = false;
    for (const std::string& line : check()) found |= line.find(what) != std::string::npos;
    return found && counts.errors > 0;
  }
  template <class Key, class Row>
  void change(state::table_id table, const Key& key, const Row& row) {
    std::string bytes;
    std::string value;
    encode(key, bytes);
    encode(row, value);
    s.store.of(table)[bytes] = value;
  }
  template <class Row, class Key>
  Row stored(state::table_id table, const Key& key) {
    std::string bytes;
    encode(key, bytes);
    Row row;
    decode(s.store.of(table).at(bytes), row);
    return row;
  }

  scene s;
  verification counts;
};

const state::partition_key examined{topic_id(1), partition_id(1)};
using state::table_id;

}  // namespace

TEST_CASE("a sound directory has no findings, and everything in it was looked at") {
  directory d;
  CHECK(d.check().empty());
  CHECK(d.counts.topics == 2);
  CHECK(d.counts.partitions == 3);
  CHECK(d.counts.replayed == 1);
  CHECK(d.counts.entries > 30);
  CHECK(d.counts.producers == 1);
  CHECK(d.counts.batches == 12 + d.s.read("trimmed").size());
  CHECK(d.counts.batch_bytes == d.s.shard_->stats().live_bytes);
}

TEST_CASE("a directory is sound at every stage of clearing garbage away") {
  scene s;
  REQUIRE_FALSE(s.create("t"));
  for (int i = 0; i < 1'500; ++i) s.append("t", 0, "x");
  s.pass(seconds(61));
  s.shard_->delete_topic("t", [](const failure&) {});
  for (int i = 0; i < 30; ++i) {
    s.shard_->step_journal();
    s.runs.run_one();
    s.worker.run_one();
    verify(s.disk, "data", s.store, [](const finding& found) { FAIL_CHECK(to_line(found)); });
  }
}

TEST_CASE("a flipped bit in a batch is found, with the file") {
  directory d;
  const auto plan = d.s.shard_->plan_read(d.s.ref("t", 1), offset(0), 1);
  const journal::place at = plan.batches.at(0).at;
  std::vector<std::string> names;
  REQUIRE_FALSE(d.s.disk.list("data/journal", names));
  d.s.disk.flip_bit("data/journal/" + names.at(0), (at.position + at.bytes - 2) * 8u);
  CHECK(d.finds("checksum does not match"));
  CHECK(d.finds(names.at(0)));
}

TEST_CASE("every contradiction of the state is found") {
  directory d;
  auto partition = d.stored<state::partition_row>(table_id::partitions, examined);
  auto batch = d.stored<state::batch_row>(table_id::batches, state::batch_key{examined, offset(3)});

  SUBCASE("a batch is not indexed") {
    std::string key;
    encode(state::batch_key{examined, offset(3)}, key);
    d.s.store.of(table_id::batches).erase(key);
    CHECK(d.finds("offsets 3 to 6 are in no batch"));
    CHECK(d.finds("live bytes"));
    CHECK(d.finds("does not"));  // lie at its place
  }
  SUBCASE("a partition's end is wrong") {
    partition.end += 1;
    d.change(table_id::partitions, examined, partition);
    CHECK(d.finds("its batches end at offset 30, it itself at 31"));
  }
  SUBCASE("a partition's bytes are wrong") {
    partition.bytes += 1;
    d.change(table_id::partitions, examined, partition);
    CHECK(d.finds("is said to have"));
  }
  SUBCASE("a batch is indexed with another number of records") {
    batch.records = 2;
    d.change(table_id::batches, state::batch_key{examined, offset(3)}, batch);
    CHECK(d.finds("it has 3 records"));
  }
  SUBCASE("a batch is indexed at another place") {
    batch.at.position += 8;
    d.change(table_id::batches, state::batch_key{examined, offset(3)}, batch);
    CHECK(d.finds("its place is not known"));
  }
  SUBCASE("a batch lies beyond its segment") {
    std::string place;
    encode(state::place_key{batch.at.segment, batch.at.position}, place);
    d.s.store.of(table_id::places).erase(place);
    batch.at.position = 1u << 30;
    d.change(table_id::batches, state::batch_key{examined, offset(3)}, batch);
    d.change(table_id::places, state::place_key{batch.at.segment, batch.at.position},
             state::place_row{state::batch_key{examined, offset(3)}});
    CHECK(d.finds("beyond the end"));
  }
  SUBCASE("the live bytes of a segment are wrong") {
    d.change(table_id::segments, batch.at.segment, state::segment_row{7});
    CHECK(d.finds("is said to have"));
  }
  SUBCASE("a topic lacks a partition") {
    std::string key;
    encode(examined, key);
    d.s.store.of(table_id::partitions).erase(key);
    CHECK(d.finds("partition 1 is missing"));
    CHECK(d.finds("nobody can read it"));
  }
  SUBCASE("a producer of nowhere") {
    d.change(table_id::producers, state::producer_key{{topic_id(77), partition_id(0)}, producer_id(1)},
             state::producer_row{});
    CHECK(d.finds("there is no such partition"));
  }
}

TEST_CASE("dump shows the tables as a start would find them, and the journal") {
  directory d;
  const auto rows = [&](std::vector<std::string> sections) {
    std::vector<dump_row> all;
    dump(d.s.disk, "data", d.s.store, sections, [&](const dump_row& row) { all.push_back(row); });
    return all;
  };
  CHECK(rows({"topics"}).size() == 2);
  CHECK(rows({"partitions"}).size() == 3);
  CHECK(rows({"producers"}).size() == 1);
  CHECK(rows({"journal"}).size() > 30);

  const auto topics = rows({"topics"});
  CHECK(to_text(topics[0]).starts_with("topics topic_id=1 name=\"t\" created_ms="));
  CHECK(to_json(topics[0]).starts_with(
      "{\"section\":\"topics\",\"topic_id\":1,\"name\":\"t\",\"created_ms\":"));

  bool beyond = false;
  for (const dump_row& row : rows({"partitions"}))
    beyond |= to_text(row).starts_with("partitions topic_id=1 partition=0 log_start=0 end=3 ");
  CHECK(beyond);  // two records flushed, one not

  std::set<std::string_view> sections;
  for (const dump_row& row : rows({})) sections.insert(row.section);
  CHECK(sections.size() >= 6);
  CHECK_THROWS_AS(rows({"nonsense"}), const error&);
}

TEST_CASE("texts are escaped as JSON asks") {
  const dump_row row{"topics",
                     {{"name", std::string("a\"b\\c\n")}, {"negative", std::int64_t{-1}}, {"yes", true}}};
  CHECK(to_json(row) == R"({"section":"topics","name":"a\"b\\c\u000a","negative":-1,"yes":true})");
}

}  // namespace skald::shard::testing
