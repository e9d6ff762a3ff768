// What the databases of the services hold, read beside them; and what must hold of it once all is done.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <skald/outbox/sqlite_statement.hpp>
#include <skald/outbox/sqlite_store.hpp>
#include <skald/saga/messages.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "tests/system/orders/shop_scene.hpp"

namespace skald::tests {

// A table, each row as its columns in one text.
using table = std::set<std::string>;

// One database, which a service may be writing at the time.
class book {
 public:
  explicit book(const std::filesystem::path& file) : file_(file) {}
  table rows(const char* sql) {
    outbox::sqlite_statement select;
    select.on(file_.connection(), sql);
    table all;
    while (select.step()) all.insert(select.bytes(0));
    return all;
  }
  std::int64_t number(const char* sql) {
    outbox::sqlite_statement select;
    select.on(file_.connection(), sql);
    std::int64_t found = 0;
    while (select.step()) found = select.integer(0);
    return found;
  }

 private:
  outbox::sqlite_store file_;
};

class shop_books {
 public:
  explicit shop_books(shop_scene& shop)
      : shop_(shop),
        customers(shop.data() / "customers.db"),
        orders(shop.data() / "orders.db"),
        history(shop.data() / "history.db") {}

  // Nothing moves any more: every order is final, every saga over, all is published and seen.
  bool are_settled() {
    return orders.number("SELECT count(*) FROM customer_order WHERE state = 'PENDING'") == 0 &&
           customers.number("SELECT count(*) FROM skald_outbox") == 0 &&
           orders.number("SELECT count(*) FROM skald_outbox") == 0 && unfinished_sagas().empty() &&
           events_to_handle() == 0 && view() == source();
  }
  void check_invariants() {
    CHECK(orders.number("SELECT count(*) FROM customer_order WHERE state = 'PENDING'") == 0);
    CHECK(unfinished_sagas().empty());
    CHECK(shop_.broker.list_timers({.owner_prefix = "orders.sagas/"}).empty());
    CHECK(
        customers.rows("SELECT id || ' over its limit' FROM customer WHERE reserved > credit_limit").empty());
    CHECK(customers.rows("SELECT id || ' ' || reserved FROM customer WHERE reserved > 0") ==
          customers.rows("SELECT customer || ' ' || sum(amount) FROM reservation GROUP BY customer"));
    CHECK(customers.rows("SELECT order_id || ' ' || customer || ' ' || amount FROM reservation") ==
          orders.rows("SELECT id || ' ' || customer || ' ' || amount FROM customer_order "
                      "WHERE state = 'CREDIT_CONFIRMED'"));
    CHECK(view() == source());
    CHECK(customers.number("SELECT count(*) FROM skald_outbox") == 0);
    CHECK(orders.number("SELECT count(*) FROM skald_outbox") == 0);
  }
  // Sagas that are not over; each as what it is.
  table unfinished_sagas() {
    table all;
    if (is_choreographed()) return all;
    for (const key_info& one : shop_.broker.list_keys("orders.sagas"))
      for (const record& newest : shop_.broker.read_key("orders.sagas", one.key, {.latest = true}).records) {
        const sagas::instance is = sagas::instance_of(newest);
        if (!sagas::is_final(is.phase)) all.insert(one.key + " is " + std::string(to_string(is.phase)));
      }
    return all;
  }
  // In choreography: what one service has still to make of what another has said.
  std::uint64_t events_to_handle() {
    std::uint64_t waiting = 0;
    if (!is_choreographed()) return waiting;
    for (const auto& [topic, queue] : {std::pair("shop.orders", "customers"), {"shop.customers", "orders"}}) {
      const queue_info is = shop_.broker.describe_queue(topic, queue);
      waiting += is.ready + is.leased + is.parked;
    }
    return waiting;
  }

 private:
  static constexpr const char* all_customers =
      "SELECT id || ' ' || name || ' ' || credit_limit FROM customer";
  static constexpr const char* all_orders =
      "SELECT id || ' ' || customer || ' ' || amount || ' ' || state || ' ' || reason FROM customer_order";

  std::pair<table, table> source() { return {customers.rows(all_customers), orders.rows(all_orders)}; }
  std::pair<table, table> view() { return {history.rows(all_customers), history.rows(all_orders)}; }

  shop_scene& shop_;

 public:
  book customers;
  book orders;
  book history;
};

}  // namespace skald::tests
