#include "broker/server/record_selection.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>

#include "protocol/wire.hpp"

namespace skald::server {
namespace {

using bytes = std::vector<std::byte>;

timestamp at_ms(std::int64_t ms) {
  return timestamp(std::chrono::milliseconds(ms));
}

// Records with the keys "k<offset % 3>" and the values "v<offset>"; every fifth is a tombstone.
bytes batch(std::uint64_t base, std::uint64_t count, compression how = compression::none) {
  protocol::batch_builder builder;
  const protocol::header_view headers[] = {{"kind", "sample"}, {"none", std::nullopt}};
  for (std::uint64_t at = base; at < base + count; ++at) {
    const std::string key = "k" + std::to_string(at % 3);
    const std::string value = "v" + std::to_string(at);
    std::optional<std::string_view> content = value;
    if (at % 5 == 0) content.reset();
    REQUIRE(builder.append(key, content, headers, at_ms(1000 + static_cast<std::int64_t>(at))) == errc::ok);
  }
  bytes made = builder.finish({.compression = how, .producer = protocol::producer_stamp{producer_id(1), {}}});
  protocol::patch_base_offset(made, offset(base), 7);
  return made;
}

bytes joined(const std::vector<bytes>& batches) {
  bytes all;
  for (const bytes& one : batches) all.insert(all.end(), one.begin(), one.end());
  return all;
}

struct scene {
  std::shared_ptr<block_pool> memory = std::make_shared<block_pool>(1 << 20, 4096, 1 << 16);
  protocol::batch_decoder decoder;
  record_selection selection;
};

// Checks that the selection is what `batch` made, and returns its offsets.
std::vector<std::uint64_t> check_selected(const selected_records& selected) {
  if (selected.payload.empty()) {
    CHECK(selected.offsets.empty());
    return {};
  }
  const auto parsed = protocol::batch_view::parse(selected.payload.bytes());
  REQUIRE(parsed.has_value());
  CHECK(parsed->size() == selected.payload.size());
  CHECK(parsed->compression_code() == 0);
  CHECK_FALSE(parsed->producer().has_value());
  protocol::batch_decoder decoder;
  const auto records = decoder.check(*parsed);
  REQUIRE(records.has_value());
  REQUIRE(records->size() == selected.offsets.size());
  auto expected = selected.offsets.begin();
  for (const protocol::record_view& record : *records) {
    const std::uint64_t at = *expected++;
    CHECK(record.key == "k" + std::to_string(at % 3));
    CHECK(record.value.has_value() == (at % 5 != 0));
    if (record.value) CHECK(*record.value == "v" + std::to_string(at));
    CHECK(record.timestamp == at_ms(1000 + static_cast<std::int64_t>(at)));
    CHECK(record.headers.size() == 2);
  }
  return selected.offsets;
}

using offsets = std::vector<std::uint64_t>;

bool is_k1(const protocol::record_view& record) {
  return record.key == "k1";
}

}  // namespace

TEST_CASE("what a predicate says is selected from all batches, compressed or not, with its offsets") {
  scene s;
  s.selection.begin(offset(2), {});
  const auto added =
      s.selection.add(joined({batch(0, 5), batch(5, 6, compression::lz4), batch(20, 3)}), is_k1);
  REQUIRE(added.has_value());
  CHECK(*added);
  CHECK(s.selection.size() == 4);
  CHECK(s.selection.next() == offset(23));
  CHECK(check_selected(s.selection.take(*s.memory)) == offsets{4, 7, 10, 22});
}

TEST_CASE("nothing selected is no payload, and still progress") {
  scene s;
  s.selection.begin(offset(3), {});
  REQUIRE(s.selection.add(batch(0, 9), [](const auto&) { return false; }).value());
  CHECK(s.selection.empty());
  CHECK(s.selection.next() == offset(9));
  CHECK(s.selection.take(*s.memory).payload.empty());
  CHECK(s.memory->used_bytes() == 0);
}

TEST_CASE("a listed selection takes those offsets, and does not look into other batches") {
  scene s;
  bytes unwanted = batch(10, 10);
  unwanted.back() ^= std::byte{1};
  const std::vector wanted{offset(1), offset(4), offset(9), offset(20), offset(21), offset(99)};
  listed_offsets list(wanted);
  s.selection.begin(offset(0), {});
  REQUIRE(s.selection.add(batch(0, 10), list).value());
  REQUIRE(s.selection.add(joined({unwanted, batch(20, 5)}), list).value());
  CHECK(check_selected(s.selection.take(*s.memory)) == offsets{1, 4, 9, 20, 21});
}

TEST_CASE("a selection stops at its limits and goes on where it stopped") {
  const bytes stored = joined({batch(0, 40, compression::zstd), batch(40, 40)});
  const auto all = [](const protocol::record_view&) { return true; };
  for (const selection_limits limits :
       {selection_limits{.records_max = 7}, selection_limits{.bytes_max = 200},
        selection_limits{.bytes_max = 0}}) {
    scene s;
    offsets seen;
    offset from(3);
    for (bool more = true; more; from = s.selection.next()) {
      s.selection.begin(from, limits);
      more = !s.selection.add(stored, all).value();
      const selected_records part = s.selection.take(*s.memory);
      CHECK(part.offsets.size() <= limits.records_max);
      CHECK((part.payload.size() <= limits.bytes_max || part.offsets.size() == 1));
      for (const std::uint64_t at : check_selected(part)) seen.push_back(at);
    }
    REQUIRE(seen.size() == 77);
    for (std::size_t i = 0; i < seen.size(); ++i) CHECK(seen[i] == i + 3);
  }
}

TEST_CASE("a damaged batch is not passed on, and those before it are") {
  scene s;
  bytes damaged = batch(5, 5);
  damaged.back() ^= std::byte{1};
  s.selection.begin(offset(0), {});
  const auto added = s.selection.add(joined({batch(0, 5), damaged}), is_k1);
  REQUIRE_FALSE(added.has_value());
  CHECK(added.error().code == errc::corrupt_batch);
  CHECK(added.error().message.find("offset 5") != std::string::npos);
  CHECK(s.selection.next() == offset(5));
  CHECK(check_selected(s.selection.take(*s.memory)) == offsets{1, 4});
}

TEST_CASE("a selection is the same as filtering record by record") {
  std::mt19937 random(20261125);
  scene s;
  for (int round = 0; round < 50; ++round) {
    std::vector<bytes> batches;
    std::uint64_t end = 0;
    for (int i = 0; i < 5; ++i) {
      end += random() % 3;  // offsets may have been removed
      const std::uint64_t count = 1 + random() % 20;
      batches.push_back(batch(end, count, random() % 2 == 0 ? compression::none : compression::lz4));
      end += count;
    }
    const offset from(random() % end);
    const std::string key = "k" + std::to_string(random() % 4);
    const auto matches = [&](const protocol::record_view& record) { return record.key == key; };
    offsets expected;
    for (const bytes& one : batches) {
      for (const auto& record : s.decoder.check(*protocol::batch_view::parse(one)).value()) {
        if (record.offset >= from && matches(record)) expected.push_back(record.offset.value());
      }
    }
    s.selection.begin(from, {});
    REQUIRE(s.selection.add(joined(batches), matches).value());
    CHECK(check_selected(s.selection.take(*s.memory)) == expected);
  }
}

static_assert(selection_limits{}.records_max == protocol::selected_max);

}  // namespace skald::server
