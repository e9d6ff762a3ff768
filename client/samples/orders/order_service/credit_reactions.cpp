#include "client/samples/orders/order_service/credit_reactions.hpp"

#include "client/samples/orders/common/messages.hpp"

namespace shop {

using skald::choreography::database_processor;
using skald::choreography::local_handling;

database_processor credit_reactions(skald::client& broker, skald::outbox::group_committer& database,
                                    orders& all) {
  database_processor made(broker, database, "orders");
  made.on<credit_reserved>(customer_events, [&all](const credit_reserved& event, local_handling& in) {
    all.confirm(event.order, in.change);
  });
  made.on<credit_limit_exceeded>(customer_events,
                                 [&all](const credit_limit_exceeded& event, local_handling& in) {
                                   all.reject(event.order, rejection::insufficient_credit, in.change);
                                 });
  made.on<unknown_customer>(customer_events, [&all](const unknown_customer& event, local_handling& in) {
    all.reject(event.order, rejection::unknown_customer, in.change);
  });
  return made;
}

}  // namespace shop
