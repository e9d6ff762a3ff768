#include "client/samples/orders/customer_service/order_reactions.hpp"

#include "client/samples/orders/common/messages.hpp"

namespace shop {

using skald::choreography::database_processor;
using skald::choreography::local_handling;

database_processor order_reactions(skald::client& broker, skald::outbox::group_committer& database,
                                   customers& all) {
  database_processor made(broker, database, "customers");
  made.on<order_created>(order_events, [&all](const order_created& event, local_handling& in) {
    const std::string& customer = event.customer;
    switch (all.reserve(event.order, customer, event.amount)) {
      case reservation::made:
        return in.publish(customer_events, customer, credit_reserved{event.order, customer, event.amount});
      case reservation::unknown_customer:
        return in.publish(customer_events, customer, unknown_customer{event.order, customer});
      case reservation::insufficient_credit:
        return in.publish(customer_events, customer, credit_limit_exceeded{event.order, customer});
    }
  });
  made.on<order_cancelled>(order_events, [&all](const order_cancelled& event, local_handling& in) {
    const std::optional<released_credit> credit = all.release(event.order);
    if (credit)
      in.publish(customer_events, credit->customer,
                 credit_released{event.order, credit->customer, credit->amount});
  });
  return made;
}

}  // namespace shop
