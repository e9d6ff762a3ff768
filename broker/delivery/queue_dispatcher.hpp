// Who gets which record of a queue next, and what becomes of it: the queue's leases, in memory.
//
// A record is in one of these places:
//
//   unread     at or after its partition's cursor: nobody has been given it since this dispatcher was made
//   ready      to be given out again
//   waiting    (ordered queues) behind an earlier record of its key
//   leased     a consumer has it until a deadline
//   parked     ready at a due time
//   in limbo   a verdict about it, or a commit that acknowledges it, is on its way to the journal; done() or
//              undone(), acknowledged() or give_back() says how that went
//
// What has to survive is the history's affair: every verdict is made durable by whoever called, before it
// counts. After a restart leases are gone, and the cursor begins at the floor again.
//
// Records are handled in runs: a lease covers consecutive offsets, and only where a consumer treats records
// of one run differently, or keys are ordered, does any record cost memory of its own. Parked records beyond
// a limit are left to the history, earliest due ones first in memory.
//
// A pure core: no I/O, no clock. Times are moments on a clock that never goes back. Not thread safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "skald/protocol/error.hpp"
#include "skald/protocol/types.hpp"

namespace skald::delivery {

using moment = std::chrono::milliseconds;
using consumer_id = strong_id<struct consumer_id_tag, std::uint64_t>;
using lease_id = strong_id<struct lease_id_tag, std::uint64_t>;

struct dispatch_settings {
  moment lease{30'000};
  std::uint32_t max_attempts = 10;
  moment backoff_min{1'000};
  moment backoff_max{60'000};
  bool ordered_by_key = false;
};

// Records with a history: settled, or tried and due again at some moment.
struct known_range {
  partition_id partition;
  offset first;
  offset end;
  bool settled = false;
  std::uint32_t attempts = 0;
  moment due{0};
};

// The order of parked ranges: by due time.
using parked_key = std::tuple<moment, partition_id, offset>;

// What survives of the queue. It answers at once.
class queue_history {
 public:
  // The first range of the partition, settled or not, that ends after `from`.
  virtual std::optional<known_range> next(partition_id partition, offset from) = 0;
  // The ranges not settled with keys from `from` on, in order of key, at most `count`; only those that begin
  // before their partition's cursor.
  virtual std::vector<known_range> parked(const parked_key& from, std::size_t count,
                                          const std::function<offset(partition_id)>& cursor) = 0;

 protected:
  ~queue_history() = default;
};

struct leased_run {
  consumer_id to;
  lease_id lease;
  partition_id partition;
  offset first;
  std::uint32_t count = 0;
  std::uint32_t attempt = 0;  // 1 for the first
};

// What is to be made durable.
struct verdict {
  enum class kind : std::uint8_t { settled, retry, dead } is = kind::settled;
  partition_id partition;
  offset first;
  offset end;
  std::uint32_t attempts = 0;
  moment due{0};       // of a retry
  std::string reason;  // of a retry or a death
};

enum class settlement : std::uint8_t {
  ack,      // done
  nack,     // failed: again, later
  reject,   // hopeless: to the dead-letter topic
  release,  // not even begun: again, at once, and the attempt does not count
};

struct lease_ref {
  lease_id lease;
  offset first;
  offset end;
};

// Leased records that a commit acknowledges, while it is on its way.
struct set_aside_records {
  consumer_id by;
  lease_id lease;
  partition_id partition;
  offset first;
  offset end;
  std::uint32_t attempt = 0;
  moment deadline{0};  // of the lease, as it was
};

class queue_dispatcher {
 public:
  struct limits {
    std::uint32_t run_records = 256;      // in one lease
    std::size_t parked_records = 16'384;  // parked ranges in memory
    // Of an ordered queue: behind their keys, or holding them without being leased; no more are read then.
    std::size_t waiting_records = 65'536;
  };

  queue_dispatcher(dispatch_settings settings, queue_history& history)
      : queue_dispatcher(settings, history, {}) {}
  queue_dispatcher(dispatch_settings settings, queue_history& history, limits within);

  // Of what is leased or tried from now on. Whether keys are ordered stays as it was.
  void alter(dispatch_settings settings);

  // ---- records ----
  // The next partition, of which nothing before `floor` is left to do.
  void add_partition(offset floor);
  std::size_t partitions() const { return partitions_.size(); }
  // Whether consumers have room for more than is at hand here.
  bool wants_records(partition_id partition) const;
  // All records before it have been given out, or are waiting or parked.
  offset cursor(partition_id partition) const { return at(partition).cursor; }
  // Where the records begin that feed() is to bring next.
  offset read_from(partition_id partition);
  // The records from read_from() to `end` can be given out, but for those that the history says are settled:
  // it is asked again. `keys` are their keys' hashes, 0 for none; left out for queues that are not ordered.
  void feed(partition_id partition, offset end, std::span<const std::uint64_t> keys = {});
  // Forgets what was fed and is unread: it will have to be fed again.
  void unfeed(partition_id partition);
  // The records before `floor` are no more, wherever they were.
  void drop_before(partition_id partition, offset floor);

  // ---- consumers ----
  void add_consumer(consumer_id consumer, std::uint32_t prefetch);
  // A paused consumer is given nothing.
  void pause(consumer_id consumer, bool paused);
  // Its records are ready at once; `counted`: as an attempt.
  void remove_consumer(consumer_id consumer, bool counted, std::string_view reason, moment now,
                       std::vector<verdict>& out);
  std::size_t consumers() const { return consumers_.size(); }

  // ---- work ----
  // Leases what is ready to those who have room, in turns.
  void dispatch(moment now, std::vector<leased_run>& out);
  // False, and nothing has changed, unless the consumer holds all of these records under this lease.
  // `delay` is of a nack: without one, it backs off.
  [[nodiscard]] bool settle(consumer_id by, const lease_ref& what, settlement how,
                            std::optional<moment> delay, std::string_view reason, moment now,
                            std::vector<verdict>& out);
  [[nodiscard]] bool extend(consumer_id by, const lease_ref& what, moment until);
  // Takes records out of their lease, into limbo; nothing unless the consumer holds all of them under it.
  // Then either they are settled, and acknowledged() says so, or give_back() leaves all as it was: the lease
  // goes on, unless its deadline has passed or its consumer has gone meanwhile.
  [[nodiscard]] std::optional<set_aside_records> set_aside(consumer_id by, const lease_ref& what);
  void acknowledged(const set_aside_records& what, moment now);
  void give_back(const set_aside_records& what, moment now, std::vector<verdict>& out);
  // Ends leases whose deadline has passed, and makes ready what is due.
  void expire(moment now, std::vector<verdict>& out);
  // When expire() is to be called next.
  std::optional<moment> next_event() const;

  void done(const verdict& what, moment now);
  // It could not be made durable: its records are ready again after `pause`, as if they had not been leased.
  void undone(const verdict& what, moment now, moment pause);
  std::size_t in_limbo() const { return in_limbo_; }

  // While parked records are being made due in the history, none of them leaves its place.
  void begin_unpark() { unparking_ = true; }
  // They are all due at `at` now.
  void end_unpark(moment at);

  struct counts {
    std::uint64_t leased = 0;
    std::uint64_t ready = 0;  // without unread ones
    std::uint64_t waiting = 0;
    std::size_t deadlines = 0;  // in memory, needed or not
  };
  counts count() const;

 private:
  struct item {
    partition_id partition;
    offset first;
    offset end;
    std::uint32_t attempts = 0;
    moment due{0};
  };
  struct ready_range {
    offset end;
    std::uint32_t attempts = 0;
  };
  struct partition_state {
    offset cursor;   // all before it was looked at
    offset fed_end;  // all from the cursor up to here can be given out
    offset gone_before;
    bool offering = false;  // in offering_
    bool knows_next = false;
    std::optional<known_range> next_known;
    std::map<offset, ready_range> ready;
    // Of ordered queues.
    std::deque<std::uint64_t> keys;                            // from the cursor on
    std::unordered_map<std::uint64_t, std::uint64_t> key_of;   // offset to key, of records that hold theirs
    std::unordered_map<std::uint64_t, std::deque<item>> held;  // key to those that wait behind it
  };
  struct piece {
    offset first;
    offset end;
    moment deadline;
  };
  struct lease {
    consumer_id holder;
    partition_id partition;
    std::uint32_t attempt = 0;
    std::vector<piece> pieces;  // in order; what is left of it
  };
  struct consumer {
    std::uint32_t prefetch = 0;
    std::uint32_t leased = 0;
    bool paused = false;
    bool hungry = false;  // in hungry_
    std::unordered_set<std::uint64_t> leases;
  };
  using leases = std::unordered_map<std::uint64_t, lease>;

  partition_state& at(partition_id p) { return partitions_[p.value()]; }
  const partition_state& at(partition_id p) const { return partitions_[p.value()]; }
  bool has_room(const consumer& one) const { return !one.paused && one.leased < one.prefetch; }
  void feel_hungry(consumer_id id, consumer& one);
  void offer(partition_id p);
  std::uint32_t quantum(const consumer& one) const;

  std::optional<item> take(moment now, std::uint32_t records_max);
  std::optional<item> take_ready(partition_state& from, partition_id p, std::uint32_t records_max);
  std::optional<item> take_unread(partition_state& from, partition_id p, moment now,
                                  std::uint32_t records_max);
  std::optional<item> take_ordered(partition_state& from, partition_id p, offset limit,
                                   std::uint32_t records_max);
  const std::optional<known_range>& next_known(partition_state& of, partition_id p);
  void pass_known(partition_state& of, partition_id p, moment now);
  bool hold_key(partition_state& of, const item& record);
  void free_keys(partition_state& of, partition_id p, offset first, offset end, moment now);
  void place(const item& records, moment now);
  void make_ready(const item& records);
  void park(const item& records);
  void load_parked(moment now);
  void add_lease(const item& records, consumer_id to, consumer& holder, moment now,
                 std::vector<leased_run>& out);
  void failed(const lease& of, offset first, offset end, moment due, std::string_view reason,
              std::vector<verdict>& out);
  void give_verdict(verdict what, std::vector<verdict>& out);
  void forget_lease(leases::iterator which);
  void expect_deadline(moment at, std::uint64_t of);
  moment backoff(std::uint32_t attempts) const;

  dispatch_settings settings_;
  queue_history& history_;
  const limits limits_;
  std::vector<partition_state> partitions_;
  std::deque<partition_id> offering_;  // that may have something to give, in the order of their turns
  std::unordered_map<std::uint64_t, consumer> consumers_;
  std::deque<consumer_id> hungry_;  // with room, in the order of their turns
  leases leases_;
  std::uint64_t last_lease_ = 0;
  using deadline = std::pair<moment, std::uint64_t>;
  std::priority_queue<deadline, std::vector<deadline>, std::greater<>> deadlines_;  // some of leases gone
  std::size_t deadlines_needed_ = 0;  // when those that are not were last let go of
  std::map<parked_key, item> parked_;
  std::optional<parked_key> far_;        // those parked from here on are in the history only
  std::multimap<moment, item> pausing_;  // undone, and not in the history
  std::uint64_t ready_ = 0;
  std::uint64_t unread_ = 0;  // fed and not looked at
  std::uint64_t leased_ = 0;
  std::size_t waiting_ = 0;
  std::size_t keys_held_ = 0;  // by records that are leased, ready, parked or in limbo
  std::size_t in_limbo_ = 0;
  bool unparking_ = false;
};

}  // namespace skald::delivery
