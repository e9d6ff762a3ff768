// Segments come and go: preparation, recycling, pins, and a disk that fills up.
#include <doctest/doctest.h>

#include <algorithm>

#include "broker/journal/entry.hpp"
#include "tests/broker/journal/scene.hpp"

namespace skald::journal::testing {

namespace {

constexpr std::size_t most_of_a_segment = 11'000;

// Entries that take a segment each.
std::vector<new_entry> segments_full(std::size_t count) {
  std::vector<new_entry> entries(count);
  for (new_entry& each : entries) each = entry_of(sized('x', most_of_a_segment));
  return entries;
}

// Appends and commits entries of a segment each until refused; returns how many were accepted.
std::size_t fill(scene& on, urgency how = urgency::normal) {
  for (std::size_t accepted = 0; accepted < 100; ++accepted) {
    if (const auto refused = on.append(sized('x', most_of_a_segment), how)) {
      CHECK(refused == errc::storage_full);
      return accepted;
    }
    on.settle();
  }
  return 100;
}

std::size_t count_spares(scene& on) {
  const auto names = on.files();
  return static_cast<std::size_t>(
      std::ranges::count_if(names, [](const std::string& name) { return name.starts_with("spare-"); }));
}

}  // namespace

TEST_CASE("the next segments are ready before they are needed") {
  scene on;
  on.open();
  on.settle();
  CHECK(on.files().size() == 2);
  CHECK(on.log->segments().empty());
  on.commit({"one"});
  CHECK(on.files().size() == 3);
  CHECK(on.log->segments().size() == 1);
}

TEST_CASE("a journal with time to spare finds the blocks of its next segments written, each once") {
  scene on;
  const std::uint64_t to_fill = on.with.segment_bytes - segment_header_bytes;
  on.open();
  on.settle();
  CHECK(on.disk.zeros_written() == 2 * to_fill);
  on.commit({"one"});
  CHECK(on.disk.zeros_written() == 3 * to_fill);
  for (int i = 0; i < 3; ++i) on.commit({sized('x', most_of_a_segment)});
  const std::uint64_t grown = on.disk.zeros_written();
  CHECK(grown == (2 + on.log->segments().size()) * to_fill);
  on.log->release(on.log->segments().front());
  on.log->release(on.log->segments().front());
  for (int i = 0; i < 2; ++i) on.commit({sized('x', most_of_a_segment)});
  CHECK(on.disk.zeros_written() == grown);
}

TEST_CASE("an entry larger than a segment is refused, the largest that fits is not") {
  scene on;
  on.open();
  CHECK(on.append(sized('x', payload_bytes_max(on.with) + 1)) == errc::batch_too_large);
  CHECK(!on.append(sized('x', payload_bytes_max(on.with))));
  on.commit({"next"});
  CHECK(on.seen->durable().size() == 2);
  on.stop();
  on.open();
  CHECK(on.replayed.at(0).size() == payload_bytes_max(on.with));
}

TEST_CASE("a group that does not fit its segment goes on in the next, by a sync of its own") {
  scene on;
  on.with.group_bytes_max = 64u << 10;
  on.open();
  on.settle();
  const auto syncs = on.log->stats().syncs;
  for (int i = 0; i < 3; ++i) REQUIRE(!on.append(sized('x', 6'000)));
  on.settle();
  CHECK(on.log->stats().syncs == syncs + 2);
  CHECK(on.seen->groups() == std::vector<std::size_t>{2, 1});
}

TEST_CASE("a released segment is written again, under another generation and without changing its size") {
  scene on;
  on.open();
  for (int i = 0; i < 3; ++i) on.commit({sized('x', most_of_a_segment)});
  const generation first = on.log->segments().front();
  const auto files = on.files().size();
  on.log->release(first);
  on.settle();
  CHECK(on.log->stats().spares == 1);
  CHECK(on.log->pin(first) == nullptr);
  on.commit({sized('x', most_of_a_segment)});
  CHECK(on.log->stats().spares == 0);
  CHECK(on.files().size() == files);
  CHECK(std::ranges::count(on.log->segments(), first) == 0);
}

TEST_CASE("a pinned segment stays as it is until the last pin goes") {
  scene on;
  on.open();
  on.commit({"precious"});
  const place where = on.seen->durable()[0].payload;
  on.commit({sized('x', most_of_a_segment), sized('x', most_of_a_segment)});
  segment_pin pin = on.log->pin(where.segment);
  on.log->release(where.segment);
  on.settle();
  CHECK(on.log->stats().spares == 0);

  std::string text(where.bytes, '?');
  const iovec part{text.data(), text.size()};
  CHECK(!read(*pin, where.position, {&part, 1}, file::blocking::allowed));
  CHECK(text == "precious");
  pin.reset();
  on.settle();
  CHECK(on.log->stats().spares == 1);
}

TEST_CASE("a pin may outlive its journal") {
  scene on;
  on.open();
  on.commit({"precious", sized('x', most_of_a_segment), sized('x', most_of_a_segment)});
  const generation first = on.log->segments().front();
  segment_pin pin = on.log->pin(first);
  on.log->release(first);
  on.stop();
  pin.reset();
  on.open();
  CHECK(on.log->segments().front() == first);
}

TEST_CASE("a segment with entries that are not yet durable cannot be released by mistake") {
  scene on;
  on.open();
  on.commit({"one"});
  for (int i = 0; i < 2; ++i) REQUIRE(!on.append(sized('x', most_of_a_segment)));
  for (const generation each : on.log->segments()) CHECK_THROWS_AS(on.log->release(each), std::logic_error);
  on.settle();
  CHECK(on.seen->durable().size() == 3);
}

TEST_CASE("spares beyond the limit are removed") {
  scene on;
  on.with.spare_segments_max = 1;
  on.open();
  for (int i = 0; i < 6; ++i) on.commit({sized('x', most_of_a_segment)});
  const auto all = on.log->segments();
  for (std::size_t i = 0; i < 4; ++i) on.log->release(all[i]);
  on.settle();
  CHECK(count_spares(on) == 1);
  CHECK(on.log->stats().spares == 1);
}

TEST_CASE("segments prepared in vain are spare after a restart") {
  scene on;
  on.open();
  on.commit({"one"});
  const auto files = on.files().size();
  on.stop();
  on.open();
  CHECK(count_spares(on) == 2);
  on.commit({sized('x', most_of_a_segment), sized('x', most_of_a_segment)});
  CHECK(on.files().size() == files + 1);
}

TEST_CASE("spares of another size are removed at open, segments of another size stay readable") {
  scene on;
  on.open();
  on.commit({"old size"});
  on.stop();
  on.with.segment_bytes = 32u << 10;
  on.open();
  CHECK(on.replayed == std::vector<std::string>{"old size"});
  CHECK(count_spares(on) == 0);
  on.commit({sized('x', 12'000), sized('x', 20'000)});
  CHECK(on.seen->durable().size() == 2);
  on.log->release(on.log->segments().front());
  on.settle();
  CHECK(count_spares(on) == 0);
}

TEST_CASE("a full disk refuses publishes and loses nothing that was accepted") {
  scene on;
  on.disk.set_capacity(5 * on.with.segment_bytes);
  on.open();
  CHECK(fill(on) == 4);
  CHECK(on.log->stats().storage_full);
  CHECK(on.seen->fatal().empty());
  on.stop();
  on.open();
  CHECK(on.replayed.size() == 4);
}

TEST_CASE("what frees space still gets through on a full disk, also after a restart") {
  scene on;
  on.disk.set_capacity(5 * on.with.segment_bytes);
  on.open();
  fill(on);
  CHECK(on.append(sized('x', 2'000)) == errc::storage_full);  // would need the segment in reserve
  on.stop();
  on.open();
  on.settle();
  CHECK(on.append(sized('x', 2'000)) == errc::storage_full);
  CHECK(!on.append(sized('x', 2'000), urgency::frees_space));
  CHECK(on.append("tiny") == errc::storage_full);  // from here on the rest is for trims alone
  CHECK(!on.append("trim", urgency::frees_space));
  on.settle();
  on.stop();
  on.open();
  CHECK(on.replayed.back() == "trim");
}

TEST_CASE("even what frees space is refused once the reserve is used up, and nothing breaks") {
  scene on;
  on.disk.set_capacity(5 * on.with.segment_bytes);
  on.open();
  CHECK(fill(on) == 4);
  CHECK(fill(on, urgency::frees_space) == 1);
  CHECK(on.seen->fatal().empty());
  CHECK(on.seen->durable().size() == 5);
}

TEST_CASE("releasing a segment ends the refusal, and says so once") {
  scene on;
  on.disk.set_capacity(5 * on.with.segment_bytes);
  on.open();
  fill(on);
  on.settle();
  CHECK(on.seen->spaces() == 0);
  on.log->release(on.log->segments().front());
  on.settle();
  CHECK(on.seen->spaces() == 1);
  CHECK(!on.log->stats().storage_full);
  CHECK(fill(on) == 1);
}

TEST_CASE("room made by others ends the refusal") {
  scene on;
  on.disk.set_capacity(5 * on.with.segment_bytes);
  on.open();
  fill(on);
  on.disk.set_capacity(20 * on.with.segment_bytes);
  on.settle();
  CHECK(on.seen->spaces() == 1);
  CHECK(fill(on) > 5);
}

TEST_CASE("the reserve of free bytes is left alone") {
  scene on;
  on.with.reserve_bytes = 40'000;
  on.disk.set_capacity(10 * on.with.segment_bytes);
  on.open();
  fill(on);
  std::uint64_t free = 0;
  REQUIRE(!on.disk.free_bytes(on.with.directory, free));
  CHECK(free >= on.with.reserve_bytes);
  CHECK(free < on.with.reserve_bytes + on.with.segment_bytes);
}

TEST_CASE("a journal opens on a disk without any room") {
  scene on;
  on.disk.set_capacity(0);
  on.open();
  CHECK(on.append("one") == errc::storage_full);
  on.disk.set_capacity(10 * on.with.segment_bytes);
  on.settle();
  CHECK(on.seen->spaces() == 1);
  CHECK(!on.append("one"));
}

TEST_CASE("an append of several entries is accepted as a whole or not at all") {
  scene on;
  on.disk.set_capacity(5 * on.with.segment_bytes);
  on.open();
  CHECK(on.log->append(segments_full(6)) == errc::storage_full);
  on.settle();
  CHECK(on.seen->durable().empty());
  CHECK(on.log->queued_bytes() == 0);
  on.commit({"one"});
  CHECK(on.seen->durable().at(0).sequence == sequence(1));
}

TEST_CASE("a large append that was refused hears of it when there is room for all of it") {
  scene on;
  on.disk.set_capacity(5 * on.with.segment_bytes);
  on.open();
  CHECK(on.log->append(segments_full(6)) == errc::storage_full);
  on.settle();
  CHECK(on.seen->spaces() == 0);
  on.disk.set_capacity(10 * on.with.segment_bytes);
  on.settle();
  CHECK(on.seen->spaces() == 1);
  CHECK(!on.log->append(segments_full(6)));
}

TEST_CASE("segment sizes that cannot work are refused") {
  scene on;
  for (const std::uint64_t bytes : {0ull, 4096ull, 16385ull, 4ull << 30}) {
    on.with.segment_bytes = bytes;
    CHECK(on.refusal().code() == errc::invalid_settings);
  }
}

}  // namespace skald::journal::testing
