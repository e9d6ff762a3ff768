// Orchestration: what the sagas of orders ask of the customer service.
#pragma once

#include <skald/saga/outbox_participant.hpp>

#include "client/samples/orders/customer_service/customers.hpp"

namespace shop {

skald::sagas::outbox_participant credit_commands(skald::client& broker,
                                                 skald::outbox::group_committer& database, customers& all);

}  // namespace shop
