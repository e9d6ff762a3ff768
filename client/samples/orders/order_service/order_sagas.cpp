#include "client/samples/orders/order_service/order_sagas.hpp"

#include <skald/saga/saga.hpp>

#include "client/samples/orders/common/messages.hpp"

namespace shop {

namespace sagas = skald::sagas;
using namespace std::chrono_literals;

BOOST_DESCRIBE_STRUCT(order_progress, (), (order, customer, amount, reason))

namespace {

constexpr std::string_view orchestrator_name = "orders";
constexpr std::uint32_t until_it_succeeds = 1'000'000;

reserve_credit make_reserve(const order_progress& of) {
  return {.order = of.order, .customer = of.customer, .amount = of.amount};
}

release_credit make_release(const order_progress& of) {
  return {.order = of.order};
}

order_progress progress_of(const order& one) {
  return {.order = one.id, .customer = one.customer, .amount = one.amount};
}

}  // namespace

sagas::definition create_order_saga(skald::outbox::group_committer& database, orders& all,
                                    std::chrono::milliseconds credit_timeout) {
  const auto reject = [&](order_progress& of) { all.reject(of.order, of.reason, database.current()); };
  const auto confirm = [&](order_progress& of) { all.confirm(of.order, database.current()); };
  return sagas::saga<order_progress>("create-order")
      .step("order")
      .compensate(reject)
      .step("credit")
      .call<reserve_credit>("customers", make_reserve)
      .on<unknown_customer>(
          [](order_progress& of, const unknown_customer&) { of.reason = rejection::unknown_customer; })
      .on<insufficient_credit>(
          [](order_progress& of, const insufficient_credit&) { of.reason = rejection::insufficient_credit; })
      .timeout(credit_timeout)
      .retry(sagas::exponential{})
      .compensate<release_credit>(make_release)
      .compensation_retry(sagas::exponential{}, until_it_succeeds)
      .pivot("confirm")
      .local(confirm)
      .build();
}

sagas::definition cancel_order_saga() {
  return sagas::saga<order_progress>("cancel-order")
      .pivot("release")
      .call<release_credit>("customers", make_release)
      .retry(sagas::exponential{}, until_it_succeeds)
      .build();
}

sagas::orchestrator order_sagas(skald::client& broker, skald::outbox::group_committer& database, orders& all,
                                std::chrono::milliseconds credit_timeout) {
  sagas::registry known;
  known.add(create_order_saga(database, all, credit_timeout));
  known.add(cancel_order_saga());
  sagas::orchestrator made(broker, orchestrator_name, known);
  sagas::run_locals_in(database, made);
  return made;
}

void begin_create_order(const order& placed, skald::outbox::transaction& change) {
  sagas::start(change, orchestrator_name, "create-order", placed.id, progress_of(placed));
}

void begin_cancel_order(const order& cancelled, skald::outbox::transaction& change) {
  sagas::start(change, orchestrator_name, "cancel-order", cancelled.id + ".cancel", progress_of(cancelled));
}

}  // namespace shop
