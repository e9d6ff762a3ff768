// Sagas of a service that has a database: started by a local transaction, with local steps that are part of
// one. See outbox_participant.hpp for its other side.
//
//   sagas::run_locals_in(database, orchestrator);
//   ...
//   co_await database.run([&](outbox::transaction& change) {
//     orders.place(order);
//     sagas::start(change, "shop", "create-order", order.id, order);  // both, or neither
//   });
//
// A local step finds its transaction in database.current(). It is durable before the transition is stored:
// one whose orchestrator dies in between runs again, so that it must see whether it has been done already, as
// UPDATE customer_order ... WHERE state = 'PENDING' does. A step that throws is not undone in the database by
// that.
#pragma once

#include <string>
#include <string_view>

#include <skald/outbox/group_committer.hpp>
#include <skald/outbox/transaction.hpp>
#include <skald/saga/codec.hpp>
#include <skald/saga/orchestrator.hpp>

namespace skald::sagas {

// Starts a saga when the transaction commits, unless one of that id has been started. The id has 1 to 80
// bytes, and no '/'. Without a correlation id it belongs to what the transaction belongs to, or else to
// itself. The orchestrator, by its name, has made its topics before a relay publishes this.
void start_bytes(outbox::transaction& within, std::string_view orchestrator, std::string_view saga,
                 std::string_view id, std::string_view data, std::string_view correlation = {});
template <encodable Data>
void start(outbox::transaction& within, std::string_view orchestrator, std::string_view saga,
           std::string_view id, const Data& data, std::string_view correlation = {}) {
  const std::string bytes = codec<Data>::to_bytes(data);
  start_bytes(within, orchestrator, saga, id, bytes, correlation);
}

// The database outlives the orchestrator's run().
void run_locals_in(outbox::group_committer& database, orchestrator& of);

}  // namespace skald::sagas
