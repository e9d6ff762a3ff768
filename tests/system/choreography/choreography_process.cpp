// One of the services of the choreographed order, until it is killed.
//
//   choreography_process ADDRESS create DATABASE     makes all that the others need, and ends
//   choreography_process ADDRESS orders [die AT]
//   choreography_process ADDRESS customers DATABASE [die|stop AT]
//
// With AT it kills, or stops, itself at that of its steps: before and after each part of the
// customers' transactions, see store_decorator; before and after each handler of the orders.
#include <sqlite3.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <skald/blocking_client.hpp>
#include <skald/outbox/relay.hpp>
#include <skald/outbox/sqlite_store.hpp>
#include <string>
#include <thread>

#include "tests/system/choreography/order_events.hpp"
#include "tests/system/outbox/store_decorator.hpp"
#include "tests/system/support/fate.hpp"

namespace {

namespace asio = boost::asio;
using namespace skald;
using namespace skald::tests;

constexpr choreography::processor_settings settings{
    .lease = milliseconds(500), .backoff_min = milliseconds(10), .backoff_max = milliseconds(50)};

client_options options_for(const char* address) {
  return {.address = address,
          .timeout = milliseconds(60'000),
          .reconnect_delay_min = milliseconds(5),
          .reconnect_delay_max = milliseconds(50)};
}

class fatal_store : public store_decorator {
 public:
  fatal_store(outbox::store& of, fate meets) : store_decorator(of), fate_(meets) {}

 private:
  void before(step) override { fate_.step(); }
  void after(step) override { fate_.step(); }
  fate fate_;
};

void reserve(const outbox::sqlite_store& in, int number) {
  const std::string sql = "INSERT INTO reserved (number) VALUES (" + std::to_string(number) + ")";
  char* why = nullptr;
  if (sqlite3_exec(in.connection(), sql.c_str(), nullptr, nullptr, &why) != SQLITE_OK)
    throw std::runtime_error(why);
}

template <class Processor>
void run(asio::io_context& io, Processor& of) {
  asio::co_spawn(io, of.run(), [](const std::exception_ptr& why) {
    if (why) std::rethrow_exception(why);
  });
  io.run();
}

void be_customers(const char* address, const char* database, fate meets) {
  outbox::sqlite_store store{std::filesystem::path(database)};
  fatal_store through(store, meets);
  outbox::sqlite_store of_relay{std::filesystem::path(database)};
  blocking_client to_publish(options_for(address));
  outbox::relay relay(of_relay, outbox::to_broker(to_publish), {.retry_delay_max = milliseconds(50)});
  outbox::group_committer committer(through);
  committer.on_commit([&] { relay.wake(); });
  const std::jthread relaying([&] { relay.run(); });

  asio::io_context io;
  client broker(io.get_executor(), options_for(address));
  choreography::database_processor customers(broker, committer, "customers");
  customers.on<orders::order_created>(
      orders::order_topic, [&](const orders::order_created& order, choreography::local_handling& in) {
        reserve(store, order.number);
        orders::decide_credit(order, in);
      });
  run(io, customers);
}

void be_orders(const char* address, fate meets) {
  asio::io_context io;
  client broker(io.get_executor(), options_for(address));
  choreography::event_processor of_orders(broker, "orders");
  of_orders.on<orders::credit_reserved>(
      orders::customer_topic, [&](const orders::credit_reserved& event, choreography::handling& in) {
        meets.step();
        in.publish(orders::order_topic, in.aggregate_id(), orders::order_approved{event.number});
        meets.step();
      });
  of_orders.on<orders::credit_limit_exceeded>(
      orders::customer_topic, [&](const orders::credit_limit_exceeded& event, choreography::handling& in) {
        meets.step();
        in.publish(orders::order_topic, in.aggregate_id(), orders::order_rejected{event.number});
        meets.step();
      });
  run(io, of_orders);
}

asio::awaitable<void> create_both(client& broker, choreography::database_processor& customers,
                                  choreography::event_processor& of_orders) {
  co_await customers.create(settings);
  co_await of_orders.create(settings);
  broker.close();
}

void create_all(const char* address, const char* database) {
  outbox::sqlite_store store{std::filesystem::path(database)};
  store.create_tables();
  if (sqlite3_exec(store.connection(), "CREATE TABLE reserved (number INTEGER)", nullptr, nullptr, nullptr) !=
      SQLITE_OK)
    throw std::runtime_error(sqlite3_errmsg(store.connection()));
  outbox::group_committer committer(store);
  asio::io_context io;
  client broker(io.get_executor(), options_for(address));
  choreography::database_processor customers(broker, committer, "customers");
  customers.on<orders::order_created>(orders::order_topic,
                                      [](const orders::order_created&, choreography::local_handling&) {});
  choreography::event_processor of_orders(broker, "orders");
  orders::handle_orders(of_orders);
  asio::co_spawn(io, create_both(broker, customers, of_orders), [](const std::exception_ptr& why) {
    if (why) std::rethrow_exception(why);
  });
  io.run();
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 3) return 2;
  const std::string role = argv[2];
  const int fate_at = role == "orders" ? 3 : 4;
  const fate meets = fate_in(argc, argv, fate_at);
  if (role == "create") create_all(argv[1], argv[3]);
  if (role == "customers") be_customers(argv[1], argv[3], meets);
  if (role == "orders") be_orders(argv[1], meets);
  return 0;
} catch (const std::exception& why) {
  std::fprintf(stderr, "%s\n", why.what());
  return 1;
}
