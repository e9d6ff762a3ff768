#include "tests/protocol/bytes.hpp"

#include <algorithm>

#include <doctest/doctest.h>

#include <skald/protocol/crc32c.hpp>

namespace skald::protocol::test {

void put(byte_string& batch, std::size_t at, std::int64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i)
    batch[at + i] = static_cast<std::byte>(static_cast<std::uint64_t>(value) >> (8 * (size - 1 - i)));
}

void seal(byte_string& batch) {
  put(batch, length_at, static_cast<std::int64_t>(batch.size()) - 12, 4);
  put(batch, crc_at, crc32c(std::span<const std::byte>(batch).subspan(attributes_at)), 4);
}

byte_string batch_around(std::span<const std::byte> records, std::int32_t count, unsigned attributes) {
  byte_string batch(records_at + records.size());
  std::ranges::copy(records, batch.begin() + records_at);
  put(batch, magic_at, 2, 1);
  put(batch, attributes_at, attributes, 2);
  put(batch, last_offset_delta_at, count - 1, 4);
  put(batch, producer_id_at, -1, 8);
  put(batch, producer_epoch_at, -1, 2);
  put(batch, base_sequence_at, -1, 4);
  put(batch, record_count_at, count, 4);
  seal(batch);
  return batch;
}

byte_string sample_batch(std::uint32_t count, const batch_options& options) {
  batch_builder builder;
  const header_view headers[] = {{"origin", "test"}};
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::string key = "key-" + std::to_string(i);
    REQUIRE(builder.append(key, "some value that repeats itself", headers, at_ms(1'700'000'000'000 + i)) ==
            errc::ok);
  }
  return builder.finish(options);
}

}  // namespace skald::protocol::test
