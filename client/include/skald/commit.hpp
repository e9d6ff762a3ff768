// The unit of work: changes that take effect together, durably, or not at all.
//
//   skald::commit effect;
//   effect.append("payments", {.key = order, .value = command});
//   effect.append("order-events", {.key = order, .value = event}).expect_version(seen);
//   effect.set_timer(order + "/expiry", 15min, "payments", {.key = order, .value = "expired"});
//   co_await broker.commit(std::move(effect));
//
// It is built without I/O and then committed by a client; one that was not committed does nothing. Topics of
// one commit are co-located: the partition of a record with a key is that key's in each topic. A lost
// connection does no harm: the client repeats a commit until it is answered, and the broker knows it again.
// Threading: none of its own; build it in one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <skald/options.hpp>
#include <skald/protocol/error.hpp>
#include <skald/protocol/types.hpp>
#include <skald/record.hpp>

namespace skald {

namespace detail {
struct commit_data;
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

  bool empty() const;
  // Bytes that will travel.
  std::size_t bytes() const;

 private:
  friend class client;
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
  enum class part : std::uint8_t { whole, append, timer };  // timer: one to cancel or to move
  commit_refused(errc code, const std::string& message, part what, std::size_t index, std::uint64_t version)
      : error(code, message), part_(what), index_(index), version_(version) {}
  // Which part is to blame: the index counts the calls that added such parts.
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
