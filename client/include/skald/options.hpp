// What operations can be told. Every option has a default; name those that differ:
//
//   skald::client broker(executor, {.address = "db1:7411,db2:7411", .timeout = 5s});
//
// All of these are made of numbers and views, on purpose: GCC 12 destroys temporaries twice that own memory
// and stand in a co_await expression, so that nothing here may own any. A view must live until the call
// returns.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <skald/protocol/record_batch.hpp>
#include <skald/protocol/types.hpp>

namespace skald {

using std::chrono::milliseconds;

// Absent in an operation's options: client_options::timeout.
using timeout = std::optional<milliseconds>;

// Where reading starts: skald::earliest, skald::latest, an offset, or a timestamp (the first record with that
// timestamp or a later one).
class start_point {
 public:
  enum class kind : std::uint8_t { earliest, latest, offset, time };

  constexpr start_point(skald::offset at)  // NOLINT(google-explicit-constructor): .from = skald::offset(5)
      : kind_(kind::offset), value_(static_cast<std::int64_t>(at.value())) {}
  constexpr start_point(timestamp at)  // NOLINT(google-explicit-constructor)
      : kind_(kind::time), value_(at.time_since_epoch().count()) {}
  explicit constexpr start_point(kind what, std::int64_t value = 0) : kind_(what), value_(value) {}

  constexpr kind what() const { return kind_; }
  constexpr std::int64_t value() const { return value_; }  // the offset, or milliseconds since the Unix epoch
  friend constexpr bool operator==(start_point, start_point) = default;

 private:
  kind kind_;
  std::int64_t value_;
};

inline constexpr start_point earliest{start_point::kind::earliest};  // the oldest record kept
inline constexpr start_point latest{start_point::kind::latest};      // only what is published from now on

struct partition_start {
  partition_id partition = {};
  start_point from = earliest;
  // Of a subscription to a pattern: which topic's. Empty: the only one's.
  std::string_view topic = {};
};

struct client_options {
  // "host:port", or several of the same broker separated by commas, tried in turn. The port may be left out
  // (7411); an IPv6 address is written [::1]:7411.
  std::string_view address = "127.0.0.1:7411";
  // Appears in the broker's logs.
  std::string_view client_name = "skald-client";
  // For every operation that does not say otherwise.
  milliseconds timeout{10'000};
  // One attempt to connect, greeting included.
  milliseconds connect_timeout{5'000};
  // Between attempts: doubles from the first to the second, with jitter.
  milliseconds reconnect_delay_min{50};
  milliseconds reconnect_delay_max{5'000};
};

struct connect_options {
  skald::timeout timeout = {};
  // false: fail as soon as every address has refused once, with the reason of each. true: until the timeout.
  bool keep_trying = false;
};

struct call_options {
  skald::timeout timeout = {};
};

struct create_topic_options {
  // true: a topic that exists already, whatever its settings, is fine.
  bool if_absent = false;
  skald::timeout timeout = {};
};

struct publish_options {
  skald::durability durability = skald::durability::disk;
  skald::timeout timeout = {};
};

struct list_offsets_options {
  start_point at = latest;
  std::span<const partition_id> partitions = {};  // none: all
  skald::timeout timeout = {};
};

struct fetch_options {
  std::uint32_t bytes_max = 1 << 20;  // a larger first batch comes whole
  std::uint32_t bytes_min = 1;        // the broker waits for that many ...
  milliseconds wait{0};               // ... this long, then answers with what there is
  skald::timeout timeout = {};        // counted from the end of `wait`
};

// Which records a subscription is for: all that is given must hold. Others stay at the broker.
struct record_filter {
  std::optional<std::string_view> key = {};  // "" is a key
  std::optional<std::string_view> key_prefix = {};
  // Of each (at most 16), the record has one with that key and value, among others.
  std::span<const protocol::header_view> headers = {};
};

struct subscribe_options {
  start_point from = latest;
  // Only these, all beginning at `from`. None: all partitions, including those added later. Not of a pattern.
  std::span<const partition_id> partitions = {};
  // Only these, each with its own beginning; instead of `partitions`. Not of a pattern.
  std::span<const partition_start> positions = {};
  // How much the broker may send ahead of receive(): the most memory that waits here to be received.
  std::uint64_t credit_bytes = 8 << 20;
  // For what does not match it no bytes travel and no credit is used. Now and then a delivery without records
  // says how far there was nothing that does.
  record_filter filter = {};
  // The most that one receive() gives; a larger single batch comes whole.
  std::uint32_t delivery_bytes_max = 1 << 20;
  skald::timeout timeout = {};
};

struct producer_options {
  skald::durability durability = skald::durability::disk;
  skald::compression compression = skald::compression::none;
  int compression_level = 0;  // 0: the library's default
  // A batch is sent at the latest when it has this size. Topics with a smaller batch_bytes_max lower it.
  std::uint32_t batch_bytes = 1 << 20;
  // How long a batch that is not full waits for more. 0: it goes as soon as the partition has no batch on its
  // way, so that whatever gathers meanwhile travels together: lowest latency when idle, full batches when
  // busy.
  milliseconds linger{0};
  // Records accepted and not yet acknowledged. At this limit send() waits and try_send() says false.
  std::uint64_t buffer_bytes_max = 32 << 20;
  // Of those, how much is on its way to the broker at a time.
  std::uint64_t in_flight_bytes_max = 16 << 20;
  // A record not acknowledged within this time after it was accepted has failed with deadline_exceeded.
  milliseconds delivery_timeout{30'000};
};

}  // namespace skald
