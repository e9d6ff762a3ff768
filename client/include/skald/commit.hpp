// The unit of work: changes that take effect together, durably, or not at all.
//
//   skald::commit effect;
//   effect.append("payments", {.key = order, .value = command});
//   effect.append("order-events", {.key = order, .value = event}).expect_version(seen);
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

   private:
    friend class commit;
    appended(detail::commit_data& of, std::size_t index) : of_(&of), index_(index) {}
    detail::commit_data* of_;
    std::size_t index_;
  };

  // Appends a record; the message is copied. Without a key and a partition it goes to partition 0. Throws
  // skald::error (record_too_large, invalid_request) for a message that no batch can hold.
  appended append(std::string_view topic, const message& what);

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
  };
  std::vector<append> appends;  // in the order they were added
};

// Why a commit changed nothing.
class commit_refused : public error {
 public:
  enum class part : std::uint8_t { whole, append };
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
