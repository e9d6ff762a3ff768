// What a journal makes of what it finds: clean ends, torn tails, rotten entries, missing files.
#include <doctest/doctest.h>

#include "broker/journal/entry.hpp"
#include "tests/broker/journal/scene.hpp"

namespace skald::journal::testing {

namespace {

using texts = std::vector<std::string>;

std::uint64_t begin_of(const durable_entry& entry) {
  return entry.payload.position - entry_header_bytes;
}

// Makes the bytes of an entry what they were before it was written: a sector that did not get out.
void unwrite(scene& on, const durable_entry& entry) {
  auto bytes = on.disk.contents(on.path(entry.payload.segment));
  const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(begin_of(entry));
  std::fill(begin, begin + static_cast<std::ptrdiff_t>(stored_bytes(entry.payload.bytes)), std::byte{0});
  on.disk.replace(on.path(entry.payload.segment), bytes);
}

}  // namespace

TEST_CASE("what was committed is replayed in order after a restart, and once") {
  scene on;
  on.open();
  CHECK(on.replayed.empty());
  on.commit({"one", "", "three"});
  on.commit({"four"});
  on.stop();

  on.open();
  CHECK(on.replayed == texts{"one", "", "three", "four"});
  on.commit({"five"});
  on.stop();
  on.open();
  CHECK(on.replayed == texts{"one", "", "three", "four", "five"});
  CHECK(on.report.entries == 5);
  CHECK(on.report.torn_bytes == 0);
}

TEST_CASE("replay starts at the replay point") {
  scene on;
  on.open();
  on.commit({"one", "two", "three"});
  const replay_point from = on.log->point_after(on.seen->durable()[1]);
  on.stop();
  on.open(from);
  CHECK(on.replayed == texts{"three"});
}

TEST_CASE("index and sequence count on after a restart that has nothing to replay") {
  scene on;
  on.open();
  on.commit({"one", "two"});
  const replay_point from = on.log->point_after(on.seen->durable()[1]);
  on.stop();
  on.open(from);
  CHECK(on.replayed.empty());
  on.commit({"three"});
  CHECK(on.seen->durable().at(0).sequence == sequence(3));
  CHECK(on.seen->durable().at(0).index == log_index(3));
}

TEST_CASE("a local entry has the index of the command before it") {
  scene on;
  on.open();
  std::vector<new_entry> both;
  both.push_back(entry_of("command"));
  both.push_back(entry_of("moved", entry_kind::local));
  both.push_back(entry_of("command"));
  REQUIRE(!on.log->append(std::move(both)));
  on.settle();
  on.stop();
  on.open();
  REQUIRE(on.entries.size() == 3);
  CHECK(on.entries[1].kind == entry_kind::local);
  CHECK(on.entries[1].sequence == sequence(2));
  CHECK(on.entries[0].index == log_index(1));
  CHECK(on.entries[1].index == log_index(1));
  CHECK(on.entries[2].index == log_index(2));
}

TEST_CASE("a torn entry at the end is cut off, and its sequence is used again") {
  scene on;
  on.open();
  on.commit({"kept"});
  on.commit({"torn"});
  const durable_entry torn = on.seen->durable()[1];
  on.crash();
  unwrite(on, torn);  // together with the mark behind it, which was never synced
  auto bytes = on.disk.contents(on.path(torn.payload.segment));
  std::fill(bytes.begin() + torn.payload.position, bytes.end(), std::byte{0});
  on.disk.replace(on.path(torn.payload.segment), bytes);

  on.open();
  CHECK(on.replayed == texts{"kept"});
  on.commit({"again"});
  CHECK(on.seen->durable()[0].sequence == sequence(2));
  CHECK(on.seen->durable()[0].payload.position == torn.payload.position);
}

TEST_CASE("a group of several pieces is whole, or cut off where it was torn, wherever the power fails") {
  // Larger and smaller than a piece, and none of them of whole pages.
  texts large;
  for (int i = 0; i < 5; ++i) large.push_back(sized(static_cast<char>('a' + i), 150'001));
  large.push_back(sized('f', 900'007));
  const auto prepare = [](scene& on) {
    on.with.segment_bytes = 4u << 20;
    on.with.group_bytes_max = 2u << 20;
    on.open();
    on.commit({"kept"});
  };
  scene whole;
  prepare(whole);
  const std::uint64_t before = whole.disk.writing_operations();
  whole.commit(large);
  REQUIRE(whole.seen->groups() == std::vector<std::size_t>{1, 6});
  const std::uint64_t operations = whole.disk.writing_operations() - before;
  CHECK(operations >= 6);  // some pieces, the sync and the mark
  whole.kill();
  whole.open();
  REQUIRE(whole.replayed.size() == 7);
  CHECK(std::equal(large.begin(), large.end(), whole.replayed.begin() + 1));

  for (std::uint64_t done = 0; done < operations; ++done) {
    scene torn(done + 1);
    prepare(torn);
    torn.disk.lose_power_after(done);
    torn.commit(large);
    const std::size_t promised = torn.seen->durable().size();
    torn.crash();
    torn.open();
    REQUIRE(torn.replayed.size() >= promised);
    CHECK(torn.replayed.front() == "kept");
    CHECK(std::equal(torn.replayed.begin() + 1, torn.replayed.end(), large.begin()));
    torn.commit({"next"});
    CHECK(torn.read(torn.seen->durable().at(0).payload) == "next");
  }
}

TEST_CASE("entries that survived behind the cut of a torn group are never believed again") {
  // A group of three, of which the first got lost. What is written in its place ends exactly where the second
  // begins: had writing gone on there, the old second would pass for the successor of the new first.
  scene on;
  on.open();
  on.commit({"kept"});
  on.commit({"first", "old 2", "old 3"});
  const std::vector<durable_entry> was = on.seen->durable();
  on.kill();
  unwrite(on, was[1]);
  auto bytes = on.disk.contents(on.path(was[3].payload.segment));
  std::fill(bytes.begin() + was[3].payload.position + 8, bytes.end(), std::byte{0});  // the mark
  on.disk.replace(on.path(was[3].payload.segment), bytes);

  on.open();
  CHECK(on.replayed == texts{"kept"});
  CHECK(on.report.torn_bytes > 0);
  CHECK_MESSAGE(on.report.note.find("after sequence 1") != std::string::npos, on.report.note);
  on.commit({"new 1"});
  CHECK(on.seen->durable()[0].payload.segment != was[1].payload.segment);
  on.kill();

  on.open();
  CHECK(on.replayed == texts{"kept", "new 1"});
  on.commit({"new 2"});
  on.stop();
  on.open();
  CHECK(on.replayed == texts{"kept", "new 1", "new 2"});
}

TEST_CASE("a rotten entry with later groups behind it is corruption, named with its place") {
  scene on;
  on.open();
  on.commit({"one"});
  on.commit({"two"});
  on.commit({"three"});
  const durable_entry rotten = on.seen->durable()[1];
  on.crash();
  on.disk.flip_bit(on.path(rotten.payload.segment), (rotten.payload.position + 1) * 8);

  const error refused = on.refusal();
  CHECK(refused.code() == errc::storage_corrupt);
  CHECK_MESSAGE(refused.message().find(on.path(rotten.payload.segment).string()) == 0, refused.message());
  CHECK_MESSAGE(refused.message().find("position " + std::to_string(begin_of(rotten))) != std::string::npos,
                refused.message());
  CHECK_MESSAGE(refused.message().find("lost: sequence 2,") != std::string::npos, refused.message());
}

TEST_CASE("a rotten entry of the last group is noticed by the mark after a kill") {
  scene on;
  on.open();
  on.commit({"one"});
  on.commit({"two", "three"});
  const durable_entry rotten = on.seen->durable()[1];
  on.kill();
  on.disk.flip_bit(on.path(rotten.payload.segment), rotten.payload.position * 8);
  CHECK(on.refusal().code() == errc::storage_corrupt);
}

TEST_CASE("a rotten entry is noticed when only a later segment proves it") {
  scene on;
  on.open();
  on.commit({sized('a', 11'000)});
  on.commit({sized('b', 11'000)});  // does not fit the rest of the first segment
  const std::vector<durable_entry> was = on.seen->durable();
  REQUIRE(was[0].payload.segment != was[1].payload.segment);
  on.crash();
  on.disk.flip_bit(on.path(was[0].payload.segment), begin_of(was[0]) * 8 + 70);
  CHECK(on.refusal().code() == errc::storage_corrupt);
}

TEST_CASE("the first entry of a segment that rots is noticed by those behind it") {
  scene on;
  on.open();
  on.commit({sized('a', 11'000)});
  on.commit({sized('b', 2'000)});
  on.commit({"c"});
  const durable_entry rotten = on.seen->durable()[1];
  on.crash();
  on.disk.flip_bit(on.path(rotten.payload.segment), rotten.payload.position * 8);
  CHECK(on.refusal().code() == errc::storage_corrupt);
}

TEST_CASE("a segment missing in the middle is corruption") {
  scene on;
  on.open();
  for (const char letter : {'a', 'b', 'c'}) on.commit({sized(letter, 11'000)});
  const auto middle = on.seen->durable()[1].payload.segment;
  on.stop();
  REQUIRE(!on.disk.remove(on.path(middle)));
  const error refused = on.refusal();
  CHECK(refused.code() == errc::storage_corrupt);
  CHECK_MESSAGE(refused.message().find("lost: sequence 2,") != std::string::npos, refused.message());
}

TEST_CASE("a state ahead of its journal is corruption") {
  scene on;
  on.open();
  on.commit({"one", "two", "three"});
  const std::vector<durable_entry> was = on.seen->durable();
  const replay_point after_three = on.log->point_after(was[2]);
  on.stop();

  SUBCASE("the segment of the replay point is missing") {
    REQUIRE(!on.disk.remove(on.path(was[0].payload.segment)));
  }
  SUBCASE("the segment is an older copy") {
    unwrite(on, was[2]);
  }
  SUBCASE("the segment is that of another time") {
    unwrite(on, was[0]);
  }
  CHECK(on.refusal(after_three).code() == errc::storage_corrupt);
}

TEST_CASE("a state without any journal is corruption") {
  scene on;
  CHECK(on.refusal({sequence(5), generation(2), 8192}).code() == errc::storage_corrupt);
  CHECK(on.refusal({sequence(5), generation(0), 0}).code() == errc::storage_corrupt);
}

TEST_CASE("damage before the replay point does not matter to what is replayed") {
  scene on;
  on.open();
  on.commit({"one", "two", "three"});
  const durable_entry first = on.seen->durable()[0];
  const replay_point from = on.log->point_after(on.seen->durable()[1]);
  on.stop();
  on.disk.flip_bit(on.path(first.payload.segment), first.payload.position * 8);
  on.open(from);
  CHECK(on.replayed == texts{"three"});
}

TEST_CASE("a damaged, renamed, cut or newer segment header refuses with its own words") {
  scene on;
  on.open();
  on.commit({"one"});
  const auto path = on.path(on.seen->durable()[0].payload.segment);
  on.stop();
  auto bytes = on.disk.contents(path);
  errc expected = errc::storage_corrupt;
  std::string words;
  SUBCASE("damaged") {
    on.disk.flip_bit(path, 20 * 8);
    words = "header of the segment is damaged";
  }
  SUBCASE("renamed") {
    REQUIRE(!on.disk.rename(path, on.path(generation(0x77))));
    words = "renamed";
  }
  SUBCASE("cut") {
    bytes.resize(8192);
    on.disk.replace(path, bytes);
    words = "cut short";
  }
  SUBCASE("newer") {
    segment_header header;
    const auto front = std::span(bytes).first<segment_header_bytes>();
    REQUIRE(decode(front, header) == errc::ok);
    header.format = format_version + 1;
    encode(header, front);
    on.disk.replace(path, bytes);
    expected = errc::unsupported_version;
    words = "use a newer skaldd";
  }
  SUBCASE("of another journal") {
    segment_header header;
    const auto front = std::span(bytes).first<segment_header_bytes>();
    REQUIRE(decode(front, header) == errc::ok);
    header.generation = 0x99;
    header.id.fill(std::byte{1});
    encode(header, front);
    on.disk.replace(on.path(generation(0x99)), bytes);
    words = "another journal";
  }
  const error refused = on.refusal();
  CHECK(refused.code() == expected);
  CHECK_MESSAGE(refused.message().find(words) != std::string::npos, refused.message());
}

TEST_CASE("a disk that cannot be read refuses with the system's words") {
  scene on;
  on.open();
  on.commit({"one"});
  const auto path = on.path(on.seen->durable()[0].payload.segment);
  on.stop();
  on.disk.fail_reads_of(path, std::errc::io_error);
  const error refused = on.refusal();
  CHECK(refused.code() == errc::storage_error);
  CHECK_MESSAGE(refused.message().find(path.string()) == 0, refused.message());
}

TEST_CASE("what is replayed after a kill survives a loss of power from then on") {
  // The first process was killed between write and sync: the entries are in the page cache only.
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    scene on(seed);
    on.open();
    on.commit({"one"});
    REQUIRE(!on.append("two"));
    on.disk.fail_after(1, std::errc::io_error);  // the write succeeds, the sync does not
    on.settle();
    REQUIRE(!on.seen->fatal().empty());
    on.kill();

    on.open();
    REQUIRE(on.replayed == texts{"one", "two"});
    on.crash();
    on.open();
    CAPTURE(seed);
    CHECK(on.replayed == texts{"one", "two"});
  }
}

}  // namespace skald::journal::testing
