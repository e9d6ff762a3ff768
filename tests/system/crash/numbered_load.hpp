// Records whose whole content follows from who sent them and their number, so that a reader can tell any that
// is lost, repeated, out of order or damaged without remembering a single one.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <skald/blocking_client.hpp>

namespace skald::tests {

// The value of record `number` that `sender` published to `partition`: "sender partition number ", then
// padding. Most are small, one in a hundred is large.
std::string numbered_value(std::uint32_t sender, std::uint32_t partition, std::uint64_t number);

// Publishes numbered records to random partitions until told to stop.
class numbered_sender {
 public:
  numbered_sender(std::uint32_t id, const std::string& address, std::string topic, std::uint32_t partitions,
                  compression compressed, std::uint64_t seed);
  ~numbered_sender();
  numbered_sender(const numbered_sender&) = delete;
  numbered_sender& operator=(const numbered_sender&) = delete;

  // Stops, and returns when everything is acknowledged. Throws skald::error when something was not.
  void finish();

  std::uint32_t id() const { return id_; }
  // How many records were acknowledged so far, by partition.
  std::vector<std::uint64_t> acknowledged() const;
  // How many were sent to each partition. After finish().
  const std::vector<std::uint64_t>& sent() const { return sent_; }
  // What a report said failed, if any did.
  std::optional<std::string> failure() const;

 private:
  void run();

  std::uint32_t id_;
  std::string topic_;
  std::mt19937_64 random_;
  std::vector<std::uint64_t> sent_;  // the thread's, until it ended
  mutable std::mutex mutex_;         // guards the next two
  std::vector<std::uint64_t> acknowledged_;
  std::optional<std::string> failure_;
  blocking_client broker_;
  blocking_producer producer_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

// Checks records as they are read: those of one sender in one partition have to come in order, each once and
// with the right content.
class numbered_reader {
 public:
  // Describes what is wrong with this record, if something is; it then counts as read.
  std::optional<std::string> accept(const record& each);
  // How many of this sender came in this partition.
  std::uint64_t count(std::uint32_t sender, std::uint32_t partition) const;
  std::uint64_t total() const { return total_; }

 private:
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> next_;
  std::uint64_t total_ = 0;
};

}  // namespace skald::tests
