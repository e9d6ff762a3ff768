// Bytes for tests: from text, from hex, and single fields of batches changed behind the builder's back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <skald/protocol/batch_builder.hpp>

namespace skald::protocol::test {

using byte_string = std::vector<std::byte>;

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

inline byte_string bytes_of(std::initializer_list<unsigned> values) {
  byte_string bytes;
  for (const unsigned value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

inline byte_string concatenated(std::initializer_list<std::span<const std::byte>> parts) {
  byte_string whole;
  for (const auto part : parts) whole.insert(whole.end(), part.begin(), part.end());
  return whole;
}

inline std::string hex(std::span<const std::byte> bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text += digits[std::to_integer<std::size_t>(byte >> 4)];
    text += digits[std::to_integer<std::size_t>(byte & std::byte{15})];
  }
  return text;
}

constexpr timestamp at_ms(std::int64_t milliseconds) {
  return timestamp(std::chrono::milliseconds(milliseconds));
}

// The places of a batch's fields, from the specification and not from the code under test.
enum field : std::size_t {
  base_offset_at = 0,
  length_at = 8,
  leader_epoch_at = 12,
  magic_at = 16,
  crc_at = 17,
  attributes_at = 21,
  last_offset_delta_at = 23,
  base_timestamp_at = 27,
  max_timestamp_at = 35,
  producer_id_at = 43,
  producer_epoch_at = 51,
  base_sequence_at = 53,
  record_count_at = 57,
  records_at = 61,
};

// Writes a big-endian number of `size` bytes.
void put(byte_string& batch, std::size_t at, std::int64_t value, std::size_t size);
// Makes the length and the checksum right again after a change.
void seal(byte_string& batch);
// A sealed batch of `count` records around the given bytes, whatever they are.
byte_string batch_around(std::span<const std::byte> records, std::int32_t count, unsigned attributes = 0);
// A batch of `count` small records with key, value and one header.
byte_string sample_batch(std::uint32_t count, const batch_options& options = {});

}  // namespace skald::protocol::test
