// The format of a segment, byte for byte. README.md beside this file says the same for a stranger, with a
// worked example and the reasons.
//
//   segment  := header (4096 bytes) entry* stale-bytes
//   header   := magic "SKALDJNL" | u32 format | u32 checksum | u64 generation | u64 segment bytes
//               | 16 bytes journal id | zeros
//   entry    := entry header (56 bytes) | payload | zero padding to a multiple of 8 bytes
//   entry header
//            := u32 header checksum | u32 payload checksum | u32 payload bytes | u8 kind | 3 zero bytes
//               | u64 generation | u64 sequence | u64 index | u64 term | u64 durable
//
// The last 56 bytes of a segment are left for a sync mark.
//
// All numbers are little-endian, all checksums CRC32C: that of the segment header over its 4096 bytes with
// the checksum taken as zero; that of a payload over its bytes; that of an entry header over the 52 bytes
// after it, continuing from the checksum of the journal id. So nobody who publishes bytes can make them read
// as an entry without knowing the id, and a search for entries costs a header's checksum at each place, not a
// payload's. Entries follow one another without gaps, each within one segment.
//
// generation  The segment's. It differs in each use of a recycled file, so stale bytes never read as entries.
// sequence    Counts the entries of this journal, 1, 2, 3, ... without gaps, whatever their kind.
// index, term The Raft index and term. A local entry (a relocated batch, which only this node cares about)
// has
//             the index of the replicated entry before it.
// durable     The highest sequence known to be fsynced when this entry was written. It tells a torn tail from
//             corruption: one group commit is a few writes, which a crash may tear in any order, so valid
//             entries may legitimately follow a bad one *of the same group*. But a valid entry whose
//             `durable` is at or past the bad one proves that the bad one had been fsynced: it has rotted.
#pragma once

#include <array>
#include <boost/endian/conversion.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "skald/protocol/error.hpp"

namespace skald::journal {

inline constexpr std::size_t segment_header_bytes = 4096;
inline constexpr std::size_t entry_header_bytes = 56;
inline constexpr std::size_t entry_alignment = 8;
inline constexpr std::uint32_t format_version = 1;

using journal_id = std::array<std::byte, 16>;

struct segment_header {
  std::uint32_t format = format_version;
  std::uint64_t generation = 0;
  std::uint64_t segment_bytes = 0;
  journal_id id{};
  friend bool operator==(const segment_header&, const segment_header&) = default;
};

void encode(const segment_header& header, std::span<std::byte, segment_header_bytes> into);
// ok; storage_corrupt when it does not verify; unsupported_version when it verifies but is of a newer format.
errc decode(std::span<const std::byte, segment_header_bytes> from, segment_header& header);

enum class entry_kind : std::uint8_t {
  command = 1,    // replicated: apply it
  local = 2,      // this node's own: a relocated batch
  sync_mark = 3,  // says what is durable; takes no sequence of its own (it repeats the last entry's) and is
                  // overwritten by the next entry
};

struct entry_header {
  std::uint32_t payload_checksum = 0;
  std::uint32_t payload_bytes = 0;
  entry_kind kind = entry_kind::command;
  std::uint64_t generation = 0;
  std::uint64_t sequence = 0;
  std::uint64_t index = 0;
  std::uint64_t term = 0;
  std::uint64_t durable = 0;
  friend bool operator==(const entry_header&, const entry_header&) = default;
};

// What the header checksums of a journal's entries continue from.
std::uint32_t checksum_seed(const journal_id& id);

void encode(const entry_header& header, std::uint32_t seed, std::span<std::byte, entry_header_bytes> into);
// Nothing when the bytes do not verify. The payload's checksum is the caller's to check.
std::optional<entry_header> decode(std::span<const std::byte, entry_header_bytes> from, std::uint32_t seed);

// Of an entry with its header and padding.
constexpr std::uint64_t stored_bytes(std::uint64_t payload_bytes) {
  return (entry_header_bytes + payload_bytes + entry_alignment - 1) / entry_alignment * entry_alignment;
}

// Where the last entry of a segment has to end.
constexpr std::uint64_t entries_end(std::uint64_t segment_bytes) {
  return segment_bytes - entry_header_bytes;
}

// The generation that the bytes of an entry header claim, without verifying anything: a search looks at each
// 8 bytes of a segment, and nearly all of them fail here.
inline std::uint64_t claimed_generation(std::span<const std::byte, entry_header_bytes> from) {
  return boost::endian::load_little_u64(reinterpret_cast<const unsigned char*>(&from[16]));
}

}  // namespace skald::journal
