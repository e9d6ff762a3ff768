// Clients that receive and verify: a reader of a log, and one of the consumers of a queue.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <skald/client.hpp>
#include <skald/queue.hpp>
#include <skald/subscription.hpp>

#include "bench/limit/report.hpp"
#include "tools/bench/arrivals.hpp"

namespace skald::bench::curves {

namespace asio = boost::asio;
using cli::bench::discrepancies;
using cli::bench::streams;
using limit::steady_clock;

// Reads all of a topic from its oldest record on.
class reader {
 public:
  reader(client& broker, std::string topic, streams published, std::uint64_t credit_bytes = 8u << 20);

  // Completes when so many more records have come. Fails when for long none comes.
  asio::awaitable<void> take(std::uint64_t records);
  // Reads until then, from the beginning again after every `records`.
  asio::awaitable<void> read_over_and_over(std::uint64_t records, steady_clock::time_point until);

  // While nothing runs.
  std::uint64_t records() const { return records_; }
  std::uint64_t bytes() const { return bytes_; }
  // Of what was sent, by stream, and came or should have come by now. Records that were not kept until they
  // were read are not missing, for which every stream must be a partition of its own.
  discrepancies found(const std::vector<std::uint64_t>& sent, bool all_kept = true) const;
  // Likewise of a reader that has not read everything: what came is in order.
  discrepancies found_so_far() const { return arrivals_.found(); }

 private:
  asio::awaitable<void> receive();

  client& broker_;
  std::string topic_;
  streams published_;
  std::uint64_t credit_bytes_;
  std::optional<subscription> from_;
  cli::bench::ordered_arrivals arrivals_;
  std::vector<std::optional<offset>> first_;  // that came of each partition
  std::uint64_t records_ = 0;
  std::uint64_t bytes_ = 0;
};

inline constexpr const char* queue_name = "curve";

// What the consumers of one queue have taken together.
struct taken {
  std::atomic<std::uint64_t> records{0};
  std::uint64_t all = 0;  // that there are to take
};

class queue_consumer {
 public:
  queue_consumer(client& broker, std::string topic, streams published, std::uint32_t prefetch,
                 taken& together);

  asio::awaitable<void> open();
  // Takes and acknowledges records until then, or until all are taken; completes when the last
  // acknowledgement is durable.
  asio::awaitable<void> take(steady_clock::time_point until);

  // While nothing runs.
  const cli::bench::unordered_arrivals& arrivals() const { return arrivals_; }
  // When it last acknowledged something.
  steady_clock::time_point last() const { return last_; }

 private:
  client& broker_;
  std::string topic_;
  streams published_;
  std::uint32_t prefetch_;
  taken& together_;
  std::optional<work_queue> from_;
  cli::bench::unordered_arrivals arrivals_;
  steady_clock::time_point last_;
};

}  // namespace skald::bench::curves
