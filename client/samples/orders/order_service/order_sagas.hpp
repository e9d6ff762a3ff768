// Orchestration: the order service tells the customer service what to do.
//
//   create-order   order    rejects it if it comes to that; it is placed already
//                  credit   customers: reserve-credit, undone by release-credit
//                  confirm  from here on there is no way back
//   cancel-order   release  customers: release-credit, until that has succeeded
#pragma once

#include <skald/saga/orchestrator.hpp>
#include <skald/saga/outbox.hpp>

#include "client/samples/orders/order_service/orders.hpp"

namespace shop {

// How long it waits for the customer service, three times, before it rejects an order.
skald::sagas::orchestrator order_sagas(skald::client& broker, skald::outbox::group_committer& database,
                                       orders& all, std::chrono::milliseconds credit_timeout);

// Begun by the transaction that has placed, or cancelled, the order.
void begin_create_order(const order& placed, skald::outbox::transaction& change);
void begin_cancel_order(const order& cancelled, skald::outbox::transaction& change);

// The definitions by themselves, for tests.
skald::sagas::definition create_order_saga(skald::outbox::group_committer& database, orders& all,
                                           std::chrono::milliseconds credit_timeout);
skald::sagas::definition cancel_order_saga();

// The data of both.
struct order_progress {
  static constexpr std::string_view type = "order-progress";
  std::string order;
  std::string customer;
  std::int64_t amount = 0;
  std::string reason = std::string(rejection::no_answer);  // to reject it for
};

}  // namespace shop
