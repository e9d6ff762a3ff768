// The unit of work: changes that take effect together, durably, or not at all.
//
//   skald::commit effect;
//   effect.acknowledge(work);  // a record leased from a queue, or read as a member of a group
//   effect.append("payments", {.key = order, .value = command});
//   effect.append("order-events", {.key = order, .value = event}).expect_version(seen);
//   effect.set_timer(order + "/expiry", 15min, "payments", {.key = order, .value = "expired"});
//   co_await broker.commit(std::move(effect));
//
// It is built without I/O and then committed by a client; one that was not committed does nothing. Topics of
// one commit are co-located: the partition of a record with a key is that key's in each topic. A lost
// connection does no harm: the client repeats a commit until it is answered, and the broker knows it again.
//
// Exactly once. A loop that receives, works, and commits the acknowledgement of its input together with its
// outputs has each input's outputs exactly once, whoever dies when. When a commit is refused, nothing has
// happened, and the input is still to be done: a record of a queue comes again by itself; a member of a group
// subscribes again, which goes on at the committed position (or it leaves the loop and is started again).
// Threading: none of its own; build it in one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <skald/options.hpp>
#include <skald/protocol/error.hpp>
#include <skald/protocol/types.hpp>
#include <skald/record.hpp>

namespace skald {

class blocking_subscription;
class delivery;
class subscription;

namespace detail {
struct commit_data;
struct durable_steps;
}  // namespace detail

namespace tracing {
struct lineage;
}

class commit {
 public:
  commit();
  ~commit();
  commit(commit&&) noexcept;
  commit& operator=(commit&&) noexcept;

  // What an append may demand. Valid until the next change of the commit.
  class appended {
   public:
    // The key has had exactly so many records before this one; 0: none. Else the commit is refused with
    // version_conflict. The topic needs an index of keys, the message a key.
    appended& expect_version(std::uint64_t version);
    // Remembered as long as the record: with an id that the partition knows already, this append is left out
    // and answered as a duplicate, while the rest takes effect. At most 240 bytes.
    appended& message_id(std::string_view id);
    // The record is appended at that time, or after that delay, instead of now; until then it has no offset
    // and nobody reads it.
    appended& deliver_at(timestamp when);
    appended& delay(milliseconds by);
    // That long after it was appended, nobody is given it any more.
    appended& ttl(milliseconds after);

   private:
    friend class commit;
    appended(detail::commit_data& of, std::size_t index) : of_(&of), index_(index) {}
    detail::commit_data* of_;
    std::size_t index_;
  };

  // Records that are appended or set from here on say so in their headers, unless those say otherwise; see
  // tracing.hpp. A commit made for a handler of the library does already.
  void trace(const tracing::lineage& caused_by);
  const tracing::lineage& traced() const;

  // Appends a record; the message is copied. Without a key and a partition it goes to partition 0. Throws
  // skald::error (record_too_large, invalid_request) for a message that no batch can hold.
  appended append(std::string_view topic, const message& what);

  // A record that waits under a name, "OWNER/NAME": what is before the last slash is the owner, whose timers
  // can be listed. Setting a timer of that name again replaces the record and the time. At most 240 bytes.
  appended set_timer(std::string_view name, due when, std::string_view topic, const message& what);
  // The commit is refused with unknown_timer when the timer has fired, was cancelled, or was never set,
  // unless that is said to be fine. Timers are cancelled and moved before anything is appended or set.
  enum class missing : std::uint8_t { refused, fine };
  void cancel_timer(std::string_view name, missing if_missing = missing::refused);
  void move_timer(std::string_view name, due when, missing if_missing = missing::refused);

  // The input of this unit of work, which is done if and only if it takes effect; committed by the client
  // that has received it. A record leased from a queue: refused with unknown_lease when the lease is not held
  // any more, that is it has run out, its connection was lost before the commit arrived, or it is settled.
  void acknowledge(const delivery& what);
  void acknowledge(std::span<const delivery> what);
  // What a member of a group has read, up to this record, or all of these: the group goes on behind them. The
  // member subscribes with commit_mode::manual. Refused with fenced_member when another member has the
  // partition by now, and with offset_out_of_range when some of it has been acknowledged before. A position
  // stands for all that is before it: let one commit of a partition be answered before the next is begun.
  void acknowledge(const subscription& by, const record& last);
  void acknowledge(const subscription& by, const records& done);
  void acknowledge(const blocking_subscription& by, const record& last);
  void acknowledge(const blocking_subscription& by, const records& done);

  bool empty() const;
  // Bytes that will travel.
  std::size_t bytes() const;

 private:
  friend class client;
  friend struct detail::durable_steps;
  std::unique_ptr<detail::commit_data> data_;
};

// What came of a commit.
struct committed {
  struct append {
    partition_id partition;
    skald::offset offset;
    bool duplicate = false;     // its message id was known: this is where that record is
    std::uint64_t version = 0;  // of its key now, in a topic with an index of keys
    bool waits = false;         // until it is due: it has no offset yet
  };
  std::vector<append> appends;  // in the order they were added
};

// Why a commit changed nothing.
class commit_refused : public error {
 public:
  // timer: one to cancel or to move; delivery, position: an input, acknowledged with a lease or by a member
  enum class part : std::uint8_t { whole, append, timer, delivery, position };
  commit_refused(errc code, const std::string& message, part what, std::size_t index, std::uint64_t version)
      : error(code, message), part_(what), index_(index), version_(version) {}
  // Which part is to blame: the index counts the calls that added such parts, or the deliveries.
  part what_part() const noexcept { return part_; }
  std::size_t index() const noexcept { return index_; }
  // With version_conflict: the version that the key is at.
  std::uint64_t actual_version() const noexcept { return version_; }

 private:
  part part_;
  std::size_t index_;
  std::uint64_t version_;
};

// A named timer that waits.
struct timer_info {
  std::string name;  // OWNER/NAME
  timestamp due;
  std::string topic;
  partition_id partition;
  std::uint32_t bytes = 0;  // of the batch that its record is stored as
};

// Records of one key, in order.
struct key_records {
  skald::records records;
  std::vector<std::uint64_t> versions;  // of each of the records
  std::uint64_t version = 0;            // the newest there is
};

struct key_info {
  std::string key;
  partition_id partition;
  std::uint64_t version = 0;  // how many records have had this key
  offset latest;              // its newest record
};

}  // namespace skald
