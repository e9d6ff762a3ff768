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

// A header: its key, and its value or none. In requests, replies and metadata of instances keys are unique,
// and no value is the same as an empty one.
using header = protocol::header_view;

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

// When a record is due: at a time, or after a delay that the broker counts (effect.set_timer(name, 15min,
// ...)).
class due {
 public:
  constexpr due(timestamp at) : at_(at) {}  // NOLINT(google-explicit-constructor)
  template <class Number, class Period>
  constexpr due(std::chrono::duration<Number, Period> delay)  // NOLINT(google-explicit-constructor)
      : delay_(std::chrono::ceil<milliseconds>(delay)) {}

  constexpr std::optional<timestamp> at() const { return at_; }
  constexpr std::optional<milliseconds> delay() const { return delay_; }

 private:
  std::optional<timestamp> at_;
  std::optional<milliseconds> delay_;
};

struct publish_options {
  skald::durability durability = skald::durability::disk;
  // The record is appended at that time, or after that delay; until then it has no offset and nobody reads
  // it. Durable and recognised when repeated, whatever `durability` says, as is one with any option below.
  std::optional<timestamp> deliver_at = {};
  std::optional<milliseconds> delay = {};
  // That long after it was appended, nobody is given it any more.
  std::optional<milliseconds> ttl = {};
  // "OWNER/NAME": while it waits, it can be listed, moved and cancelled, and a record with the same name
  // replaces it. See commit::set_timer().
  std::string_view timer = {};
  skald::timeout timeout = {};
};

struct read_key_options {
  std::uint64_t from_version = 1;  // what is not kept any more is passed over
  std::uint32_t limit = 1'000;     // at most so many records
  bool latest = false;             // only the newest, whatever the two above say
  // Absent: the one that the key belongs to.
  std::optional<partition_id> partition = {};
  skald::timeout timeout = {};
};

struct list_keys_options {
  std::string_view prefix = {};
  skald::timeout timeout = {};
};

struct list_timers_options {
  std::string_view owner_prefix = {};  // only timers of owners that begin with this
  skald::timeout timeout = {};
};

struct list_offsets_options {
  start_point at = latest;
  std::span<const partition_id> partitions = {};  // none: all
  skald::timeout timeout = {};
};

// Which records are wanted: all that is given must hold. The others stay at the broker.
struct record_filter {
  std::optional<std::string_view> key = {};  // "" is a key
  std::optional<std::string_view> key_prefix = {};
  // Of each (at most 16), the record has one with that key and value, among others.
  std::span<const header> headers = {};
};

struct fetch_options {
  std::uint32_t bytes_max = 1 << 20;  // a larger first batch comes whole
  std::uint32_t bytes_min = 1;        // the broker waits for that many ...
  milliseconds wait{0};               // ... this long, then answers with what there is
  // The broker waits for the first that matches, whatever `bytes_min` says. records::end_offset() is where to
  // go on.
  record_filter filter = {};
  skald::timeout timeout = {};  // counted from the end of `wait`
};

struct request_options {
  std::span<const header> headers = {};
  // How long the caller waits; it travels with the request.
  skald::timeout timeout = {};
};

struct request_all_options {
  std::span<const header> headers = {};
  // Enough after so many replies; 0: waits for every instance, or the timeout.
  std::uint32_t replies_max = 0;
  // Asks whether the instances are there, in whatever state; their handlers do not notice.
  bool ping = false;
  skald::timeout timeout = {};
};

struct reply_options {
  std::span<const header> headers = {};
};

struct serve_options {
  // Unique in the service; empty: the broker chooses. One that is taken replaces the instance that had it.
  std::string_view instance = {};
  std::string_view version = {};
  std::span<const header> metadata = {};
  // How many requests it takes at a time; 0: 256. More wait at the broker, or go to other instances.
  std::uint32_t window = 0;
  // How often it tells the broker that it lives; 0: 5 s. After 3 times that in silence it gets no requests.
  milliseconds heartbeat{0};
  skald::timeout timeout = {};
};

struct list_services_options {
  std::string_view subject = {};  // empty: all
  skald::timeout timeout = {};
};

struct watch_services_options {
  std::string_view subject = {};  // empty: all
  skald::timeout timeout = {};
};

// When the positions of a consumer group's member are committed; see subscription.hpp.
enum class commit_mode : std::uint8_t { automatic, manual };
inline constexpr commit_mode manual = commit_mode::manual;

struct subscribe_options {
  start_point from = latest;
  // Only these, all beginning at `from`. None: all partitions, including those added later. Not of a pattern.
  std::span<const partition_id> partitions = {};
  // Only these, each with its own beginning; instead of `partitions`. Not of a pattern.
  std::span<const partition_start> positions = {};
  // How much the broker may send ahead of receive(): the most memory that waits here to be received.
  std::uint64_t credit_bytes = 8 << 20;
  // For what does not match it no bytes travel and no credit is used. Now and then a delivery without records
  // says how far there was nothing that does. A key and a prefix that exclude each other, and more than 64
  // KiB, are invalid_request.
  record_filter filter = {};
  // The most that one receive() gives; a larger single batch comes whole.
  std::uint32_t delivery_bytes_max = 1 << 20;
  skald::timeout timeout = {};

  // As a member of this consumer group, which divides the partitions among its members; `from` is then where
  // to begin a partition of which the group has no position. Not together with `partitions` or `positions`.
  std::string_view group = {};
  // Makes a static member of that name: it may restart within its session timeout and gets its partitions
  // back.
  std::string_view instance = {};
  commit_mode commit = commit_mode::automatic;
  // How long the group waits for a member whose connection is lost, or who is silent. At most an hour.
  milliseconds session_timeout{30'000};
  // How long it waits for a partition that it wants back; longer than the records of one receive() take.
  milliseconds release_timeout{30'000};
};

struct producer_options {
  // Makes a named producer, of which there is one at a time: see producer. 1 to 249 characters of A-Z a-z 0-9
  // . _ and -. Empty: none.
  std::string_view name = {};
  skald::durability durability = skald::durability::disk;
  skald::compression compression = skald::compression::none;
  int compression_level = 0;  // 0: the library's default
  // A batch is sent at the latest when it has this size; a smaller batch_bytes_max of its topic lowers it.
  // Larger ones compress a little better and are no faster: they leave the processors' caches on their way.
  std::uint32_t batch_bytes = 256 << 10;
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
