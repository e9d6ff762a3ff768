// The format of a journal entry: what lies in a segment, byte for byte.
//
//   segment  := header (4096 bytes) entry* stale-bytes
//   header   := magic "SKALDJNL" | u32 format | u32 header crc32c | u64 generation | u64 segment bytes
//               | 16 bytes journal id | zeros
//   entry    := u32 crc32c (of all that follows, padding excluded) | u32 payload bytes
//               | u64 generation | u64 sequence | u64 index | u64 term | u64 durable | u8 kind | 7 zero bytes
//               | payload | zero padding to 8 bytes
//
// All numbers are little-endian. Entries follow one another without gaps, each within one segment.
//
// generation  The segment's. It differs in each use of a recycled file, so stale bytes never read as entries.
// sequence    Counts the entries of this journal, 1, 2, 3, ... without gaps, whatever their kind.
// index, term The Raft index and term. A local entry (a relocated batch, which only this node cares about) has
//             the index of the replicated entry before it.
// durable     The highest sequence known to be fsynced when this entry was written. It tells a torn tail from
//             corruption: one group commit is one write, which a crash may tear in any order, so valid entries
//             may legitimately follow a bad one *of the same group*. But a valid entry whose `durable` is at or
//             past the bad one proves that the bad one had been fsynced: it has rotted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace skald::journal {

inline constexpr std::size_t segment_header_bytes = 4096;
inline constexpr std::size_t entry_header_bytes = 56;
inline constexpr std::size_t entry_alignment = 8;

enum class entry_kind : std::uint8_t {
  command = 1,    // replicated: apply it
  local = 2,      // this node's own: a relocated batch
  sync_mark = 3,  // says what is durable; takes no sequence of its own and is overwritten by the next entry
};

struct entry_header {
  std::uint32_t crc = 0;
  std::uint32_t payload_bytes = 0;
  std::uint64_t generation = 0;
  std::uint64_t sequence = 0;
  std::uint64_t index = 0;
  std::uint64_t term = 0;
  std::uint64_t durable = 0;
  entry_kind kind = entry_kind::command;
};

}  // namespace skald::journal
