// Checks a data directory that no broker uses: every checksum, every index and every count.
//
// Nothing is changed. What is checked:
//   journal     every segment header and entry checksum; that no entry is missing; that every command can be
//               read, and that those beyond the flushed state can be applied to it
//   batches     each lies within its segment, matches its checksum, has the length and record count indexed
//   partitions  offsets without gaps from log_start to end; bytes and running totals add up
//   topics      each has its partitions, and each partition its topic; ids are below the next to be given
//   producers   belong to a partition; each name has one id, which was given, and the newest of its epochs
//   positions   of consumer groups lie within their partition
//   keys        each readable record is the version of its key that it is said to be; the newest are there
//   ids         each message id leads to its record; each commit is known of its producer
//   timers      each has its topic, name and message id; names lead to their timers; partitions count them
//   places      each batch and each timer has its place, and each place its batch or timer
//   segments    live bytes are those of the batches that lie there
//   garbage     every index row that belongs to no readable partition is marked to be cleared away
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "broker/base/disk.hpp"
#include "broker/state/store.hpp"

namespace skald::shard {

struct finding {
  enum class severity : std::uint8_t { note, error } is = severity::error;
  std::string where;  // a file and position, a partition, a table
  std::string what;
};
// One line, without its end.
std::string to_line(const finding& found);

struct verification {
  std::uint64_t segments = 0;
  std::uint64_t entries = 0;
  std::uint64_t replayed = 0;  // entries beyond the flushed state
  std::uint64_t topics = 0;
  std::uint64_t partitions = 0;
  std::uint64_t batches = 0;
  std::uint64_t batch_bytes = 0;
  std::uint64_t records = 0;
  std::uint64_t producers = 0;
  std::uint64_t named_producers = 0;
  std::uint64_t group_positions = 0;
  std::uint64_t keys = 0;  // of topics with an index of keys
  std::uint64_t queues = 0;
  std::uint64_t timers = 0;
  std::uint64_t notes = 0;
  std::uint64_t errors = 0;
};

// `directory` is the shard's, with journal/ and state/ in it. Throws skald::error when there is nothing to
// check, or it cannot be read at all: storage_error, storage_corrupt, unsupported_version.
verification verify(disk& on, const std::filesystem::path& directory,
                    const std::function<void(const finding&)>& report);
// The same of a state that is in another store.
verification verify(disk& on, const std::filesystem::path& directory, state::store& flushed,
                    const std::function<void(const finding&)>& report);

}  // namespace skald::shard
