// The topics of a fake broker: partitions as vectors of batches in memory, with the real rules for sequence
// numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <skald/protocol/record_batch.hpp>
#include <skald/protocol/types.hpp>
#include <skald/topic.hpp>

namespace skald::test {

struct stored_batch {
  std::uint64_t base = 0;
  std::uint32_t records = 0;
  std::vector<std::byte> bytes;
};

struct fake_partition {
  struct producer {
    std::uint16_t epoch = 0;
    std::int32_t next_sequence = 0;
    std::vector<std::pair<std::int32_t, std::uint64_t>> last;  // base sequence, base offset; of the last
  };
  std::vector<stored_batch> batches;
  std::uint64_t log_start = 0;
  std::uint64_t end = 0;
  std::map<std::uint64_t, producer> producers;

  // Removes whole batches before `offset`.
  void trim(std::uint64_t offset);
  std::uint64_t bytes() const;
};

struct append_verdict {
  errc code = errc::ok;
  std::string message;
  std::int64_t base = -1;
  bool duplicate = false;
};

struct fake_topic {
  topic_id id;
  topic_settings settings;
  std::vector<fake_partition> partitions;

  // Whether the batch is a repetition of one that is stored.
  bool knows(std::uint32_t partition, std::span<const std::byte> batch) const;
  append_verdict append(std::uint32_t partition, std::span<const std::byte> batch);
};

// The values of all records of a partition, in order.
std::vector<std::string> values_of(const fake_partition& partition);

}  // namespace skald::test
