// A client that publishes as fast as it may.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <skald/client.hpp>
#include <skald/producer.hpp>

#include "bench/limit/report.hpp"
#include "tools/bench/payload.hpp"

namespace skald::bench::curves {

namespace asio = boost::asio;
using cli::bench::payload_pool;
using limit::steady_clock;

struct publishing {
  std::string topic;
  std::uint32_t partitions = 1;
  // To one partition before it goes on with the next.
  std::uint32_t records_per_turn = 1;
  std::uint32_t index = 0;  // among the publishers: what its records are marked with
  std::uint32_t batch_bytes = 1u << 20;
  std::uint64_t buffer_bytes = 32u << 20;  // accepted and not acknowledged
};

// When publishing ends: at a time, or after so many records, whichever comes first.
struct ending {
  steady_clock::time_point at = steady_clock::time_point::max();
  std::uint64_t records = ~std::uint64_t{0};
};

// Threading: of its client's thread, except where it says otherwise.
class publisher {
 public:
  // `payloads` is shared by the publishers of a thread.
  publisher(client& broker, payload_pool& payloads, publishing how);

  // Publishes records, each acknowledged when it is on disk, until it is enough, and completes when the last
  // of them is acknowledged. Throws the failure of any.
  asio::awaitable<void> publish(ending enough);

  // From any thread.
  std::uint64_t acknowledged_bytes() const { return acknowledged_bytes_.load(std::memory_order_relaxed); }

  // While nothing runs: how many records went to each partition.
  const std::vector<std::uint64_t>& sent() const { return sequences_; }
  // In how many batches they went.
  std::uint64_t batches() const { return out_ ? out_->statistics().batches : 0; }

 private:
  message next();

  client& broker_;
  payload_pool& payloads_;
  publishing how_;
  std::optional<producer> out_;           // made when it is needed: others are only connected
  std::vector<std::uint64_t> sequences_;  // the next of each partition
  std::uint32_t partition_ = 0;
  std::uint32_t turn_ = 0;  // records since the partition changed
  std::atomic<std::uint64_t> acknowledged_bytes_{0};
};

}  // namespace skald::bench::curves
