// The worked example of broker/journal/README.md, read from the file itself: the journal writes exactly those
// bytes, and they parse to what the text beside them says.
#include <doctest/doctest.h>

#include <array>
#include <fstream>
#include <map>
#include <string>

#include "broker/journal/entry.hpp"
#include "tests/broker/journal/scene.hpp"

namespace skald::journal::testing {

namespace {

// The dumps are the lines "    00001000  59 0b ...", a position and sixteen bytes.
std::map<std::size_t, std::byte> worked_bytes() {
  std::ifstream file(SKALD_JOURNAL_SPECIFICATION);
  std::map<std::size_t, std::byte> bytes;
  for (std::string line; std::getline(file, line);) {
    const bool dump = line.size() > 62 && line.starts_with("    ") && line.substr(12, 2) == "  " &&
                      line.find_first_not_of("0123456789abcdef", 4) == 12;
    if (!dump) continue;
    const std::size_t position = std::stoul(line.substr(4, 8), nullptr, 16);
    for (std::size_t i = 0; i < 16; ++i) {
      bytes[position + i] = std::byte(std::stoul(line.substr(14 + 3 * i, 2), nullptr, 16));
    }
  }
  return bytes;
}

template <std::size_t count>
std::array<std::byte, count> range(const std::map<std::size_t, std::byte>& from, std::size_t position) {
  std::array<std::byte, count> bytes{};
  for (std::size_t i = 0; i < count; ++i) {
    const auto found = from.find(position + i);
    if (found != from.end()) bytes[i] = found->second;
  }
  return bytes;
}

journal_id counting_id() {
  journal_id id;
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = std::byte(i);
  return id;
}

}  // namespace

TEST_CASE("the worked example of the specification is what the journal writes") {
  scene on;
  on.with.new_id = counting_id();
  on.open();
  on.commit({"skald"});
  const auto written = on.disk.contents(on.with.directory / "0000000000000001.segment");
  const auto worked = worked_bytes();
  REQUIRE(worked.size() == 11 * 16);
  for (const auto& [position, value] : worked) {
    CAPTURE(position);
    REQUIRE(written.at(position) == value);
  }
}

TEST_CASE("the worked example of the specification parses to what the text says") {
  const auto worked = worked_bytes();
  segment_header segment;
  REQUIRE(decode(range<segment_header_bytes>(worked, 0), segment) == errc::ok);
  CHECK(segment == segment_header{1, 1, 16384, counting_id()});

  const std::uint32_t seed = checksum_seed(segment.id);
  const auto entry = decode(range<entry_header_bytes>(worked, 0x1000), seed);
  REQUIRE(entry);
  CHECK(entry->payload_bytes == 5);
  CHECK(entry->kind == entry_kind::command);
  CHECK(entry->sequence == 1);
  CHECK(entry->durable == 0);
  CHECK(text_of(range<5>(worked, 0x1038)) == "skald");

  const auto mark = decode(range<entry_header_bytes>(worked, 0x1040), seed);
  REQUIRE(mark);
  CHECK(mark->kind == entry_kind::sync_mark);
  CHECK(mark->sequence == 1);
  CHECK(mark->durable == 1);
}

}  // namespace skald::journal::testing
