// The order history service: for each customer the name, the limit, and the orders with what came of them.
//
//   skald request history.get '{"customer": "ann"}'
#include <iostream>
#include <thread>

#include "client/samples/orders/common/host.hpp"
#include "client/samples/orders/common/options.hpp"
#include "client/samples/orders/history_service/order_history.hpp"

namespace shop {
namespace {

namespace json = boost::json;

json::value to_json(const std::string& customer, const customer_history& found) {
  json::array orders;
  for (const order_line& one : found.orders) {
    json::object line{{"order", one.order}, {"amount", one.amount}, {"state", one.state}};
    if (!one.reason.empty()) line["reason"] = one.reason;
    orders.push_back(std::move(line));
  }
  return {{"customer", customer}, {"name", found.name}, {"limit", found.limit}, {"orders", orders}};
}

json::value get(history_reader& history, const request& asked) {
  const std::string customer = asked.text("customer");
  const std::optional<customer_history> found = history.find(customer);
  if (!found) refuse(not_found, "there is no customer '" + customer + "'");
  return to_json(customer, *found);
}

int run(const options& with) {
  host host("history-service", with.broker);
  skald::blocking_client broker({.address = with.broker, .client_name = "history-service"});
  skald::eventsourcing::projection projection(
      broker, with.data_directory, {.name = "history", .topic = "shop.*", .make = [](sqlite3* connection) {
                                      return std::make_unique<order_history>(connection);
                                    }});
  history_reader history(projection.read_model_file());

  host.serve("history.get",
             [&](const request& asked) -> asio::awaitable<json::value> { co_return get(history, asked); });
  std::thread following([&] { projection.run(); });
  const int status = host.run();
  projection.stop();
  following.join();
  return status;
}

}  // namespace
}  // namespace shop

int main(int argc, char** argv) {
  CLI::App app("The order history service: for each customer the orders, and what came of them.");
  shop::options with;
  shop::add_options(app, with);
  CLI11_PARSE(app, argc, argv);
  try {
    return shop::run(with);
  } catch (const std::exception& why) {
    std::cerr << "history-service: " << why.what() << "\n";
    return 1;
  }
}
