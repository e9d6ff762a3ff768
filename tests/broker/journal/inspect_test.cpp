#include "broker/journal/inspect.hpp"

#include <doctest/doctest.h>

#include <random>

#include "tests/broker/journal/scene.hpp"
#include "tests/effort.hpp"

namespace skald::journal::testing {

namespace {

class notes final : public inspector {
 public:
  void on_segment(const std::filesystem::path&, const segment_header&) override {}
  void on_entry(const std::filesystem::path&, std::uint64_t, const entry_header& header,
                std::span<const std::byte> payload) override {
    if (header.kind != entry_kind::sync_mark) texts.push_back(text_of(payload));
  }
  void on_defect(const defect& found) override { defects.push_back(found); }

  std::vector<std::string> texts;
  std::vector<defect> defects;
};

}  // namespace

TEST_CASE("a sound journal is reported entry by entry, without a defect and without a change") {
  scene on;
  on.open();
  on.commit({"one", "two"});
  on.commit({sized('x', 11'000), sized('y', 11'000)});
  const replay_point from = on.log->point_after(on.seen->durable()[2]);
  on.stop();
  const auto operations = on.disk.writing_operations();

  for (const std::optional<replay_point> state : {std::optional<replay_point>(), std::optional(from)}) {
    notes found;
    const inspection totals = inspect(on.disk, on.with.directory, state, found);
    CHECK(found.texts == std::vector<std::string>{"one", "two", sized('x', 11'000), sized('y', 11'000)});
    CHECK(found.defects.empty());
    CHECK(totals.entries == 4);
    CHECK(totals.torn_bytes == 0);
  }
  CHECK(on.disk.writing_operations() == operations);
}

TEST_CASE(
    "any flipped bit in any segment is one defect, in its file, and the other entries are still listed") {
  for (std::uint64_t seed = 1; seed <= tests::effort(500); ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    scene on(seed);
    on.open();
    for (std::size_t i = 0; i < 8; ++i)
      on.commit({sized('a', random() % 4'000), sized('b', random() % 4'000)});
    const std::vector<durable_entry> durable = on.seen->durable();
    on.stop();
    const durable_entry& hit = durable[random() % durable.size()];
    const std::uint64_t bits = (entry_header_bytes + hit.payload.bytes) * 8;
    on.disk.flip_bit(on.path(hit.payload.segment),
                     (hit.payload.position - entry_header_bytes) * 8 + random() % bits);

    notes found;
    const inspection totals = inspect(on.disk, on.with.directory, {}, found);
    REQUIRE(totals.defects == 1);
    CHECK(found.defects[0].file == on.path(hit.payload.segment));
    CHECK(found.defects[0].position == hit.payload.position - entry_header_bytes);
    CHECK(found.texts.size() >= durable.size() - 2);
  }
}

TEST_CASE("a torn tail is no defect") {
  scene on;
  on.open();
  on.commit({"kept"});
  on.commit({"torn 1", "torn 2"});
  const durable_entry torn = on.seen->durable()[1];
  const durable_entry last = on.seen->durable()[2];
  on.kill();
  auto bytes = on.disk.contents(on.path(torn.payload.segment));
  bytes[torn.payload.position] ^= std::byte{1};
  std::fill(bytes.begin() + last.payload.position + 8, bytes.end(), std::byte{0});  // the mark
  on.disk.replace(on.path(torn.payload.segment), bytes);
  notes found;
  const inspection totals = inspect(on.disk, on.with.directory, {}, found);
  CHECK(totals.defects == 0);
  CHECK(totals.torn_bytes > 0);
  CHECK(found.texts == std::vector<std::string>{"kept"});
}

TEST_CASE("with the state's replay point, missing segments are defects; without, they pass for released") {
  scene on;
  on.open();
  for (const char letter : {'a', 'b', 'c'}) on.commit({sized(letter, 11'000)});
  const std::vector<durable_entry> durable = on.seen->durable();
  const replay_point after_first = on.log->point_after(durable[0]);
  const replay_point after_last = on.log->point_after(durable[2]);
  on.stop();
  notes found;
  SUBCASE("in the middle") {
    REQUIRE(!on.disk.remove(on.path(durable[1].payload.segment)));
    CHECK(inspect(on.disk, on.with.directory, {}, found).defects == 0);
    CHECK(inspect(on.disk, on.with.directory, after_last, found).defects == 0);
    CHECK(inspect(on.disk, on.with.directory, after_first, found).defects == 1);
    CHECK(inspect(on.disk, on.with.directory, replay_point{}, found).defects == 1);
  }
  SUBCASE("at the replay point") {
    REQUIRE(!on.disk.remove(on.path(durable[2].payload.segment)));
    CHECK(inspect(on.disk, on.with.directory, {}, found).defects == 0);
    CHECK(inspect(on.disk, on.with.directory, after_last, found).defects == 1);
  }
}

TEST_CASE("an unreadable or damaged segment is a defect, and the others are still looked at") {
  scene on;
  on.open();
  for (const char letter : {'a', 'b'}) on.commit({sized(letter, 11'000)});
  const auto path = on.path(on.seen->durable()[0].payload.segment);
  on.stop();
  SUBCASE("unreadable") {
    on.disk.fail_reads_of(path, std::errc::io_error);
  }
  SUBCASE("damaged header") {
    on.disk.flip_bit(path, 100);
  }
  notes found;
  CHECK(inspect(on.disk, on.with.directory, {}, found).defects == 1);
  CHECK(found.defects.at(0).file == path);
  CHECK(found.texts == std::vector<std::string>{sized('b', 11'000)});
}

}  // namespace skald::journal::testing
