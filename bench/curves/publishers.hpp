// Publishers that are measured together, and whether all that they have published comes back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bench/curves/fleet.hpp"
#include "bench/curves/publisher.hpp"
#include "bench/curves/reader.hpp"

namespace skald::bench::curves {

struct rate {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;  // of values
  double seconds = 0;
  std::uint64_t batches = 0;  // that were published

  double records_per_s() const { return static_cast<double>(records) / seconds; }
  double mb_per_s() const { return static_cast<double>(bytes) / seconds / 1e6; }
  double records_per_batch() const { return static_cast<double>(records) / static_cast<double>(batches); }
};

// Throws std::runtime_error when anything is not as it should be.
void expect_none(const discrepancies& found);

class publishers {
 public:
  // `how` is each one's, but for its index. They are connected, and the topic is there.
  publishers(const std::string& address, std::uint32_t count, const publishing& how,
             std::size_t record_bytes);

  // The first `active` of them publish; from the first record to the acknowledgement of the last. `watch` is
  // called now and then meanwhile.
  rate publish(std::uint32_t active, ending enough, const std::function<void()>& watch = {});

  // Anytime.
  std::uint64_t acknowledged_bytes() const;
  // While nobody publishes: how many records there are, of each stream, and in all.
  std::vector<std::uint64_t> sent() const;
  std::uint64_t records() const;
  std::uint64_t batches() const;
  streams published() const { return {crew_.size(), how_.partitions}; }
  const std::string& topic() const { return how_.topic; }

 private:
  publishing how_;
  std::size_t record_bytes_;
  std::vector<payload_pool> payloads_;  // one for each thread
  crew<publisher> crew_;
};

// One reader.
class tail {
 public:
  tail(const std::string& address, const publishers& of);
  // Reads everything published and not read before, and verifies it.
  rate catch_up(const publishers& of);
  // Likewise of a topic whose oldest records are gone, with a single publisher: the last `records`.
  void read_what_is_kept(const publishers& of, std::uint64_t records);

 private:
  rate take(std::uint64_t records);

  crew<reader> crew_;
};

}  // namespace skald::bench::curves
