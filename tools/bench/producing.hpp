// A worker that publishes.
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <vector>

#include <skald/producer.hpp>

#include "tools/bench/control.hpp"
#include "tools/bench/payload.hpp"
#include "tools/bench/worker.hpp"

namespace skald::cli::bench {

struct producing {
  std::string topic;
  std::uint32_t partitions = 1;
  std::uint32_t keys = 0;
  producer_options batches;

  std::uint32_t index = 0;  // among `of` producers
  std::uint32_t of = 1;
  std::uint64_t rate = 0;  // of all of them
  std::uint64_t in_flight = 1;
  std::uint64_t count = 0;  // 0: until the run's times say so
  // Whether a record is done when it is acknowledged; else somebody else completes it.
  bool until_acknowledged = false;
};

// Records that were sent to a partition and are not acknowledged, in order. It grows, but never shrinks.
class unacknowledged {
 public:
  struct entry {
    steady::time_point due;
    std::size_t bytes = 0;
  };
  void push(const entry& one) {
    if (end_ - begin_ == ring_.size()) grow();
    ring_[end_++ & (ring_.size() - 1)] = one;
  }
  entry pop() { return ring_[begin_++ & (ring_.size() - 1)]; }

 private:
  void grow();
  std::vector<entry> ring_ = std::vector<entry>(64);  // its size is a power of two
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

class producing_worker final : public worker {
 public:
  // `sent` has to outlive it, and takes what it sent as under way.
  producing_worker(const worker_setting& with, control& run, const producing& how, payload_pool payloads,
                   flow& sent);

  // After join(): how many records of this producer went to each partition; how many were due and not sent,
  // because those before them were not through.
  const std::vector<std::uint64_t>& sent() const { return sequences_; }

 protected:
  asio::awaitable<void> prepare() override;
  asio::awaitable<void> work() override;

 private:
  enum class progress : std::uint8_t { more, ahead, full, over };
  progress send_some(producer& out, const schedule* times, steady::time_point now);
  bool send_one(producer& out, steady::time_point due);
  asio::awaitable<void> wait_for_room();
  void acknowledged(const delivery_report& report);
  bool is_full() const { return no_room_ || flow_.under_way(all_sent_) >= how_.in_flight; }

  producing how_;
  payload_pool payloads_;
  flow& flow_;
  std::vector<std::string> keys_;
  std::vector<partition_id> key_partitions_;
  std::vector<std::uint64_t> sequences_;     // the next of each partition
  std::vector<unacknowledged> outstanding_;  // of each partition, with until_acknowledged
  std::uint64_t all_sent_ = 0;
  std::uint64_t measured_ = 0;  // of those, after the warm-up
  bool no_room_ = false;        // the client's buffer is full
};

}  // namespace skald::cli::bench
