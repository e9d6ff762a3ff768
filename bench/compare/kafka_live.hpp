// Kafka's clients: what they are made of, its topics, its subscribers and its workers; see peer.hpp.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "bench/compare/peer.hpp"

namespace skald::bench::compare::kafka {

inline constexpr const char* log_topic = "log";
inline constexpr milliseconds ready_max{60'000};  // for what takes a server that has just started its time

inline int count_of(milliseconds time) {
  return static_cast<int>(time.count());
}

[[noreturn]] void fail(const char* what, const std::string& why);
void check(rd_kafka_resp_err_t status, const char* what);

template <auto Release>
struct release {
  template <class Handle>
  void operator()(Handle* one) const {
    Release(one);
  }
};
using client_handle = std::unique_ptr<rd_kafka_t, release<rd_kafka_destroy>>;
using topic_handle = std::unique_ptr<rd_kafka_topic_t, release<rd_kafka_topic_destroy>>;
using queue_handle = std::unique_ptr<rd_kafka_queue_t, release<rd_kafka_queue_destroy>>;
using message_handle = std::unique_ptr<rd_kafka_message_t, release<rd_kafka_message_destroy>>;

class configuration {
 public:
  explicit configuration(std::uint16_t port);
  ~configuration();
  configuration(const configuration&) = delete;
  configuration& operator=(const configuration&) = delete;

  void set(const char* name, const std::string& value);
  using on_acknowledged = void(rd_kafka_t*, const rd_kafka_message_t*, void* opaque);
  void tell_acknowledgements(on_acknowledged* call, void* opaque);
  // Once.
  client_handle make(rd_kafka_type_t type);

 private:
  rd_kafka_conf_t* handle_;
};

topic_handle open_topic(rd_kafka_t* client, const char* name);
// Waits until the server can create one.
void create_topic(rd_kafka_t* client, const char* name, std::size_t partitions);
// Where the next record of the log's partition will be. The client is connected then, which it otherwise
// would be by and by, once it had something to do.
std::int64_t end_of(rd_kafka_t* client, std::int32_t partition);

// What is written to `to` when records come where none were; -1: nothing is.
struct waking {
  int to = -1;
  std::uint32_t what = 0;
};

// Of one partition of the log, without a group.
class subscription {
 public:
  subscription(std::uint16_t port, std::int32_t partition, bool from_beginning, const waking& = {});
  ~subscription();
  subscription(const subscription&) = delete;
  subscription& operator=(const subscription&) = delete;

  // Gives what is there, a thousand records at most, to the sink; waits for the first. How many.
  std::size_t read(const sink& into, milliseconds patience);

 private:
  client_handle client_;
  topic_handle topic_;
  std::int32_t partition_;
  queue_handle came_;
};

std::unique_ptr<audience> open_audience(std::uint16_t port, std::size_t subscribers, delivery_sink into);
// Of the partition with this number.
std::unique_ptr<worker> open_worker(std::uint16_t port, std::size_t which);

}  // namespace skald::bench::compare::kafka
