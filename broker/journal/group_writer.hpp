// Group commit without threads: takes what has gathered, writes it, syncs once, and
// says where everything lies. It owns the tail: nothing else writes to segments in use.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "broker/journal/journal.hpp"
#include "broker/journal/segment.hpp"

namespace skald::journal {

// An entry with its place. `header` lacks what is known only when it is written: `durable` and the checksums.
struct pending_entry {
  entry_header header;
  segment* into = nullptr;  // in use until this entry is reported durable, at least
  std::uint32_t position = 0;
  std::vector<std::byte> head;
  slice body;
};

// A failure to write or sync: nothing after it can be trusted.
struct write_failure {
  std::string why;  // empty: none
  explicit operator bool() const { return !why.empty(); }
};

// Not thread-safe.
class group_writer {
 public:
  group_writer(const options& with, std::uint32_t checksum_seed, sequence durable, log_index last_index,
               term last_term);

  // The tail, when the journal goes on in a segment that it had before. Without a position it gets no mark.
  void continue_at(segment& last, std::optional<std::uint64_t> position);

  // Writes and syncs as many entries from the front of `queue` (not empty) as one group may have, removes
  // them, and appends them to `group`. The group ends with its segment.
  write_failure commit(std::deque<pending_entry>& queue, std::vector<durable_entry>& group);

  // Says at the tail that all before it is durable, so that a bit which flips in the last group is not taken
  // for a torn write. The next entry overwrites it.
  enum class marking { synced, unsynced };
  write_failure mark(marking how);

  std::uint64_t bytes_written() const { return bytes_written_; }
  std::uint64_t syncs() const { return syncs_; }

 private:
  std::size_t gather(const std::deque<pending_entry>& queue);
  void fill_page(std::uint64_t end);
  write_failure write(segment& into, std::uint64_t position);
  write_failure sync(segment& what);

  std::uint64_t group_bytes_max_;
  std::uint32_t seed_;
  sequence durable_;
  log_index last_index_;
  term last_term_;
  segment* tail_ = nullptr;
  std::optional<std::uint64_t> tail_position_;
  std::uint64_t bytes_written_ = 0;
  std::uint64_t syncs_ = 0;

  // Of the group being gathered; kept for their capacity.
  std::vector<std::byte> small_parts_;  // headers, heads and padding, between the bodies
  std::vector<iovec> parts_;
  std::uint64_t group_bytes_ = 0;
};

}  // namespace skald::journal
