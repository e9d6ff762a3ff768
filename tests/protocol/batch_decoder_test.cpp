#include <doctest/doctest.h>

#include <limits>
#include <string>

#include <skald/protocol/batch_builder.hpp>
#include <skald/protocol/record_batch.hpp>

#include "tests/protocol/batch_refusal.hpp"
#include "tests/protocol/bytes.hpp"

namespace skald::protocol {
namespace {

using test::batch_around;
using test::batch_refusal;
using test::byte_string;
using test::bytes_of;
using test::sample_batch;

// The refusal of a batch that was sound before one of its fields was changed and the checksum made right.
failure refusal_of_changed(std::size_t field, std::int64_t value, std::size_t size) {
  byte_string bytes = sample_batch(3, {.producer = producer_stamp{producer_id(1), producer_epoch(0), 0}});
  REQUIRE(batch_refusal(bytes).code == errc::ok);
  test::put(bytes, field, value, size);
  test::seal(bytes);
  return batch_refusal(bytes);
}

// ---- bounds --------------------------------------------------------------------------------------------

TEST_CASE("a batch cut off anywhere is not parsed") {
  const byte_string whole = sample_batch(2);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto batch = batch_view::parse(std::span(whole).first(size));
    REQUIRE_FALSE(batch.has_value());
    REQUIRE(batch.error().code == errc::corrupt_batch);
  }
}

TEST_CASE("a batch that claims an impossible length is not parsed") {
  byte_string bytes = sample_batch(2);
  for (const std::int64_t length :
       {-1, 0, 48, std::numeric_limits<int>::min(), std::numeric_limits<int>::max()}) {
    test::put(bytes, test::length_at, length, 4);
    CAPTURE(length);
    CHECK_FALSE(batch_view::parse(bytes).has_value());
  }
}

TEST_CASE("a batch of another magic number is not parsed") {
  byte_string bytes = sample_batch(1);
  bytes[test::magic_at] = std::byte{1};
  const auto batch = batch_view::parse(bytes);
  REQUIRE_FALSE(batch.has_value());
  CHECK(batch.error().message == "not a record batch of version 2: its magic number is 1");
}

TEST_CASE("concatenated batches come apart where they were joined") {
  const byte_string first = sample_batch(1), second = sample_batch(20), third = sample_batch(3);
  const byte_string payload = test::concatenated({first, second, third});
  batch_splitter rest(payload);
  for (const byte_string* expected : {&first, &second, &third}) {
    REQUIRE_FALSE(rest.done());
    const auto batch = rest.next();
    REQUIRE(batch.has_value());
    CHECK(std::ranges::equal(batch->bytes(), *expected));
  }
  CHECK(rest.done());
}

TEST_CASE("a splitter ends at the first batch whose bounds are wrong") {
  const byte_string sound = sample_batch(1);
  const byte_string payload = test::concatenated({sound, std::span(sound).first(70)});
  batch_splitter rest(payload);
  CHECK(rest.next().has_value());
  CHECK_FALSE(rest.done());
  CHECK(rest.next().error().code == errc::corrupt_batch);
  CHECK(rest.done());
}

// ---- fixed fields --------------------------------------------------------------------------------------

TEST_CASE("a flipped bit anywhere under the checksum is found") {
  byte_string bytes = sample_batch(2);
  for (std::size_t at = test::crc_at; at < bytes.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      bytes[at] ^= static_cast<std::byte>(1u << bit);
      REQUIRE(batch_refusal(bytes).code == errc::corrupt_batch);
      bytes[at] ^= static_cast<std::byte>(1u << bit);
    }
  }
}

TEST_CASE("a wrong count of records is refused") {
  CHECK(refusal_of_changed(test::record_count_at, 2, 4).code == errc::corrupt_batch);
  CHECK(refusal_of_changed(test::record_count_at, 4, 4).code == errc::corrupt_batch);
  CHECK(refusal_of_changed(test::record_count_at, 0, 4).message == "the batch claims to hold 0 records");
  CHECK(refusal_of_changed(test::record_count_at, -1, 4).message == "the batch claims to hold -1 records");
  CHECK(refusal_of_changed(test::last_offset_delta_at, 3, 4).message ==
        "the batch's last offset delta is 3, with 3 records");
}

TEST_CASE("a count that agrees with its offset delta but not with the records is refused") {
  byte_string bytes = sample_batch(3);
  for (const std::int32_t count : {2, 4}) {
    test::put(bytes, test::record_count_at, count, 4);
    test::put(bytes, test::last_offset_delta_at, count - 1, 4);
    test::seal(bytes);
    CHECK(batch_refusal(bytes).code == errc::corrupt_batch);
  }
}

TEST_CASE("attributes other than a compression are refused") {
  for (const unsigned attributes : {0x08u, 0x10u, 0x20u, 0x40u, 0x8000u}) {
    CAPTURE(attributes);
    CHECK(refusal_of_changed(test::attributes_at, attributes, 2).code == errc::corrupt_batch);
  }
}

TEST_CASE("gzip, snappy and compressions to come are unsupported") {
  for (const unsigned code : {1u, 2u, 5u, 6u, 7u}) {
    CAPTURE(code);
    CHECK(refusal_of_changed(test::attributes_at, code, 2).code == errc::unsupported_compression);
  }
}

TEST_CASE("negative producer fields are refused") {
  CHECK(refusal_of_changed(test::producer_id_at, -2, 8).code == errc::corrupt_batch);
  CHECK(refusal_of_changed(test::producer_epoch_at, -1, 2).code == errc::corrupt_batch);
  CHECK(refusal_of_changed(test::base_sequence_at, -1, 4).code == errc::corrupt_batch);
}

TEST_CASE("offsets and timestamps that cannot be are refused") {
  CHECK(refusal_of_changed(test::base_offset_at, -1, 8).code == errc::corrupt_batch);
  CHECK(refusal_of_changed(test::base_offset_at, std::numeric_limits<std::int64_t>::max() - 1, 8).code ==
        errc::corrupt_batch);
  CHECK(refusal_of_changed(test::base_timestamp_at, -1, 8).message ==
        "the batch's base timestamp is out of range");
  CHECK(refusal_of_changed(test::base_timestamp_at, std::numeric_limits<std::int64_t>::max(), 8).code ==
        errc::corrupt_batch);
  CHECK(refusal_of_changed(test::max_timestamp_at, 5, 8).message ==
        "the batch's max timestamp is not that of its newest record");
}

// ---- records -------------------------------------------------------------------------------------------

TEST_CASE("the smallest record is accepted") {
  // length 6, attributes, timestamp delta 0, offset delta 0, no key, no value, no headers
  CHECK(batch_refusal(batch_around(bytes_of({12, 0, 0, 0, 1, 1, 0}), 1)).code == errc::ok);
}

TEST_CASE("records that lie about themselves are refused with the reason") {
  const auto complaint = [](std::initializer_list<unsigned> record) {
    const failure refused = batch_refusal(batch_around(bytes_of(record), 1));
    CHECK(refused.code == errc::corrupt_batch);
    return refused.message;
  };
  const std::string prefix = "record 1 of 1 in the batch: ";
  CHECK(complaint({}) == prefix + "its length exceeds the batch");
  CHECK(complaint({14, 0, 0, 0, 1, 1, 0}) == prefix + "its length exceeds the batch");
  CHECK(complaint({1, 0, 0, 0, 1, 1, 0}) == prefix + "its length exceeds the batch");
  CHECK(complaint({0xff, 0xff, 0xff, 0xff, 0xff}) == prefix + "its length exceeds the batch");
  CHECK(complaint({0}) == prefix + "its attributes are not 0");
  CHECK(complaint({12, 4, 0, 0, 1, 1, 0}) == prefix + "its attributes are not 0");
  CHECK(complaint({12, 0, 1, 0, 1, 1, 0}) == prefix + "its timestamp is out of range");
  CHECK(complaint({12, 0, 0, 2, 1, 1, 0}) == prefix + "its offset delta does not follow the record before");
  CHECK(complaint({12, 0, 0, 1, 1, 1, 0}) == prefix + "its offset delta does not follow the record before");
  CHECK(complaint({12, 0, 0, 0, 6, 1, 0}) == prefix + "its key exceeds the record");
  CHECK(complaint({12, 0, 0, 0, 3, 1, 0}) == prefix + "its key exceeds the record");
  CHECK(complaint({12, 0, 0, 0, 1, 4, 0}) == prefix + "its value exceeds the record");
  CHECK(complaint({12, 0, 0, 0, 1, 3, 0}) == prefix + "its value exceeds the record");
  CHECK(complaint({12, 0, 0, 0, 1, 1, 2}) == prefix + "its headers exceed the record");
  CHECK(complaint({12, 0, 0, 0, 1, 1, 1}) == prefix + "its headers exceed the record");
  CHECK(complaint({16, 0, 0, 0, 1, 1, 2, 1, 1}) == prefix + "its headers exceed the record");
  CHECK(complaint({14, 0, 0, 0, 1, 1, 0, 0}) == prefix + "it is longer than its content");
  CHECK(complaint({12, 0, 0, 0, 1, 1, 0, 0}) == "there are bytes after the last record of the batch");
}

TEST_CASE("a timestamp delta that overflows is refused") {
  const byte_string records =
      bytes_of({30, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0, 1, 1, 0});
  CHECK(batch_refusal(batch_around(records, 1)).message ==
        "record 1 of 1 in the batch: its timestamp is out of range");
}

TEST_CASE("the second of two equal offset deltas is refused") {
  const byte_string records = bytes_of({12, 0, 0, 0, 1, 1, 0, 12, 0, 0, 0, 1, 1, 0});
  CHECK(batch_refusal(batch_around(records, 2)).message ==
        "record 2 of 2 in the batch: its offset delta does not follow the record before");
}

// ---- limits --------------------------------------------------------------------------------------------

// Key, value and header of sample_batch, up to ten records.
constexpr std::size_t largest_sample_record = 5 + 30 + 6 + 4;

TEST_CASE("limits hold to the byte") {
  const byte_string bytes = sample_batch(10);
  CHECK(batch_refusal(bytes, {.batch_bytes_max = bytes.size()}).code == errc::ok);
  CHECK(batch_refusal(bytes, {.batch_bytes_max = bytes.size() - 1}).code == errc::batch_too_large);
  CHECK(batch_refusal(bytes, {.records_max = 10}).code == errc::ok);
  CHECK(batch_refusal(bytes, {.records_max = 9}).code == errc::batch_too_large);

  CHECK(batch_refusal(bytes, {.record_bytes_max = largest_sample_record}).code == errc::ok);
  CHECK(batch_refusal(bytes, {.record_bytes_max = largest_sample_record - 1}).code == errc::record_too_large);
}

TEST_CASE("a checked batch knows its largest record") {
  const byte_string bytes = sample_batch(11);
  batch_decoder decoder;
  const auto records = decoder.check(*batch_view::parse(bytes));
  REQUIRE(records.has_value());
  CHECK(records->largest_record_bytes() == largest_sample_record + 1);  // one has the key "key-10"
}

TEST_CASE("offset deltas may rise with gaps where that is allowed") {
  batch_builder builder;
  const byte_string source = test::sample_batch(3);
  batch_decoder other;
  auto record = other.check(*batch_view::parse(source)).value().begin();
  REQUIRE(builder.append_encoded(record.content(), record->timestamp, 2) == errc::ok);
  ++record;
  REQUIRE(builder.append_encoded(record.content(), record->timestamp, 7) == errc::ok);
  byte_string bytes = builder.finish({.last_offset_delta = 9});
  patch_base_offset(bytes, offset(100), 0);
  const auto batch = batch_view::parse(bytes);
  REQUIRE(batch.has_value());
  CHECK(batch->record_count() == 2);
  CHECK(batch->last_offset() == offset(109));

  batch_decoder decoder;
  CHECK_FALSE(decoder.check(*batch).has_value());
  const auto records = decoder.check(*batch, {.offset_gaps = true});
  REQUIRE(records.has_value());
  std::vector<offset> offsets;
  for (const record_view& one : *records) offsets.push_back(one.offset);
  CHECK(offsets == std::vector{offset(102), offset(107)});

  // The last record may not lie behind the last offset delta.
  test::put(bytes, test::last_offset_delta_at, 6, 4);
  test::seal(bytes);
  CHECK_FALSE(decoder.check(*batch_view::parse(bytes), {.offset_gaps = true}).has_value());
}

}  // namespace
}  // namespace skald::protocol
