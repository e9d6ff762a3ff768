// The customer service: customers, their credit limits, and the credit reserved for orders.
//
//   skald request customers.create '{"customer": "ann", "name": "Ann", "limit": 1000}'
//   skald request customers.get '{"customer": "ann"}'
//   skald request customers.list
#include <iostream>

#include "client/samples/orders/common/host.hpp"
#include "client/samples/orders/common/messages.hpp"
#include "client/samples/orders/common/options.hpp"
#include "client/samples/orders/common/service_database.hpp"
#include "client/samples/orders/customer_service/credit_commands.hpp"
#include "client/samples/orders/customer_service/customers.hpp"
#include "client/samples/orders/customer_service/order_reactions.hpp"

namespace shop {
namespace {

namespace json = boost::json;
using skald::outbox::transaction;

json::value to_json(const customer& one) {
  return {{"customer", one.id}, {"name", one.name}, {"limit", one.limit}, {"reserved", one.reserved}};
}

json::value create(customers& all, const request& asked, transaction& change) {
  const customer wanted{.id = asked.optional_text("customer").value_or(new_id()),
                        .name = asked.text("name"),
                        .limit = asked.amount("limit")};
  all.add(wanted, change);
  const customer there = *all.find(wanted.id);
  // The same request again, whose answer was lost perhaps, gets the same answer.
  if (there.name != wanted.name || there.limit != wanted.limit)
    refuse(conflict, "there is another customer '" + wanted.id + "'");
  return to_json(there);
}

json::value get(customers& all, const request& asked) {
  const std::string id = asked.text("customer");
  const std::optional<customer> found = all.find(id);
  if (!found) refuse(not_found, "there is no customer '" + id + "'");
  return to_json(*found);
}

json::value list(customers& all) {
  json::array found;
  for (const customer& one : all.list()) found.push_back(to_json(one));
  return found;
}

int run(const options& with) {
  host host("customer-service", with.broker);
  service_database database(with.data_directory / "customers.db", with.broker);
  customers all(database.connection());

  host.begin_with([&]() -> asio::awaitable<void> {
    co_await host.broker().create_topic(customer_events, {.index = skald::topic_index::key},
                                        {.if_absent = true});
    database.start_relay();
  });
  host.serve("customers.create", database.within_transaction([&](const request& asked, transaction& change) {
    return create(all, asked, change);
  }));
  host.serve("customers.get", database.within_transaction(
                                  [&](const request& asked, transaction&) { return get(all, asked); }));
  host.serve("customers.list",
             database.within_transaction([&](const request&, transaction&) { return list(all); }));

  skald::sagas::outbox_participant commands = credit_commands(host.broker(), database.committer(), all);
  skald::choreography::database_processor reactions =
      order_reactions(host.broker(), database.committer(), all);
  with.is_choreographed() ? host.work(reactions) : host.work(commands);
  return host.run();
}

}  // namespace
}  // namespace shop

int main(int argc, char** argv) {
  CLI::App app("The customer service: customers, their credit limits, and the credit reserved for orders.");
  shop::options with;
  shop::add_options(app, with);
  shop::add_style_option(app, with);
  CLI11_PARSE(app, argc, argv);
  try {
    return shop::run(with);
  } catch (const std::exception& why) {
    std::cerr << "customer-service: " << why.what() << "\n";
    return 1;
  }
}
