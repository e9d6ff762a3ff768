// What a benchmark is told, and what makes no sense together. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <skald/options.hpp>
#include <skald/protocol/result.hpp>

#include "tools/bench/payload.hpp"

namespace skald::cli::bench {

enum class workload : std::uint8_t { publish, consume, pubsub, fanout, queue, request, saga };
std::string_view to_string(workload what) noexcept;

struct size_range {
  std::size_t min = 1024;
  std::size_t max = 1024;
  friend bool operator==(const size_range&, const size_range&) = default;
};

// "1KiB", or "100B-4KiB" for sizes evenly distributed between the two. Fails with invalid_request.
result<size_range> parse_size_range(std::string_view text);

struct options {
  workload what = workload::publish;

  size_range size;
  content payload = content::random;
  std::string file;  // of real records, instead of the two above

  std::uint32_t producers = 1;   // of requests: callers
  std::uint32_t consumers = 1;   // of requests: responders
  std::uint32_t partitions = 0;  // 0: see partitions_of()
  std::uint32_t keys = 0;        // 0: records have none

  skald::durability durability = skald::durability::disk;
  skald::compression compression = skald::compression::none;
  std::uint32_t batch_bytes = producer_options().batch_bytes;
  milliseconds linger{0};
  std::uint32_t prefetch = 2048;  // of each consumer of a queue

  std::uint64_t rate = 0;       // a second, of all producers; 0: as fast as they can
  std::uint64_t in_flight = 0;  // of each producer; 0: see in_flight_of()
  milliseconds warm_up{1000};
  milliseconds duration{10'000};
  std::uint64_t count = 0;  // 0: until the duration has passed

  std::string topic;  // empty: a name of its own
  bool existing = false;
  bool keep = false;
  std::string directory;  // of an embedded broker and of the limit's files; empty: see embedded_broker.hpp
  bool limit = false;     // see yardstick.hpp
};

// What must be, whatever the broker says. Fails with invalid_request and a sentence that names the option.
result<> check(const options& with);
// Of that, whether each consumer gets a partition; again for a topic whose partitions are known only now.
result<> check_shares(const options& with);

// Without a word from the user, one for each consumer that shares them, else one.
std::uint32_t partitions_of(const options& with);

// The rest is of options that have their partitions.

// Between being sent and having come, or, of publish, acknowledged; of one producer. Without a word from the
// user, as many as keep everything busy without queueing for long.
std::uint64_t in_flight_of(const options& with, double mean_bytes);

// How many records `consume` publishes first, unless it is told, or reads a topic that is there.
std::uint64_t preload_of(const options& with, double mean_bytes);

// What the run needs of the disk: a topic that is read again, or one bounded by retention; and a reserve.
struct disk_plan {
  std::uint64_t bytes_needed = 0;
  std::int64_t retention_bytes = 0;  // of each partition; unlimited when everything is wanted
};
disk_plan plan_disk(const options& with, std::uint64_t records_kept, double mean_bytes);

// "1 producer, 8 partitions, records of 1 KiB": what the report says was measured.
std::string describe(const options& with);

}  // namespace skald::cli::bench
