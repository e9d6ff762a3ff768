// One local transaction: the business change, what it consumed, and what it publishes.
//
//   skald::outbox::transaction change(store);                       // on the service's own connection
//   if (!change.receive("customers", order_created)) return;        // it was handled before
//   update(db, "UPDATE customer SET reserved = ...");               // the service's SQL, same connection
//   change.publish("customer-events", {.key = customer, .value = event});
//   change.commit();                                                // all of it, or none
//
// A relay publishes what was committed, later and exactly once. A message that comes again is recognised by
// the inbox, so that handling it again changes nothing: repeat a whole transaction after a database_error,
// also after one whose outcome is unknown.
//
// Threading: as the store's. Lifetime: the store outlives it; one at a time on a connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <skald/outbox/store.hpp>
#include <skald/record.hpp>
#include <skald/tracing.hpp>

namespace skald::outbox {

class transaction {
 public:
  // Begins. Of SQLite with BEGIN IMMEDIATE: it waits here for other writers, never in between.
  explicit transaction(store& in);
  // A part of the transaction that is open there, whoever opened it: what it does can be undone alone, and is
  // durable with the whole.
  struct part {};
  transaction(store& in, part);
  // Rolls back what was not committed.
  ~transaction();
  transaction(const transaction&) = delete;
  transaction& operator=(const transaction&) = delete;

  // False: the consumer has handled the message in an earlier transaction. Consumers are names, so that
  // several may handle the same message.
  [[nodiscard]] bool receive(std::string_view consumer, std::string_view message_id);
  // By its tracing::message_id_of(). What is published from here on says that this record is its cause.
  [[nodiscard]] bool receive(std::string_view consumer, const record& received);
  // Keeps what is answered to a message that was received here, and gives it when that comes again; nullopt:
  // nothing was kept.
  void keep_answer(std::string_view consumer, std::string_view message_id, std::string_view answer);
  std::optional<std::string> kept_answer(std::string_view consumer, std::string_view message_id);

  // Puts a record into the outbox. Of one key, records are published in the order in which their transactions
  // committed, and within one in the order of these calls. The time of the record is now, unless it says
  // otherwise. An id of the caller's choice, at most 240 bytes, makes the topic drop another record with it.
  void publish(std::string_view topic, const message& what, std::string_view id = {});
  // What is published from here on says so in its headers, unless these say otherwise; see tracing.hpp.
  void trace(tracing::lineage caused_by) { traced_ = std::move(caused_by); }
  const tracing::lineage& traced() const { return traced_; }

  // Throws database_error. Nothing has happened then, except with database_problem::unknown_outcome.
  void commit();

 private:
  store& store_;
  bool is_part_ = false;
  bool open_ = true;
  std::string unique_;  // made when first needed
  std::uint32_t count_ = 0;
  tracing::lineage traced_;
};

}  // namespace skald::outbox
