// Publishes numbered records to one topic as fast as the client library can, and knows of each whether it was
// acknowledged.
//
// The producer reports batch by batch, in the order of each partition. The publisher chooses the partitions
// itself and remembers, for each, the lines on their way: so every report says which lines it is about.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <skald/blocking_client.hpp>

#include "tools/cli/acknowledged_lines.hpp"
#include "tools/cli/record.hpp"

namespace skald::cli {

// The first batch that failed.
struct publish_failure {
  line_range lines;  // the lines from its first to its last; others in between may be of other partitions
  error reason;
};

// What records ask for beyond being stored. Such records go in commits of `records_per_commit`.
struct publish_terms {
  std::optional<std::chrono::milliseconds> delay;
  std::optional<timestamp> at;
  std::optional<std::chrono::milliseconds> ttl;
  std::string timer;  // OWNER/NAME; of the only record, as what follows
  std::string message_id;
  std::optional<std::uint64_t> expected_version;
  std::size_t records_per_commit = 1;
  bool any() const { return delay || at || ttl || is_of_one(); }
  bool is_of_one() const { return !timer.empty() || !message_id.empty() || expected_version; }
};

// Used by one thread. `broker` has to outlive it.
class publisher {
 public:
  // `on_failure` is called on the client's thread, to interrupt a wait for input.
  publisher(blocking_client& broker, const topic_info& topic, producer_options options,
            std::function<void()> on_failure, publish_terms terms = {});

  // Accepts a record, waiting for room if need be. Lines have to ascend; those left out count as acknowledged
  // (they hold nothing to publish). Throws skald::error, also for a partition that is not there or a record
  // over the topic's limit.
  void send(const input_record& record);
  // Returns when all is acknowledged or has failed; then see failed().
  void flush();
  // Takes note of what was reported since; send() does so once in a while.
  void settle();

  const std::optional<publish_failure>& failed() const { return failed_; }
  const acknowledged_lines& acknowledged() const { return acknowledged_; }
  std::uint64_t sent_records() const { return sent_records_; }
  std::uint64_t sent_bytes() const { return sent_bytes_; }
  std::uint64_t acknowledged_records() const { return acknowledged_records_; }
  // Of the acknowledged ones, how many the topic had already, by their message ids.
  std::uint64_t duplicate_records() const { return duplicate_records_; }
  // What all acknowledgements so far achieved at least; absent before the first.
  std::optional<skald::durability> achieved() const { return achieved_; }

 private:
  struct report {
    partition_id partition;
    std::uint32_t records;
    skald::durability durability;
    std::optional<error> failed;
  };

  void send_in_commit(const message& what, std::uint64_t line);
  void commit_gathered();
  partition_id choose(const input_record& record, std::size_t bytes);
  void check_size(const input_record& record) const;
  void refresh_partitions();
  void apply(const report& reported);

  blocking_client& broker_;
  std::string topic_;
  std::uint32_t partitions_;
  std::size_t record_bytes_max_;
  std::uint32_t batch_bytes_;
  std::function<void()> on_failure_;
  std::chrono::steady_clock::time_point described_;

  publish_terms terms_;
  commit gathered_;  // and the lines it is of
  line_range gathered_lines_;
  std::size_t gathered_records_ = 0;

  std::uint32_t keyless_partition_;  // where records without a key go, until a batch's worth went there
  std::size_t keyless_bytes_ = 0;
  std::vector<std::deque<line_range>> on_their_way_;  // by partition
  std::uint64_t last_line_ = 0;
  std::uint64_t sent_records_ = 0;
  std::uint64_t sent_bytes_ = 0;

  std::optional<publish_failure> failed_;
  acknowledged_lines acknowledged_;
  std::uint64_t acknowledged_records_ = 0;
  std::uint64_t duplicate_records_ = 0;
  std::optional<skald::durability> achieved_;

  std::mutex mutex_;  // guards reports_, which the client's thread fills
  std::vector<report> reports_;
  std::vector<report> settling_;  // its other half, so that neither is allocated anew
  blocking_producer producer_;    // last: its thread must not report to what is gone
};

}  // namespace skald::cli
