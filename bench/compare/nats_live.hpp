// NATS's connection, and its subscribers, requests and workers; see peer.hpp.
#pragma once

#include <nats/nats.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "bench/compare/peer.hpp"

namespace skald::bench::compare::nats {

inline constexpr std::int64_t patience_ms = 60'000;
// For all that are in flight: a server that syncs each of 16,384 records is slow, not dead.
inline constexpr std::int64_t finish_max_ms = 600'000;
inline constexpr const char* queue = "work";  // the durable consumer

void check(natsStatus status, const char* what);

// When a message that is published leaves.
enum class sending : std::uint8_t {
  together,  // with others, by a thread of the library
  at_once    // in the call, which has no thread to wait for
};

struct connection_options {
  sending when = sending::together;
  std::int64_t unacknowledged_max = 1;  // asynchronous publishes
  bool shared_threads = false;          // that call back, with other connections
};

class connection {
 public:
  explicit connection(const std::string& url, const connection_options& with = {});
  ~connection();
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  natsConnection* get() const { return connection_; }
  jsCtx* stream() const { return stream_; }
  // Returns when the server has seen all that was sent.
  void flush() const { check(natsConnection_FlushTimeout(connection_, patience_ms), "flush"); }

 private:
  natsConnection* connection_ = nullptr;
  jsCtx* stream_ = nullptr;
};

// Of the stream with this number: "log.0".
std::string subject(std::size_t stream);
// "log-0"
std::string stream_name(std::size_t stream);

// Where messages are.
enum class source : std::uint8_t { jetstream, core };

std::unique_ptr<audience> open_audience(const std::string& url, source what, std::size_t subscribers,
                                        delivery_sink into);
std::unique_ptr<caller> open_caller(const std::string& url, sending when);
std::unique_ptr<responder> open_responder(const std::string& url, sending when);
// Of the durable consumer called `queue`.
std::unique_ptr<worker> open_worker(const std::string& url);

}  // namespace skald::bench::compare::nats
