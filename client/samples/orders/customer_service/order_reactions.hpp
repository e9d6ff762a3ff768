// Choreography: what the customer service makes of what has happened to orders.
//
//   order-created    reserves credit; says credit-reserved, credit-limit-exceeded or unknown-customer
//   order-cancelled  releases it; says credit-released
#pragma once

#include <skald/choreography/database_processor.hpp>

#include "client/samples/orders/customer_service/customers.hpp"

namespace shop {

skald::choreography::database_processor order_reactions(skald::client& broker,
                                                        skald::outbox::group_committer& database,
                                                        customers& all);

}  // namespace shop
