// The order service: places and cancels orders, which the customer service has to grant credit for.
//
//   skald request orders.create '{"customer": "ann", "amount": 100}'
//   skald request orders.get '{"order": "f1e0d2..."}'
//   skald request orders.cancel '{"order": "f1e0d2..."}'
//   skald request orders.list
#include <iostream>

#include "client/samples/orders/common/host.hpp"
#include "client/samples/orders/common/messages.hpp"
#include "client/samples/orders/common/options.hpp"
#include "client/samples/orders/common/service_database.hpp"
#include "client/samples/orders/order_service/credit_reactions.hpp"
#include "client/samples/orders/order_service/order_sagas.hpp"
#include "client/samples/orders/order_service/orders.hpp"

namespace shop {
namespace {

namespace json = boost::json;
using skald::outbox::transaction;

json::value to_json(const order& one) {
  json::object made{
      {"order", one.id}, {"customer", one.customer}, {"amount", one.amount}, {"state", one.state}};
  if (!one.reason.empty()) made["reason"] = one.reason;
  return made;
}

order find(orders& all, const request& asked) {
  const std::string id = asked.text("order");
  const std::optional<order> found = all.find(id);
  if (!found) refuse(not_found, "there is no order '" + id + "'");
  return *found;
}

// What begins, besides, when an order is placed or cancelled.
struct coordination {
  std::function<void(const order&, transaction&)> on_created;
  std::function<void(const order&, transaction&)> on_cancelled;
};

// In choreography the events of orders say all; others act upon them.
coordination coordination_of(const options& with) {
  const auto nothing = [](const order&, transaction&) {};
  if (with.is_choreographed()) return {nothing, nothing};
  return {begin_create_order, begin_cancel_order};
}

json::value create(orders& all, const coordination& by, const request& asked, transaction& change) {
  const order wanted{.id = asked.optional_text("order").value_or(new_id()),
                     .customer = asked.text("customer"),
                     .amount = asked.amount("amount")};
  change.trace(
      {.correlation_id = wanted.id, .causation_id = {}});  // all that becomes of it: `skald trace ORDER`
  if (all.place(wanted, change)) {
    by.on_created(wanted, change);
    return to_json(wanted);
  }
  // The same request again, whose answer was lost perhaps, gets the same order.
  const order there = *all.find(wanted.id);
  if (there.customer != wanted.customer || there.amount != wanted.amount)
    refuse(conflict, "there is another order '" + wanted.id + "'");
  return to_json(there);
}

json::value cancel(orders& all, const coordination& by, const request& asked, transaction& change) {
  order one = find(all, asked);
  if (one.state == order_state::cancelled) return to_json(one);
  change.trace({.correlation_id = one.id, .causation_id = {}});
  if (!all.cancel(one.id, change))
    refuse(conflict, "order '" + one.id + "' is " + one.state + ": only a confirmed one can be cancelled");
  by.on_cancelled(one, change);
  one.state = order_state::cancelled;
  return to_json(one);
}

json::value list(orders& all) {
  json::array found;
  for (const order& one : all.list()) found.push_back(to_json(one));
  return found;
}

int run(const options& with, std::chrono::milliseconds credit_timeout) {
  host host("order-service", with.broker);
  service_database database(with.data_directory / "orders.db", with.broker);
  orders all(database.connection());

  skald::sagas::orchestrator sagas = order_sagas(host.broker(), database.committer(), all, credit_timeout);
  skald::choreography::database_processor reactions =
      credit_reactions(host.broker(), database.committer(), all);
  with.is_choreographed() ? host.work(reactions) : host.work(sagas);
  const coordination by = coordination_of(with);
  host.begin_with([&]() -> asio::awaitable<void> {
    co_await host.broker().create_topic(order_events, {.index = skald::topic_index::key},
                                        {.if_absent = true});
    database.start_relay();
  });
  host.serve("orders.create", database.within_transaction([&](const request& asked, transaction& change) {
    return create(all, by, asked, change);
  }));
  host.serve("orders.get", database.within_transaction([&](const request& asked, transaction&) {
    return to_json(find(all, asked));
  }));
  host.serve("orders.cancel", database.within_transaction([&](const request& asked, transaction& change) {
    return cancel(all, by, asked, change);
  }));
  host.serve("orders.list",
             database.within_transaction([&](const request&, transaction&) { return list(all); }));
  return host.run();
}

}  // namespace
}  // namespace shop

int main(int argc, char** argv) {
  CLI::App app(
      "The order service: places and cancels orders, which the customer service has to grant credit for.");
  shop::options with;
  std::chrono::milliseconds::rep credit_timeout_ms = 30'000;
  shop::add_options(app, with);
  shop::add_style_option(app, with);
  app.add_option("--credit-timeout-ms", credit_timeout_ms,
                 "How long the customer service may take, three times, until an order is rejected [30000]")
      ->check(CLI::Range(1, 3'600'000))
      ->type_name("MS");
  CLI11_PARSE(app, argc, argv);
  try {
    return shop::run(with, std::chrono::milliseconds(credit_timeout_ms));
  } catch (const std::exception& why) {
    std::cerr << "order-service: " << why.what() << "\n";
    return 1;
  }
}
