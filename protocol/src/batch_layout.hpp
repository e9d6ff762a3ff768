// Where the fixed fields of a record batch lie, in bytes from its start. All are big-endian.
#pragma once

#include <cstddef>
#include <cstdint>

namespace skald::protocol::layout {

inline constexpr std::size_t base_offset = 0;         // int64
inline constexpr std::size_t batch_length = 8;        // int32: the bytes after this field
inline constexpr std::size_t leader_epoch = 12;       // int32
inline constexpr std::size_t magic = 16;              // int8
inline constexpr std::size_t crc = 17;                // uint32: of everything after this field
inline constexpr std::size_t attributes = 21;         // int16
inline constexpr std::size_t last_offset_delta = 23;  // int32
inline constexpr std::size_t base_timestamp = 27;     // int64
inline constexpr std::size_t max_timestamp = 35;      // int64
inline constexpr std::size_t producer_id = 43;        // int64
inline constexpr std::size_t producer_epoch = 51;     // int16
inline constexpr std::size_t base_sequence = 53;      // int32
inline constexpr std::size_t record_count = 57;       // int32
inline constexpr std::size_t records = 61;

// What batch_length does not count.
inline constexpr std::size_t uncounted_bytes = 12;
inline constexpr std::uint8_t magic_value = 2;

}  // namespace skald::protocol::layout
