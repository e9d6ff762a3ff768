// Choreography: what the order service makes of what the customer service says of an order's credit.
//
//   credit-reserved                          confirms the order
//   credit-limit-exceeded, unknown-customer  reject it
#pragma once

#include <skald/choreography/database_processor.hpp>

#include "client/samples/orders/order_service/orders.hpp"

namespace shop {

skald::choreography::database_processor credit_reactions(skald::client& broker,
                                                         skald::outbox::group_committer& database,
                                                         orders& all);

}  // namespace shop
