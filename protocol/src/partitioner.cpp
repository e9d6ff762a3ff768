#include <cassert>
#include <skald/protocol/partitioner.hpp>

#include "protocol/src/bytes.hpp"

namespace skald::protocol {

// MurmurHash2 by Austin Appleby, with the seed that Kafka's clients use.
std::int32_t murmur2(std::string_view key) noexcept {
  constexpr std::uint32_t seed = 0x9747b28c;
  constexpr std::uint32_t multiplier = 0x5bd1e995;
  constexpr int shift = 24;

  const auto* at = reinterpret_cast<const std::byte*>(key.data());
  std::size_t left = key.size();
  std::uint32_t hash = seed ^ static_cast<std::uint32_t>(left);
  for (; left >= 4; at += 4, left -= 4) {
    std::uint32_t block = load_little_endian<std::uint32_t>(at);
    block *= multiplier;
    block ^= block >> shift;
    block *= multiplier;
    hash = hash * multiplier ^ block;
  }
  if (left > 0) {
    for (std::size_t i = 0; i < left; ++i) hash ^= std::to_integer<std::uint32_t>(at[i]) << (8 * i);
    hash *= multiplier;
  }
  hash ^= hash >> 13;
  hash *= multiplier;
  hash ^= hash >> 15;
  return static_cast<std::int32_t>(hash);
}

partition_id partition_for(std::string_view key, std::uint32_t partitions) noexcept {
  assert(partitions > 0);
  return partition_id((static_cast<std::uint32_t>(murmur2(key)) & 0x7fffffffu) % partitions);
}

}  // namespace skald::protocol
