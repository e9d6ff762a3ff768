// What the curves publish, and how to know that what is read is that. Each record begins with who published
// it, as which, and a checksum of all of it, in 16 bytes, so that the smallest records are verified, too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace skald::bench::curves {

struct mark {
  std::uint32_t publisher = 0;
  std::uint64_t sequence = 0;  // among this publisher's records in the same partition, from 0
  friend bool operator==(const mark&, const mark&) = default;
};

// In this machine's byte order: sender and receiver are one process.
//   0  CRC32C of all that follows    4  publisher    8  sequence
inline constexpr std::size_t mark_bytes = 16;

// `record` has at least mark_bytes.
void write_mark(std::span<char> record, const mark& is) noexcept;
// Nothing when the record is too short or its checksum does not match.
std::optional<mark> read_mark(std::string_view record) noexcept;

}  // namespace skald::bench::curves
