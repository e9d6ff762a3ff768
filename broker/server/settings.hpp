// The limits and deadlines that every connection lives under.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "skald/protocol/frame.hpp"

namespace skald::server {

struct session_settings {
  protocol::frame_limits frames{.frame_bytes_max = (8u << 20) + (1u << 20), .header_bytes_max = 1u << 20};

  // What one connection may have outstanding before the broker stops reading from it.
  std::size_t publish_window_bytes = 16u << 20;
  std::size_t requests_in_flight_max = 4096;
  std::size_t output_bytes_max = 2u << 20;  // queued for the peer; deliveries wait and input pauses beyond it
  std::size_t subscriptions_max = 1024;
  std::size_t partitions_subscribed_max = 100'000;  // by all subscriptions of one connection together

  std::size_t delivery_bytes_max = 1u << 20;  // also when the subscriber would take more at once
  std::size_t fetch_bytes_max = 8u << 20;

  std::chrono::milliseconds hello_timeout{10'000};  // until the first frame is there
  std::chrono::milliseconds idle_timeout{60'000};   // without any byte from the client
  std::chrono::milliseconds frame_timeout{60'000};  // from the first byte of a frame to its last
  std::chrono::milliseconds write_timeout{60'000};  // with output queued of which the peer takes nothing
  std::chrono::milliseconds linger_timeout{2'000};  // for the peer to read why the broker hangs up

  std::chrono::milliseconds group_timeout{30'000};  // of a session, and to release partitions, unless told
  std::chrono::milliseconds group_timeout_min{100};
  std::chrono::milliseconds group_timeout_max{3'600'000};
  std::chrono::milliseconds group_grace{3'000};  // after a start, for members to claim what they had

  std::string broker_version;
  std::string broker_id;
};

}  // namespace skald::server
