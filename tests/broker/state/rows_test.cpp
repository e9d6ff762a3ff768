#include "broker/state/rows.hpp"

#include <doctest/doctest.h>

#include <random>

#include "skald/protocol/error.hpp"

namespace skald::state {

namespace {

template <class Row>
std::string encoded(const Row& row) {
  std::string bytes;
  encode(row, bytes);
  return bytes;
}

template <class Row>
void check_round_trip(const Row& row) {
  Row back;
  decode(encoded(row), back);
  CHECK(back == row);
  CHECK(encoded(back) == encoded(row));
}

// Bytes that are cut short or too long are never read as a row.
template <class Row>
void check_lengths(const Row& row) {
  const std::string bytes = encoded(row);
  Row back;
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK_THROWS_AS(decode(std::string_view(bytes).substr(0, size), back), const error&);
  CHECK_THROWS_AS(decode(bytes + "x", back), const error&);
}

const timestamp some_time{std::chrono::milliseconds(1'700'000'000'123)};

const topic_row some_topic{.name = "orders",
                           .created = some_time,
                           .settings = {.partitions = 8,
                                        .retention_bytes = -1,
                                        .retention_ms = 60'000,
                                        .cleanup = topic_cleanup::compact,
                                        .compact_after_ms = 7,
                                        .keep_tombstones_ms = 8},
                           .compacted = true};
const batch_row some_batch{.at = {journal::generation(7), 4096, 900},
                           .records = 12,
                           .leader_epoch = 3,
                           .newest_record = some_time,
                           .newest_record_so_far = some_time,
                           .age_from = some_time,
                           .bytes_before = 1ull << 40};
const producer_row some_producer{.epoch = producer_epoch(2),
                                 .next_sequence = 0x7fffffff,
                                 .last_seen = some_time,
                                 .batches = {{1, 2, offset(3)}, {3, 4, offset(5)}}};

const timer_row some_timer{.to = {topic_id(1), partition_id(2)},
                           .at = {journal::generation(7), 4096, 900},
                           .stamped = some_time,
                           .ttl_ms = 5,
                           .owner = "order/7",
                           .name = "expiry",
                           .message_id = "m",
                           .keyed = true,
                           .tombstone = true,
                           .key = "7"};

const commit_row some_commit{.epoch = producer_epoch(3),
                             .appends = {{{topic_id(1), partition_id(2)}, offset(3), 4, true}, {}}};

const named_producer_row some_named_producer{
    "feed", producer_epoch(3), some_time, {producer_id(1), producer_epoch(2)}};

batch_row labelled_batch() {
  batch_row row = some_batch;
  row.labels = std::make_shared<const batch_labels>(batch_labels{"id", {{"a", 1, 0}, {"", 1ull << 40, 3}}});
  return row;
}

text_key text_of(std::string text) {
  return {{topic_id(1), partition_id(2)}, std::move(text)};
}

template <class Key>
void check_order(const std::vector<Key>& ascending) {
  for (std::size_t i = 0; i + 1 < ascending.size(); ++i) {
    CHECK(ascending[i] < ascending[i + 1]);
    CHECK(encoded(ascending[i]) < encoded(ascending[i + 1]));
  }
}

partition_key part(std::uint32_t topic, std::uint32_t partition) {
  return {topic_id(topic), partition_id(partition)};
}

}  // namespace

TEST_CASE("every row reads back as it was written") {
  check_round_trip(some_topic);
  check_round_trip(some_batch);
  check_round_trip(some_producer);
  check_round_trip(partition_row{offset(1), offset(2), 3, 4, some_time, some_time, 5, 6, true});
  check_round_trip(segment_row{5});
  check_round_trip(labelled_batch());
  check_round_trip(some_commit);
  check_round_trip(committer_row{producer_epoch(1), 2, some_time});
  check_round_trip(some_named_producer);
  check_round_trip(key_row{3, offset(4), true});
  check_round_trip(offset_row{offset(5)});
  check_round_trip(text_of(std::string("\0a\0\0\xff", 5)));
  check_round_trip(key_record_key{text_of("k"), 7});
  check_round_trip(garbage_row{offset(1), offset(UINT64_MAX), true, producer_id(9), 3, {some_time, 7}});
  check_round_trip(some_timer);
  check_round_trip(timer_key{some_time, 1ull << 40});
  check_round_trip(timer_name_key{std::string("a\0b", 3), "c"});
  check_round_trip(timer_name_row{{some_time, 8}});
  check_round_trip(place_row{batch_key{part(1, 2), offset(3)}});
  check_round_trip(place_row{timer_key{some_time, 4}});
}

TEST_CASE("a row of the wrong length is corrupt") {
  check_lengths(some_topic);
  check_lengths(some_batch);
  check_lengths(some_producer);
  check_lengths(segment_row{5});
  check_lengths(labelled_batch());
  check_lengths(some_commit);
  check_lengths(some_named_producer);
  check_lengths(key_row{3, offset(4), true});
  check_lengths(key_record_key{text_of("k"), 7});
  check_lengths(part(1, 2));
  check_lengths(some_timer);
  check_lengths(place_row{timer_key{some_time, 4}});
}

TEST_CASE("the bytes of keys are in the order of the keys") {
  check_order<partition_key>({part(0, 0), part(0, 255), part(0, 256), part(1, 0), part(0x01000000, 0)});
  check_order<batch_key>({{part(1, 1), offset(0)}, {part(1, 1), offset(256)}, {part(1, 2), offset(0)}});
  check_order<place_key>({{journal::generation(1), 0xffffffff}, {journal::generation(256), 0}});
  check_order<text_key>({text_of(""), text_of(std::string("\0", 1)), text_of("\1"), text_of("a"),
                         text_of(std::string("a\0b", 3)), text_of("ab"), text_of("\xff")});
  check_order<key_record_key>(
      {{text_of("a"), 256}, {text_of(std::string("a\0", 2)), 1}, {text_of("b"), 1}, {text_of("b"), 2}});
  check_order<timer_key>({{some_time, 9}, {some_time + std::chrono::milliseconds(1), 1}, {never, 0}});
  check_order<timer_name_key>({{"", "z"}, {"a", "b"}, {std::string("a\0", 2), ""}, {"a/", ""}, {"b", ""}});
  check_order<producer_key>({{part(1, 1), producer_id(2)}, {part(1, 1), producer_id(1ull << 40)}});
}

TEST_CASE("a newer schema is refused as such, before anything else of the row is read") {
  meta_row meta;
  meta.schema = schema_version + 1;
  const std::string bytes = encoded(meta) + "fields of the future";
  meta_row back;
  try {
    decode(bytes, back);
    FAIL("it was accepted");
  } catch (const error& refused) {
    CHECK(refused.code() == errc::unsupported_version);
    CHECK(refused.message().find("schema version " + std::to_string(schema_version + 1)) !=
          std::string::npos);
  }
}

TEST_CASE("a schema that lacks nothing but newer tables is read, an older one is refused") {
  meta_row meta;
  meta.schema = schema_version_oldest;
  meta.next_producer = producer_id(9);
  meta_row back;
  decode(encoded(meta), back);
  CHECK(back.next_producer == producer_id(9));
  meta.schema = schema_version_oldest - 1;
  CHECK_THROWS_WITH_AS(decode(encoded(meta), back), doctest::Contains("none before 3"), const error&);
}

TEST_CASE("random bytes never read as anything but a row or corruption") {
  std::mt19937_64 random(5);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(random() % 80, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    const auto try_read = [&](auto row) {
      try {
        decode(bytes, row);
      } catch (const error& refused) {
        CHECK(refused.code() == errc::storage_corrupt);
        return;
      }
      CHECK(encoded(row).size() == bytes.size());
    };
    try_read(topic_row{});
    try_read(producer_row{});
    try_read(batch_row{});
    try_read(commit_row{});
    try_read(text_key{});
  }
}

}  // namespace skald::state
