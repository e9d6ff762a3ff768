// RabbitMQ's connection and consumer, and its subscribers, requests and workers; see peer.hpp.
#pragma once

#include <amqp.h>
#include <sys/time.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "bench/compare/peer.hpp"

namespace skald::bench::compare::rabbitmq {

inline constexpr amqp_channel_t channel = 1;
inline constexpr const char* fanout_exchange = "live";

// What it keeps records in, and whether it does.
enum class kind : std::uint8_t {
  quorum,
  stream,
  memory  // classic queues, not durable, and messages that are not persistent
};

inline amqp_bytes_t bytes_of(std::string_view text) {
  return {text.size(), const_cast<char*>(text.data())};
}
inline std::string_view text_of(const amqp_bytes_t& bytes) {
  return {static_cast<const char*>(bytes.bytes), bytes.len};
}
inline timeval time_of(std::chrono::milliseconds time) {
  return {.tv_sec = time.count() / 1000, .tv_usec = (time.count() % 1000) * 1000};
}
amqp_table_entry_t text_argument(const char* name, const char* value);

void check(const amqp_rpc_reply_t& said, const char* what);
void check(int status, const char* what);

class connection {
 public:
  explicit connection(std::uint16_t port);
  ~connection();
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  amqp_connection_state_t state() const { return state_; }
  // Of the call just made.
  void checked(const char* what) const { check(amqp_get_rpc_reply(state_), what); }
  void publish(amqp_bytes_t exchange, amqp_bytes_t key, const amqp_basic_properties_t& properties,
               std::string_view body) const;

 private:
  amqp_connection_state_t state_;
};

// The queue, or stream, with this number: "log.0".
std::string queue_name(std::size_t stream);

enum class acknowledging : std::uint8_t {
  in_groups,   // of several hundred messages
  not_needed,  // the broker takes what it has sent as acknowledged
};

// Receives from one queue.
class consumer {
 public:
  consumer(const connection& from, amqp_bytes_t queue, acknowledging how, kind of = kind::memory);

  // Gives a message to `into`, as an amqp_envelope_t; false when none came in this time.
  template <class Into>
  bool next(milliseconds patience, Into into) {
    amqp_envelope_t envelope;
    if (!receive(envelope, patience)) return false;
    into(envelope);
    amqp_destroy_envelope(&envelope);
    amqp_maybe_release_buffers(from_.state());
    return true;
  }
  // Acknowledges the rest.
  void settle();

 private:
  bool receive(amqp_envelope_t& envelope, milliseconds patience);

  const connection& from_;
  acknowledging how_;
  std::uint64_t last_ = 0;       // its tag
  std::uint64_t unsettled_ = 0;  // up to that
};

// Of the stream or queue; for a fan-out of kind::memory each subscriber has a queue of its own.
std::unique_ptr<audience> open_audience(std::uint16_t port, kind of, bool own_queues, std::size_t subscribers,
                                        delivery_sink into);
std::unique_ptr<caller> open_caller(std::uint16_t port);
std::unique_ptr<responder> open_responder(std::uint16_t port);
std::unique_ptr<worker> open_worker(std::uint16_t port, kind of);

}  // namespace skald::bench::compare::rabbitmq
