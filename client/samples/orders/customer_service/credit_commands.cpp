#include "client/samples/orders/customer_service/credit_commands.hpp"

#include "client/samples/orders/common/messages.hpp"

namespace shop {

namespace sagas = skald::sagas;
using skald::outbox::transaction;

sagas::outbox_participant credit_commands(skald::client& broker, skald::outbox::group_committer& database,
                                          customers& all) {
  sagas::outbox_participant made(broker, "customers", database);
  made.handle<reserve_credit>([&all](const reserve_credit& wanted, transaction&) {
    switch (all.reserve(wanted.order, wanted.customer, wanted.amount)) {
      case reservation::made:
        return sagas::answer::done();
      case reservation::unknown_customer:
        return sagas::answer::failed(unknown_customer{wanted.order, wanted.customer});
      case reservation::insufficient_credit:
        break;
    }
    return sagas::answer::failed(insufficient_credit{wanted.customer});
  });
  made.handle<release_credit>(
      [&all](const release_credit& wanted, transaction&) { all.release(wanted.order); });
  return made;
}

}  // namespace shop
