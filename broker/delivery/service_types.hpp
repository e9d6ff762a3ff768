// What goes into the registry of services and what comes out of it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "broker/base/buffer.hpp"
#include "skald/protocol/error.hpp"
#include "skald/protocol/types.hpp"

namespace skald::delivery {

using std::chrono::milliseconds;
using steady_time = std::chrono::steady_clock::time_point;

// A connection. 0 is none.
using peer_id = strong_id<struct peer_tag, std::uint64_t>;
// What a responder answers to: chosen by the broker, never used twice, not 0.
using correlation_id = strong_id<struct correlation_tag, std::uint64_t>;

// One request of a connection: where its answer goes.
struct asker {
  peer_id peer;
  std::uint64_t request = 0;  // unique in the connection
};

using properties = std::vector<std::pair<std::string, std::string>>;
using shared_text = std::shared_ptr<const std::string>;

// What a request or reply consists of, for its receiver.
struct body {
  properties headers;
  slice payload;
};

// What a responder says.
struct response {
  body content;
  bool failed = false;  // with the responder's own code and message
  std::int32_t code = 0;
  std::string message;
};

struct registration {
  std::uint64_t responder = 0;  // unique in the connection
  std::string subject;
  std::string instance_id;  // empty: the broker chooses
  std::string version;
  properties metadata;
  std::uint32_t window = 0;   // 0: the broker chooses
  milliseconds heartbeat{0};  // likewise
};

struct service_settings {
  std::size_t payload_bytes_max = 1u << 20;
  std::size_t metadata_bytes_max = 4096;
  milliseconds timeout_default{30'000};
  milliseconds timeout_max{std::chrono::hours(24)};

  std::uint32_t window_default = 256;
  std::uint32_t window_max = 65'536;
  milliseconds heartbeat_default{5'000};
  milliseconds heartbeat_min{100};
  milliseconds heartbeat_max{std::chrono::hours(1)};
  int heartbeats_until_unhealthy = 3;
  int heartbeats_until_removed = 10;
  // How long the reply to an abandoned request is waited for.
  milliseconds abandoned_kept{30'000};

  std::size_t waiting_max = 16'384;           // requests of one service without a free instance
  std::size_t body_bytes_max = 32u << 20;     // of all requests, waiting and with instances
  std::size_t instance_bytes_max = 4u << 20;  // with one instance; a single larger one is possible
  std::size_t requests_per_peer_max = 16'384;
  std::uint32_t pings_per_instance_max = 1024;  // without an answer yet
  std::size_t responders_per_peer_max = 1024;
  std::size_t watches_per_peer_max = 64;
  std::size_t instances_max = 100'000;
};

enum class instance_state : std::uint8_t { healthy, unhealthy, draining, left };

struct service_statistics {
  std::uint64_t requests = 0;
  std::uint64_t replies = 0;
  std::uint64_t failed = 0;
  std::uint64_t lost = 0;
  std::uint64_t expired = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t late = 0;
  std::uint32_t in_flight = 0;
  std::uint32_t waiting = 0;
  std::chrono::microseconds p50{0};
  std::chrono::microseconds p90{0};
  std::chrono::microseconds p99{0};
  std::chrono::microseconds max{0};
};

struct instance_snapshot {
  std::string id;
  std::string version;
  properties metadata;
  instance_state state = instance_state::healthy;
  milliseconds age{0};
  std::uint32_t window = 0;
  service_statistics statistics;
};
struct service_snapshot {
  std::string subject;
  service_statistics statistics;
  std::vector<instance_snapshot> instances;
};
struct service_page {
  std::vector<service_snapshot> services;
  bool more = false;
};

// An instance that has come, changed or left.
struct service_change {
  std::string subject;
  instance_snapshot instance;  // without statistics
  bool initial = false;
  std::string reason;
};

// ---- effects: each is for the connection `to` -----------------------------------------------------------

namespace effect {

struct deliver {
  peer_id to;
  std::uint64_t responder = 0;
  correlation_id correlation;
  milliseconds left{0};
  bool ping = false;
  body what;
};
struct cancel {
  peer_id to;
  std::uint64_t responder = 0;
  correlation_id correlation;
};
struct reply {
  peer_id to;
  std::uint64_t request = 0;
  shared_text instance;
  response what;
};
struct partial_reply {
  peer_id to;
  std::uint64_t request = 0;
  shared_text instance;
  errc error = errc::ok;
  response what;
};
struct gathered {
  peer_id to;
  std::uint64_t request = 0;
  std::uint32_t asked = 0;
  std::uint32_t replied = 0;
};
// A Request or RequestAll that gets no reply.
struct unanswered {
  peer_id to;
  std::uint64_t request = 0;
  errc code = errc::ok;
  std::string why;
};
// The answers to everything else.
struct serving {
  peer_id to;
  std::uint64_t request = 0;
  shared_text instance;
  std::uint32_t window = 0;
  milliseconds heartbeat{0};
};
struct done {
  peer_id to;
  std::uint64_t request = 0;
};
struct refused {
  peer_id to;
  std::uint64_t request = 0;
  errc code = errc::ok;
  std::string why;
};
struct responder_ended {
  peer_id to;
  std::uint64_t responder = 0;
  errc code = errc::ok;
  std::string why;
};
struct changed {
  peer_id to;
  std::uint64_t watch = 0;
  std::shared_ptr<const service_change> what;
};

}  // namespace effect

using service_effect = std::variant<effect::deliver, effect::cancel, effect::reply, effect::partial_reply,
                                    effect::gathered, effect::unanswered, effect::serving, effect::done,
                                    effect::refused, effect::responder_ended, effect::changed>;
using service_effects = std::vector<service_effect>;

inline peer_id receiver_of(const service_effect& what) {
  return std::visit([](const auto& one) { return one.to; }, what);
}

}  // namespace skald::delivery
