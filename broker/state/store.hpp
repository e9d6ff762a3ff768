// The ordered key-value store that tables are kept in: the seam between LMDB and the stores of tests.
//
// Threading: reading happens on one thread (the shard's reactor); commit() may run on another at the same
// time. A read sees one committed state from its beginning to its end. Reads are to be short: an old one
// keeps pages of the store from being reused.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "skald/protocol/result.hpp"

namespace skald::state {

// The tables of a store. The numbers are not stored; the names (see to_string) are.
enum class table_id : std::uint8_t {
  meta,
  topics,
  partitions,
  batches,
  places,
  producers,
  segments,
  garbage,
  keys,
  key_records,
  message_ids,
  commits,
  committers,
  group_positions,
  queues,
  queue_partitions,
  queue_records,
  timers,
  timer_names,
  named_producers
};
inline constexpr std::size_t table_count = 20;
std::string_view to_string(table_id table) noexcept;

// A place in one table, in the order of keys as unsigned bytes. The views are valid until the cursor moves or
// goes. The seeks and next() say whether there is an entry.
class cursor {
 public:
  virtual ~cursor() = default;
  virtual bool seek_at_or_after(std::string_view key) = 0;
  virtual bool seek_at_or_before(std::string_view key) = 0;
  virtual bool next() = 0;
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
};

// What one commit changes. A failure is remembered, the rest of the changes ignored.
class writer {
 public:
  virtual void put(table_id table, std::string_view key, std::string_view value) = 0;
  virtual void erase(table_id table, std::string_view key) = 0;  // which need not be there

 protected:
  ~writer() = default;
};

class store {
 public:
  virtual ~store() = default;

  // Both throw skald::error (storage_error, storage_corrupt) when the store cannot be read.
  virtual std::optional<std::string> get(table_id table, std::string_view key) const = 0;
  virtual std::unique_ptr<cursor> read(table_id table) const = 0;

  // Makes all changes durable, or none. Fails with storage_full, which may be tried again later; any other
  // failure means that the store can no longer be trusted to take changes.
  virtual result<> commit(const std::function<void(writer&)>& changes) = 0;
};

}  // namespace skald::state
