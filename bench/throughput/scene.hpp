#pragma once

// What the measurements share: a broker on an empty data directory, a client of it, and bytes to publish.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "bench/throughput/broker_process.hpp"
#include "bench/throughput/measurements.hpp"
#include "skald/blocking_client.hpp"

namespace skald::bench {

class scene {
 public:
  // Waits until the broker serves. Throws std::runtime_error with what it said last when it does not.
  explicit scene(const setting& with);
  // Removes the data directory.
  ~scene();
  scene(const scene&) = delete;
  scene& operator=(const scene&) = delete;

  broker_process& broker() { return *broker_; }
  blocking_client& client() { return *client_; }

  // Kills the broker and starts it again on the same data; true time to the first answer.
  limit::steady_clock::duration kill_and_restart();
  // A graceful end, so that a measurement notices a broker that broke.
  void finish();

 private:
  void start();
  void connect();
  std::string last_words() const;

  const setting with_;
  std::filesystem::path data_directory_;
  std::optional<broker_process> broker_;
  std::optional<blocking_client> client_;
};

// Bytes that do not compress, a different piece for each record.
class payload_source {
 public:
  explicit payload_source(std::size_t record_bytes);
  std::string_view next();

 private:
  std::string pool_;
  std::size_t record_bytes_;
  std::size_t at_ = 0;
};

// Publishes records round robin over the partitions until `enough` says so, which is asked now and then with
// the number so far; then flushes. Returns how many.
template <class Enough>
std::uint64_t publish_until(blocking_client& client, std::string_view topic, std::uint32_t partitions,
                            std::size_t record_bytes, Enough enough) {
  payload_source payloads(record_bytes);
  blocking_producer producer(client);
  std::uint64_t sent = 0;
  std::uint32_t partition = 0;
  do {
    for (int i = 0; i < 256; ++i) {
      const message record{.value = payloads.next(), .partition = partition_id(partition)};
      if (!producer.try_send(topic, record)) producer.send(topic, record);
      if (++partition == partitions) partition = 0;
    }
    sent += 256;
  } while (!enough(sent));
  producer.flush();
  return sent;
}

// Reads a topic's partitions from the earliest record on until `records` have come, checking that offsets
// have no gaps.
void consume(blocking_client& client, std::string_view topic, std::uint64_t records);

}  // namespace skald::bench
