// Sharing a topic's records among consumers, one by one, with acknowledgements.
//
//   auto work = co_await broker.open_queue("orders", "billing", {.prefetch = 64});
//   for (;;)
//     for (const skald::delivery& d : co_await work.receive()) {
//       if (bill(d)) work.ack(d);
//       else work.nack(d);
//     }
//
// A record is leased to one consumer at a time. Unless that settles it within the lease, it goes to another;
// each attempt is counted, and after the last the record goes to the queue's dead-letter topic.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <skald/detail/completion.hpp>
#include <skald/options.hpp>
#include <skald/record.hpp>

namespace skald {

class commit;

namespace detail {
class queue_consumer;
}

// Absent ones keep their default (create) or present value (alter).
struct queue_settings {
  std::optional<milliseconds> lease = {};          // default 30 s
  std::optional<std::uint32_t> max_attempts = {};  // default 10
  std::optional<milliseconds> backoff_min = {};    // before the second attempt; default 1 s, and doubles ...
  std::optional<milliseconds> backoff_max = {};    // ... up to this; default 1 min
  std::optional<bool> ordered_by_key = {};         // default false
  std::optional<std::string_view> dead_letter = {};  // a topic; default <topic>.<queue>.dead
};

struct create_queue_options {
  bool if_absent = false;         // true: a queue that exists already, whatever its settings, is fine
  bool only_new_records = false;  // false: all that the topic holds, too
  skald::timeout timeout = {};
};

struct open_queue_options {
  // How many records this consumer may hold at a time, those that wait in receive() included.
  std::uint32_t prefetch = 64;
  // true: makes the queue, with these settings, if there is none.
  bool create = false;
  queue_settings settings = {};
  std::uint32_t delivery_bytes_max = 1
                                     << 20;  // the most that one receive() gives; a larger record comes whole
  skald::timeout timeout = {};
};

struct purge_options {
  bool dry_run = false;  // true: only says how many there are
  skald::timeout timeout = {};
};

struct peek_options {
  offset from = {};
  std::uint32_t limit = 100;
  skald::timeout timeout = {};
};

// ---- what is received ------------------------------------------------------------------------------------

// A record with a lease. Like a record, it may be copied and kept; the lease is settled once.
class delivery : public record {
 public:
  delivery() = default;
  // 1 for the first.
  std::uint32_t attempt() const { return attempt_; }

 private:
  friend class commit;
  friend class detail::queue_consumer;
  std::uint64_t client_ = 0;      // who has received it
  std::uint64_t consumer_ = 0;    // by its number there
  std::uint64_t connection_ = 0;  // that the lease came with, and goes with
  std::uint64_t lease_ = 0;
  std::uint32_t attempt_ = 0;
};

using deliveries = std::vector<delivery>;

// An open queue; made by client::open_queue(). The handle is movable; destroying it closes it.
//
// Settling. ack(), nack(), reject(), release() and extend() return at once. What they say is gathered, sent,
// and made durable by the broker in groups; flush() completes when all of it is. Records that are not settled
// when the lease runs out, or when the connection is lost, are given to somebody else: work may be done twice
// but is not lost.
//
// Failures of settling are told by the next flush(): unknown_lease when the lease was not held any more (it
// ran out, its connection was lost, or the record was settled before), connection_lost when the answer was
// lost (it may be settled or not), storage_full and others as the broker says.
//
// Lost connections. receive() goes on with the next connection. Leases go with the connection they came with:
// what had been received and was not settled will come again.
//
// Errors of receive(), for good: unknown_queue, unknown_topic (deleted), closed, and what the broker says.
//
// Threading: as the client's.
class work_queue {
 public:
  using default_token = boost::asio::use_awaitable_t<>;

  work_queue();
  explicit work_queue(std::shared_ptr<detail::queue_consumer> core);
  ~work_queue();
  work_queue(work_queue&&) noexcept;
  work_queue& operator=(work_queue&&) noexcept;

  // The next records, in order within each partition; waits for some without limit unless options.timeout
  // says so. A cancelled or timed out receive() loses nothing. One at a time. -> deliveries
  template <class Token = default_token>
  auto receive(call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_receive(options), std::forward<Token>(token));
  }

  // Done: the record never comes again.
  void ack(const delivery& what);
  void ack(const deliveries& what);
  // Failed: it comes again after `delay`, or else after a time that doubles with each attempt. `reason` is
  // shown where the record is looked at, and goes with it to the dead letters.
  void nack(const delivery& what, std::optional<milliseconds> delay = {}, std::string_view reason = {});
  // Hopeless: to the dead-letter topic, without further attempts.
  void reject(const delivery& what, std::string_view reason);
  // Not begun: it comes again at once, to anybody, and does not count as an attempt.
  void release(const delivery& what);
  // Its lease ends `time` from now.
  void extend(const delivery& what, milliseconds time);

  // Completes when all settled so far is durable. Throws the first failure since the last flush(). -> void
  template <class Token = default_token>
  auto flush(call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_flush(options), std::forward<Token>(token));
  }

  std::string_view topic() const;
  std::string_view queue() const;
  // As the broker has it.
  milliseconds lease() const;

  // Ends it; a pending receive() completes with errc::closed. What is settled is still sent; what is held
  // comes again at once, to anybody, and does not count as an attempt. Idempotent.
  void close();

 private:
  friend class blocking_queue;
  detail::operation<deliveries> prepare_receive(call_options options);
  detail::operation<> prepare_flush(call_options options);

  std::shared_ptr<detail::queue_consumer> core_;
};

// ---- administration --------------------------------------------------------------------------------------

struct queue_partition {
  partition_id partition;
  offset floor;  // all before it is settled
  offset end;    // of the topic's partition
  std::uint64_t settled_above = 0;
};

struct queue_info {
  std::string topic;
  std::string queue;
  timestamp created;
  milliseconds lease{0};
  std::uint32_t max_attempts = 0;
  milliseconds backoff_min{0};
  milliseconds backoff_max{0};
  bool ordered_by_key = false;
  std::string dead_letter;  // the topic
  std::uint32_t consumers = 0;
  std::uint64_t ready = 0;  // neither settled nor leased nor parked
  std::uint64_t leased = 0;
  std::uint64_t parked = 0;                 // waiting for their next attempt
  std::uint64_t dead = 0;                   // in the dead-letter topic, neither retried nor dropped
  std::vector<queue_partition> partitions;  // only describe_queue() fills it
};

struct peeked_record {
  skald::record record;
  std::uint32_t attempts = 0;
  std::optional<timestamp> due;  // of a parked one
  std::string reason;            // why the last attempt failed
};
struct peeked_records {
  std::vector<peeked_record> records;
  offset next;        // where to go on
  bool more = false;  // there may be more there
};

}  // namespace skald
