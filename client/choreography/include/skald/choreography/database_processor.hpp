// Handles events with effects in a service's own database.
//
//   outbox::sqlite_store store("customers.db");
//   outbox::group_committer database(store);
//   choreography::database_processor customers(broker, database, "customers");
//   customers.on<order_created>("order-events",
//                               [&](const order_created& order, choreography::local_handling& in) {
//     if (reserve(store.connection(), order))                 // the service's SQL, without a transaction
//       in.publish("customer-events", order.customer, credit_reserved{order.id});
//     else
//       in.publish("customer-events", order.customer, credit_limit_exceeded{order.id});
//   });
//   co_await customers.create();                              // its queues; once
//   co_await customers.run();                                 // until close()
//
// Once. The handler's changes, the event's message id in the inbox, and the events that it publishes are one
// local transaction; then the event is acknowledged. A relay (outbox/relay.hpp) publishes what was committed.
// Whatever is killed when, an event that comes again is in the inbox, and changes nothing.
//
// Shared syncs. The group_committer puts events that are there together, and whatever else the service does,
// into one transaction of the database, of which each is a part that can be undone alone.
//
// In order, parked when it fails, and passed over: as with event_processor. A database that cannot be reached
// is no fault of the event: it is waited for.
//
// Threading, errors and cancellation: as the client's, which has to outlive this, as the committer has.
// Handlers run on the committer's thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include <skald/choreography/event.hpp>
#include <skald/choreography/event_handlers.hpp>
#include <skald/client.hpp>
#include <skald/outbox/group_committer.hpp>

namespace skald::choreography {

class local_handling : public received_event {
 public:
  local_handling(const delivery& from, outbox::transaction& within) : received_event(from), change(within) {}

  // Puts the event into the outbox.
  template <encodable Event>
  void publish(std::string_view topic, std::string_view aggregate_id, const Event& what) {
    const event_message made(aggregate_id, what);
    change.publish(topic, made.view());
  }

  // The part of the transaction that is the event's. Not to be committed here.
  outbox::transaction& change;
};

class database_processor {
 public:
  template <class Result>
  using awaitable = boost::asio::awaitable<Result>;

  // Does no I/O. The name is that of its queues, and of the consumer in the inbox; processors of one name
  // share the events, and the database. So many events of each topic share a commit at most.
  database_processor(client& broker, outbox::group_committer& database, std::string_view name,
                     std::uint32_t concurrency = 512);
  ~database_processor();
  database_processor(database_processor&&) noexcept;
  database_processor& operator=(database_processor&&) noexcept;

  // void(const Event&, local_handling&). Before create().
  template <encodable Event, class F>
  database_processor& on(std::string_view topic, F work) {
    add(topic, codec<Event>::name, [work = std::move(work)](std::string_view data, local_handling& in) {
      work(codec<Event>::from_bytes(data), in);
    });
    return *this;
  }

  // Makes, unless they are there: the topics and their queues. The tables are the store's to make.
  awaitable<void> create(processor_settings settings = {});
  // Handles events, until close(). One at a time. Throws what the broker says about a queue, for good.
  awaitable<void> run();
  // run() ends when what it has begun has ended. Idempotent.
  void close();

  processor_metrics metrics() const;

 private:
  struct core;
  using handler = std::function<void(std::string_view data, local_handling& in)>;
  void add(std::string_view topic, std::string_view type, handler work);
  std::shared_ptr<core> core_;
};

}  // namespace skald::choreography
