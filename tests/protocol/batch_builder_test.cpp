#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include <skald/protocol/batch_builder.hpp>
#include <skald/protocol/record_batch.hpp>

#include "tests/protocol/bytes.hpp"

namespace skald::protocol {
namespace {

using test::at_ms;
using test::byte_string;

batch_view parsed(const byte_string& bytes) {
  auto batch = batch_view::parse(bytes);
  REQUIRE(batch.has_value());
  return *batch;
}

std::vector<header_view> list(const header_range& headers) {
  return {headers.begin(), headers.end()};
}

TEST_CASE("a built batch reads back as what was appended") {
  batch_builder builder;
  const std::vector<header_view> headers = {{"trace", "7f"}, {"", ""}, {"gone", std::nullopt}};
  REQUIRE(builder.append("key", "value", headers, at_ms(2000)) == errc::ok);
  REQUIRE(builder.append(std::nullopt, "keyless", {}, at_ms(1500)) == errc::ok);
  REQUIRE(builder.append("", "", {}, at_ms(9000)) == errc::ok);
  REQUIRE(builder.append("deleted", std::nullopt, {}, at_ms(0)) == errc::ok);
  const byte_string bytes = builder.finish();

  batch_decoder decoder;
  const auto records = decoder.check(parsed(bytes));
  REQUIRE_MESSAGE(records.has_value(), records.error().message);
  REQUIRE(records->size() == 4);
  auto record = records->begin();
  CHECK(record->offset == offset(0));
  CHECK(record->timestamp == at_ms(2000));
  CHECK(record->key == "key");
  CHECK(record->value == "value");
  CHECK(record->headers.size() == 3);
  CHECK(list(record->headers) == headers);
  ++record;
  CHECK(record->offset == offset(1));
  CHECK(record->timestamp == at_ms(1500));
  CHECK(record->key == std::nullopt);
  CHECK(record->value == "keyless");
  CHECK(record->headers.empty());
  ++record;
  CHECK(record->key == std::optional<std::string_view>(""));
  CHECK(record->value == std::optional<std::string_view>(""));
  ++record;
  CHECK(record->offset == offset(3));
  CHECK(record->timestamp == at_ms(0));
  CHECK(record->value == std::nullopt);
  ++record;
  CHECK(record == records->end());
}

TEST_CASE("the fixed fields of a built batch say what it holds") {
  batch_builder builder;
  REQUIRE(builder.append("a", "1", {}, at_ms(500)) == errc::ok);
  REQUIRE(builder.append("b", "2", {}, at_ms(900)) == errc::ok);
  REQUIRE(builder.append("c", "3", {}, at_ms(100)) == errc::ok);
  const byte_string bytes =
      builder.finish({.producer = producer_stamp{producer_id(77), producer_epoch(3), 41}});

  const batch_view batch = parsed(bytes);
  CHECK(batch.size() == bytes.size());
  CHECK(batch.base_offset() == offset(0));
  CHECK(batch.last_offset() == offset(2));
  CHECK(batch.leader_epoch() == 0);
  CHECK(batch.attributes() == 0);
  CHECK(batch.record_count() == 3);
  CHECK(batch.base_timestamp() == at_ms(500));
  CHECK(batch.max_timestamp() == at_ms(900));
  CHECK(batch.producer() == producer_stamp{producer_id(77), producer_epoch(3), 41});
  CHECK(batch.crc_matches());
}

TEST_CASE("a batch without a producer has none") {
  CHECK(parsed(test::sample_batch(1)).producer() == std::nullopt);
}

TEST_CASE("bytes() is the size of the batch that finish() gives") {
  batch_builder builder(1);
  CHECK(builder.bytes() == batch_header_bytes);
  const std::vector<header_view> headers = {{"h", "v"}};
  std::size_t bytes_before = builder.bytes();
  for (int i = 0; i < 300; ++i) {
    const std::string value(static_cast<std::size_t>(i), 'x');
    REQUIRE(builder.append("k", value, headers, at_ms(i * 1000)) == errc::ok);
    REQUIRE(builder.bytes() - bytes_before <= batch_builder::record_bytes_max("k", value, headers));
    bytes_before = builder.bytes();
  }
  CHECK(builder.records() == 300);
  CHECK(builder.finish().size() == bytes_before);
}

TEST_CASE("a builder is empty after finish and builds the same batch again") {
  batch_builder builder;
  byte_string batches[2];
  for (byte_string& batch : batches) {
    CHECK(builder.empty());
    REQUIRE(builder.append("key", "value", {}, at_ms(5)) == errc::ok);
    batch = builder.finish();
  }
  CHECK(batches[0] == batches[1]);
}

TEST_CASE("clear forgets the records") {
  batch_builder builder;
  REQUIRE(builder.append("forgotten", "x", {}, at_ms(9)) == errc::ok);
  builder.clear();
  REQUIRE(builder.append("kept", "y", {}, at_ms(5)) == errc::ok);
  const byte_string bytes = builder.finish();
  CHECK(parsed(bytes).record_count() == 1);
  CHECK(parsed(bytes).max_timestamp() == at_ms(5));
}

TEST_CASE("a recycled buffer is used again") {
  batch_builder builder(4096);
  REQUIRE(builder.append("key", "value", {}, at_ms(5)) == errc::ok);
  byte_string batch = builder.finish();
  const byte_string copy = batch;
  const std::byte* place = batch.data();
  builder.recycle(std::move(batch));
  REQUIRE(builder.append("key", "value", {}, at_ms(5)) == errc::ok);
  const byte_string again = builder.finish();
  CHECK(again.data() == place);
  CHECK(again == copy);
}

TEST_CASE("timestamps before 1970 and after 9999 are refused and leave the batch as it was") {
  batch_builder builder;
  CHECK(builder.append("k", "v", {}, at_ms(-1)) == errc::invalid_request);
  CHECK(builder.append("k", "v", {}, timestamp_max + std::chrono::milliseconds(1)) == errc::invalid_request);
  CHECK(builder.empty());
  CHECK(builder.append("k", "v", {}, timestamp_min) == errc::ok);
  CHECK(builder.append("k", "v", {}, timestamp_max) == errc::ok);
  const byte_string bytes = builder.finish();
  batch_decoder decoder;
  CHECK(decoder.check(parsed(bytes)).has_value());
}

TEST_CASE("a record beyond what the format can express is refused") {
  batch_builder builder;
  // Only its length is looked at before it is refused.
  const std::string_view huge("x", std::size_t{1} << 31);
  CHECK(builder.append("k", huge, {}, at_ms(1)) == errc::record_too_large);
  CHECK(builder.append(huge, "v", {}, at_ms(1)) == errc::record_too_large);
  CHECK(builder.empty());
}

TEST_CASE("records of another batch are added as they are encoded") {
  batch_builder builder;
  const std::vector<header_view> headers = {{"trace", "7f"}, {"gone", std::nullopt}};
  REQUIRE(builder.append("a", "1", {}, at_ms(500)) == errc::ok);
  REQUIRE(builder.append("b", std::nullopt, headers, at_ms(900)) == errc::ok);
  REQUIRE(builder.append(std::nullopt, "3", {}, at_ms(100)) == errc::ok);
  const byte_string original = builder.finish();

  batch_decoder decoder;
  const auto records = decoder.check(parsed(original));
  REQUIRE(records.has_value());
  batch_builder expected;
  REQUIRE(expected.append("b", std::nullopt, headers, at_ms(900)) == errc::ok);
  REQUIRE(expected.append(std::nullopt, "3", {}, at_ms(100)) == errc::ok);
  for (int round = 0; round < 2; ++round) {
    auto record = std::next(records->begin());
    REQUIRE(builder.append_encoded(record.content(), record->timestamp) == errc::ok);
    ++record;
    REQUIRE(builder.append_encoded(record.content(), record->timestamp) == errc::ok);
    CHECK(builder.append_encoded(record.content(), timestamp_min - std::chrono::milliseconds(1)) ==
          errc::invalid_request);
    const auto made = builder.finish_in_place();
    if (round == 0) CHECK(byte_string(made.begin(), made.end()) == expected.finish());
    CHECK(builder.empty());
  }
}

TEST_CASE("the records of a batch can be given other offsets") {
  const byte_string bytes = test::sample_batch(3);
  batch_decoder decoder;
  const std::vector offsets{offset(5), offset(70), offset(900)};
  const auto records = decoder.check(parsed(bytes)).value().renumbered(offsets.data());
  std::vector<skald::offset> seen;
  for (const record_view& record : records) seen.push_back(record.offset);
  CHECK(seen == offsets);
}

TEST_CASE("assigning offset and epoch does not touch the checksum") {
  byte_string bytes = test::sample_batch(3);
  patch_base_offset(bytes, offset(1'000'000'000'000), 7);
  const batch_view batch = parsed(bytes);
  CHECK(batch.base_offset() == offset(1'000'000'000'000));
  CHECK(batch.last_offset() == offset(1'000'000'000'002));
  CHECK(batch.leader_epoch() == 7);
  CHECK(batch.crc_matches());
  batch_decoder decoder;
  const auto records = decoder.check(batch);
  REQUIRE(records.has_value());
  CHECK(std::next(records->begin(), 2)->offset == offset(1'000'000'000'002));
}

TEST_CASE("sequence numbers wrap from 2^31-1 to 0") {
  constexpr auto last = std::numeric_limits<std::int32_t>::max();
  CHECK(sequence_after(0, 5) == 5);
  CHECK(sequence_after(last - 1, 1) == last);
  CHECK(sequence_after(last, 1) == 0);
  CHECK(sequence_after(last - 2, 10) == 7);
}

}  // namespace
}  // namespace skald::protocol
