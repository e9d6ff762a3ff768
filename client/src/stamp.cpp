#include "client/src/stamp.hpp"

#include <concepts>

#include <skald/protocol/crc32c.hpp>

namespace skald::detail {

namespace {

// Offsets of the fields in a batch (see protocol/SPEC.md).
constexpr std::size_t crc_at = 17;
constexpr std::size_t attributes_at = 21;  // the checksum covers everything from here on
constexpr std::size_t producer_id_at = 43;
constexpr std::size_t producer_epoch_at = 51;
constexpr std::size_t base_sequence_at = 53;

template <std::unsigned_integral Number>
void store_big_endian(std::span<std::byte> bytes, std::size_t at, Number value) {
  for (std::size_t i = sizeof(Number); i-- > 0; value = static_cast<Number>(value >> 8))
    bytes[at + i] = static_cast<std::byte>(value & 0xff);
}

}  // namespace

void stamp(std::span<std::byte> batch, const protocol::producer_stamp& as) {
  store_big_endian(batch, producer_id_at, as.id.value());
  store_big_endian(batch, producer_epoch_at, as.epoch.value());
  store_big_endian(batch, base_sequence_at, static_cast<std::uint32_t>(as.base_sequence));
  store_big_endian(batch, crc_at, protocol::crc32c(batch.subspan(attributes_at)));
}

}  // namespace skald::detail
