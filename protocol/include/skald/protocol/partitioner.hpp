// Which partition a key belongs to: Apache Kafka's default partitioner, so that every client, in whatever
// language and of either system, puts equal keys in the same place.
#pragma once

#include <cstdint>
#include <string_view>

#include <skald/protocol/types.hpp>

namespace skald::protocol {

// The 32-bit MurmurHash2 with Kafka's seed, 0x9747b28c; signed, as Kafka publishes its values.
std::int32_t murmur2(std::string_view key) noexcept;

// The partition of `key` among `partitions` (at least 1): murmur2 without its sign bit, modulo. Records
// without a key have no partition of their own; a producer spreads them batch by batch.
partition_id partition_for(std::string_view key, std::uint32_t partitions) noexcept;

}  // namespace skald::protocol
