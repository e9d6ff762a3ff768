// Each process is killed at each moment of an order's way: what is half done is done in the end, or undone.
#include <functional>
#include <future>

#include "tests/effort.hpp"
#include "tests/system/orders/shop_books.hpp"

namespace skald::tests {

namespace {

constexpr int orders_each_time = 6;

// Customers who order together more than they may, and some who are none.
class busy_shop : public shop_scene {
 public:
  busy_shop() {
    for (const char* name : {"ann", "bob", "eve"}) create_customer(name, 40);
  }

  // Orders from three customers, of whom each has credit for some of them, and one from nobody; the first are
  // cancelled. It is told to whoever answers, however often it takes.
  void order_some() {
    const int from = ordered;
    ordered += orders_each_time;
    for (int number = from; number < ordered; ++number) {
      static constexpr std::array names{"ann", "bob", "eve", "nobody"};
      create_order(id_of(number), names.at(static_cast<std::size_t>(number) % names.size()), 1 + number % 9);
    }
    for (int number = from; number < from + 2; ++number) {
      becomes([&] { return state_of(id_of(number)) != "PENDING"; });
      ask("orders.cancel", json::serialize(json::value{{"order", id_of(number)}}));
    }
  }
  static std::string id_of(int number) { return "order-" + std::to_string(number); }
  std::uint64_t records(const char* topic) {
    try {
      return broker.describe_topic(topic).records;
    } catch (const error&) {
      return 0;  // the broker has just been killed
    }
  }

  int ordered = 0;
};

// A number that grows when something has happened.
struct moment {
  const char* what;
  std::function<std::int64_t(busy_shop&, shop_books&)> count;
};

std::function<std::int64_t(busy_shop&, shop_books&)> in_topic(const char* topic) {
  return [topic](busy_shop& shop, shop_books&) { return static_cast<std::int64_t>(shop.records(topic)); };
}
std::function<std::int64_t(busy_shop&, shop_books&)> in(book shop_books::* which, const char* sql) {
  return [which, sql](busy_shop&, shop_books& books) { return (books.*which).number(sql); };
}

const moment moments[] = {
    {"an order is placed", in(&shop_books::orders, "SELECT count(*) FROM customer_order")},
    {"its event is published", in_topic("shop.orders")},
    {"the relay has removed what it has published",
     in(&shop_books::orders, "SELECT seq - (SELECT count(*) FROM skald_outbox) FROM sqlite_sequence")},
    {"the customer service has said something", in_topic("shop.customers")},
    {"a saga has moved", in_topic("orders.sagas")},
    {"a command is sent", in_topic("customers.commands")},
    {"a command is in the inbox", in(&shop_books::customers, "SELECT count(*) FROM skald_inbox")},
    {"a reply waits to be published", in(&shop_books::customers, "SELECT seq FROM sqlite_sequence")},
    {"a reply is published", in_topic("orders.sagas.inputs")},
    {"an order is confirmed",
     in(&shop_books::orders, "SELECT count(*) FROM customer_order WHERE state = 'CREDIT_CONFIRMED'")},
    {"an order is rejected",
     in(&shop_books::orders, "SELECT count(*) FROM customer_order WHERE state = 'REJECTED'")},
    {"an order is cancelled",
     in(&shop_books::orders, "SELECT count(*) FROM customer_order WHERE state = 'CANCELLED'")},
    {"the view has an order", in(&shop_books::history, "SELECT count(*) FROM customer_order")},
};

// Kills at that moment, while orders come.
template <class Kill>
void kill_at(const moment& when, busy_shop& shop, shop_books& books, Kill kill) {
  const std::int64_t before = when.count(shop, books);
  auto ordering = std::async(std::launch::async, [&] { shop.order_some(); });
  // Some moments do not come to every round of orders.
  const auto is_over = [&] { return ordering.wait_for(milliseconds(0)) == std::future_status::ready; };
  becomes([&] { return when.count(shop, books) > before || is_over(); });
  kill();
  ordering.get();
}

}  // namespace

TEST_SUITE("sample services killed") {
  TEST_CASE_FIXTURE(busy_shop, "whoever is killed at whatever moment, orders and credit agree in the end") {
    shop_books books(*this);
    std::size_t turn = 0;
    for (const moment& when : moments) {
      CAPTURE(when.what);
      for (const service victim : all_services) {
        // A sanitizer watches a third of it.
        if (sanitized && turn++ % 3 != 0) continue;
        kill_at(when, *this, books, [&] { kill(victim); });
      }
      kill_at(when, *this, books, [&] { kill_broker(); });
      CHECK(becomes([&] { return books.are_settled(); }));
      books.check_invariants();
    }
    MESSAGE(ordered << " orders");
  }
}

}  // namespace skald::tests
