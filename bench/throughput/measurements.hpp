#pragma once

// What skald does on this machine, each measurement with a broker process of its own on an empty data
// directory and the client in this process. They throw std::exception when they cannot be done, and verify
// what they measure: a run that loses a record fails.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "bench/limit/report.hpp"

namespace skald::bench {

struct setting {
  std::filesystem::path daemon;     // skaldd
  std::filesystem::path directory;  // scratch; each measurement removes what it puts there
  limit::steady_clock::duration duration;
  std::vector<std::string> daemon_arguments;
};

struct publish_shape {
  std::size_t record_bytes = 1024;
  std::uint32_t partitions = 1;
  // Retention is running from the start: the journal recycles its segments.
  bool retention = false;
};

// One producer, durability disk. Ends with a flush: only what is acknowledged counts.
std::vector<limit::metric> measure_publish(const setting& with, publish_shape shape);

// One record in flight, durability disk: publish, wait for the acknowledgement, and again.
std::vector<limit::metric> measure_publish_latency(const setting& with, std::size_t record_bytes);

// One consumer reads from the earliest record, out of the page cache, what was published before.
std::vector<limit::metric> measure_catch_up(const setting& with, std::size_t record_bytes);

struct queue_shape {
  std::size_t record_bytes = 100;
  std::uint32_t partitions = 4;
  std::uint32_t consumers = 4;  // each with a connection of its own
  std::uint32_t prefetch = 2048;
  std::uint64_t records = 2'000'000;
  bool ordered_by_key = false;
};

// Consumers take the records of a queue, published before, and acknowledge all of them. It ends when the last
// acknowledgement is durable.
std::vector<limit::metric> measure_queue(const setting& with, queue_shape shape);

// What queues cost that nobody uses.
std::vector<limit::metric> measure_idle_queues(const setting& with, std::uint32_t queues);

struct commit_shape {
  bool from_queue = true;  // its input is a record leased from a queue; else one read as a member of a group
  std::size_t outputs = 3;
  std::size_t record_bytes = 100;
  std::uint64_t inputs = 200'000;
};

// One client commits its inputs one by one, each with its outputs, up to a thousand commits at a time.
std::vector<limit::metric> measure_commit(const setting& with, commit_shape shape);

struct versions_shape {
  std::uint64_t keys = 1'000'000;
  std::size_t per_commit = 16;
  std::size_t record_bytes = 100;
};

// One client appends to every key, expecting it to be new, and then once more, expecting that.
std::vector<limit::metric> measure_versions(const setting& with, versions_shape shape);

// Sets so many timers, all due at one instant, and waits until the last has fired.
std::vector<limit::metric> measure_timers(const setting& with, std::size_t timers);

// Publishes `bytes`, kills the broker and starts it again on them.
std::vector<limit::metric> measure_restart(const setting& with, std::uint64_t bytes);

// Requests of `bytes` through the broker to a responder process and back, `in_flight` at a time.
std::vector<limit::metric> measure_request(const setting& with, std::size_t bytes, std::size_t in_flight);

// What partitions cost that nobody uses.
std::vector<limit::metric> measure_idle_partitions(const setting& with, std::uint32_t partitions);

}  // namespace skald::bench
