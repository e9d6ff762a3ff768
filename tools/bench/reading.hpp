// Workers that receive records, as readers of a log or as consumers of a queue, and verify what comes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <skald/queue.hpp>
#include <skald/subscription.hpp>

#include "tools/bench/arrivals.hpp"
#include "tools/bench/control.hpp"
#include "tools/bench/worker.hpp"

namespace skald::cli::bench {

// One for each producer, in order.
using flows = std::vector<std::unique_ptr<flow>>;

struct reading {
  std::string topic;
  std::vector<partition_id> partitions;  // none: all
  // What was published by this run; null: records of somebody else, of which only offsets are verified.
  const streams* sent = nullptr;
  // Of one that catches up: how many records of each stream there are.
  const std::vector<std::uint64_t>* expected = nullptr;
};

// Reads a topic from its beginning and follows it, until finish().
class following_worker final : public worker {
 public:
  following_worker(const worker_setting& with, control& run, const reading& what, const flows& complete);
  const std::vector<partition_id>& partitions() const { return what_.partitions; }
  // After join().
  const ordered_arrivals& arrivals() const { return arrivals_; }

 protected:
  asio::awaitable<void> prepare() override;
  asio::awaitable<void> work() override;

 private:
  void take(const records& some);

  reading what_;
  const flows& flows_;
  subscription subscription_;
  ordered_arrivals arrivals_;
  std::vector<std::uint64_t> completed_;  // by the delivery at hand, of each producer
};

// Reads what a topic holds, again and again if the run's times say so.
class catching_up_worker final : public worker {
 public:
  catching_up_worker(const worker_setting& with, control& run, const reading& what);
  // After join(), of all passes.
  const discrepancies& found() const { return found_; }
  std::uint64_t passes() const { return passes_; }

 protected:
  asio::awaitable<void> prepare() override;
  asio::awaitable<void> work() override;

 private:
  struct place {
    offset begin;
    offset next;
    offset end;
    bool done() const { return next >= end; }
  };
  void begin_pass();
  void take(const records& some);
  void end_pass();

  reading what_;
  subscription subscription_;
  std::vector<place> places_;  // by partition; empty where it is somebody else's
  std::size_t unfinished_ = 0;
  std::unique_ptr<ordered_arrivals> arrivals_;  // null: see reading::sent
  discrepancies found_;
  std::uint64_t passes_ = 0;
};

struct consuming {
  std::string topic;
  std::string queue;
  std::uint32_t prefetch = 0;
  const streams* sent = nullptr;
};

// Takes records from a queue and acknowledges them, until finish(); then waits until the last acknowledgement
// is durable.
class queue_worker final : public worker {
 public:
  queue_worker(const worker_setting& with, control& run, const consuming& what, const flows& complete);
  // After join().
  const unordered_arrivals& arrivals() const { return arrivals_; }

 protected:
  asio::awaitable<void> prepare() override;
  asio::awaitable<void> work() override;

 private:
  void take(const deliveries& some);

  consuming what_;
  const flows& flows_;
  work_queue queue_;
  unordered_arrivals arrivals_;
  std::vector<std::uint64_t> completed_;
};

}  // namespace skald::cli::bench
