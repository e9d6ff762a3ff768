// What sessions ask of the queues, wherever their shard runs. See shard_port.hpp for the rules of calls and
// completions.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "broker/base/buffer.hpp"
#include "broker/delivery/queue_dispatcher.hpp"
#include "broker/shard/shard.hpp"

namespace skald::server {

using delivery::consumer_id;

struct queue_name {
  std::string topic;
  std::string queue;
};

// Absent: the default, or as it is.
struct queue_changes {
  std::optional<std::uint32_t> lease_ms;
  std::optional<std::uint32_t> max_attempts;
  std::optional<std::uint32_t> backoff_min_ms;
  std::optional<std::uint32_t> backoff_max_ms;
  std::optional<bool> ordered_by_key;
  std::optional<std::string> dead_letter;
};

struct queue_partition_info {
  partition_id partition;
  offset floor;
  offset end;
  std::uint64_t settled_above = 0;
};

struct queue_info {
  queue_name name;
  timestamp created;
  shard::queue_settings settings;
  std::uint32_t consumers = 0;
  std::uint64_t ready = 0;
  std::uint64_t leased = 0;
  std::uint64_t parked = 0;
  std::uint64_t dead = 0;
  std::vector<queue_partition_info> partitions;
};

struct peeked_record {
  offset at;
  std::uint32_t attempts = 0;
  std::optional<timestamp> due;  // of a parked one
  std::string reason;
};
struct queue_peek {
  shard::failure why;
  std::vector<peeked_record> records;
  slice batch;  // of these; empty when there are none
  offset next;
  bool more = false;
};

// Records on their way to a consumer.
struct queue_delivery {
  partition_id partition;
  std::vector<delivery::leased_run> runs;
  slice batch;
};
// Told to a consumer on its reactor: a delivery, or, with a failure, that it has ended.
using queue_told = std::function<void(shard::failure ended, queue_delivery what)>;

struct queue_opening {
  queue_name name;
  std::uint32_t prefetch = 0;
  std::size_t delivery_bytes_max = 0;
  bool create = false;
  queue_changes settings;  // for that
};
struct queue_opened {
  shard::failure why;
  consumer_id consumer;
  shard::queue_settings settings;
};

struct queue_settlement {
  delivery::lease_ref what;
  std::optional<delivery::settlement> how;  // none: extends the lease
  std::optional<std::chrono::milliseconds> delay;
  std::string reason;
};
struct settle_failure {
  std::size_t index = 0;
  shard::failure why;
};

class queue_port {
 public:
  virtual ~queue_port() = default;

  using finished = std::function<void(shard::failure)>;
  virtual void create_queue(queue_name name, queue_changes settings, bool if_absent, bool latest,
                            finished tell) = 0;
  virtual void alter_queue(queue_name name, queue_changes settings, finished tell) = 0;
  virtual void delete_queue(queue_name name, finished tell) = 0;
  virtual void describe_queue(queue_name name, std::function<void(shard::failure, queue_info)> tell) = 0;
  virtual void list_queues(std::string topic, queue_name after, std::size_t limit,
                           std::function<void(std::vector<queue_info>, bool more)> tell) = 0;
  virtual void peek_queue(queue_name name, partition_id partition, offset from, std::size_t limit,
                          std::function<void(queue_peek)> tell) = 0;
  using records_told = std::function<void(shard::failure, std::uint64_t records)>;
  virtual void retry_queue(queue_name name, records_told tell) = 0;
  virtual void purge_queue(queue_name name, bool dry_run, records_told tell) = 0;
  virtual void settle_dead(queue_name name, partition_id partition, std::vector<offset> records, bool drop,
                           records_told tell) = 0;

  // Until close_queue(), or until it is told that it has ended, `told` is called with deliveries.
  virtual void open_queue(queue_opening what, queue_told told, std::function<void(queue_opened)> tell) = 0;
  // `counted`: what the consumer holds counts as an attempt.
  virtual void close_queue(consumer_id consumer, bool counted) = 0;
  // Answered when all that did not fail is durable.
  virtual void settle(consumer_id consumer, std::vector<queue_settlement> what,
                      std::function<void(std::vector<settle_failure>)> tell) = 0;
  // So many bytes of deliveries have gone to the consumer's connection: there is room for as many more.
  virtual void delivered(consumer_id consumer, std::size_t bytes) = 0;
};

}  // namespace skald::server
