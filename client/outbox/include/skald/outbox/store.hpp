// The tables of outbox and inbox in a service's own database, whichever that is.
//
// A store speaks over one connection. A service has one on the connection that it makes its business changes
// on, and uses it through skald::outbox::transaction. The relay has another, on a connection of its own.
// sqlite_store and postgresql_store implement it.
//
// Threading: as the connection's; one thread at a time. Errors: database_error.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <skald/outbox/database_error.hpp>
#include <skald/protocol/types.hpp>

namespace skald::outbox {

// A record that waits in the outbox. The views in `new_row` must live until the call returns.
struct new_row {
  std::string_view id = {};  // the message id that it is published with; unique
  std::string_view topic = {};
  std::optional<std::string_view> key = {};
  std::optional<std::string_view> value = {};
  std::string_view headers = {};  // as encode_headers() makes them
  std::optional<partition_id> partition = {};
  timestamp time = {};
};

struct row {
  std::int64_t position = 0;
  std::string id;
  std::string topic;
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::string headers;
  std::optional<partition_id> partition;
  timestamp time;
};

struct parked_row {
  std::int64_t position = 0;
  std::string id;
  std::string topic;
  std::optional<std::string> key;
  std::string reason;
};

struct outbox_statistics {
  std::uint64_t unsent = 0;  // parked ones included
  std::uint64_t parked = 0;
  std::optional<timestamp> oldest_unsent;  // its record's time
};

class store {
 public:
  store() = default;
  store(const store&) = delete;
  store& operator=(const store&) = delete;
  virtual ~store() = default;

  // Makes what is missing of the tables skald_outbox and skald_inbox.
  virtual void create_tables() = 0;

  // ---- a local transaction; see skald::outbox::transaction ----
  virtual void begin() = 0;
  virtual void commit() = 0;
  virtual void rollback() noexcept = 0;
  // A part of the transaction that is open, which can be undone alone: a savepoint. Parts nest.
  virtual void begin_part() = 0;
  virtual void keep_part() = 0;
  virtual void undo_part() = 0;
  // Within the transaction that the connection has open, whoever opened it.
  virtual void add(const new_row& what) = 0;
  // Notes that the consumer handles this message. False: it is noted already.
  virtual bool receive(std::string_view consumer, std::string_view message_id) = 0;
  // Keeps what was answered to a message that is noted, for when it comes again.
  virtual void keep_answer(std::string_view consumer, std::string_view message_id,
                           std::string_view answer) = 0;
  // nullopt: none is kept.
  virtual std::optional<std::string> kept_answer(std::string_view consumer, std::string_view message_id) = 0;

  // ---- the relay's; each is a transaction of its own ----

  // The first committed rows, in the order in which they are to be published: per key that of their commits.
  // Without parked rows, and those behind one of the same topic and key. At least one if there is one,
  // otherwise until they have so many bytes together.
  virtual std::vector<row> unsent(std::uint32_t rows_max, std::uint64_t bytes_max) = 0;
  // They are published. Those that are gone already do not matter.
  virtual void remove(std::span<const std::int64_t> positions) = 0;
  // Sets aside a row that cannot be published.
  virtual void park(std::int64_t position, std::string_view reason) = 0;

  // ---- operation ----
  virtual std::vector<parked_row> parked(std::uint32_t rows_max) = 0;
  // Parked rows are tried again. How many they were.
  virtual std::uint64_t retry_parked() = 0;
  // Forgets received messages that are older, at most so many. How many it were.
  virtual std::uint64_t clean_inbox(std::chrono::seconds older_than, std::uint32_t rows_max) = 0;
  virtual outbox_statistics statistics() = 0;
  // Makes a connection of its own usable again, after database_problem::unreachable. A borrowed one is its
  // owner's affair.
  virtual void reconnect() {}
};

}  // namespace skald::outbox
