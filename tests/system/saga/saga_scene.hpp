// A real broker, and what it holds of the order saga.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <skald/saga/messages.hpp>
#include <string>
#include <vector>

#include "tests/system/saga/order_service.hpp"
#include "tests/system/support/live_broker.hpp"

namespace skald::tests {

class saga_scene : public live_broker {
 public:
  saga_scene() {
    broker.create_topic("ledger", {.index = topic_index::key});
    broker.create_topic("orders", {.index = topic_index::key});
  }

  std::vector<sagas::instance> instances() {
    std::vector<sagas::instance> all;
    for (const key_info& one : broker.list_keys("orders.sagas"))
      for (const record& newest : broker.read_key("orders.sagas", one.key, {.latest = true}).records)
        all.push_back(sagas::instance_of(newest));
    return all;
  }
  std::size_t finals() {
    return static_cast<std::size_t>(std::ranges::count_if(
        instances(), [](const sagas::instance& of) { return sagas::is_final(of.phase); }));
  }
  sagas::instance instance(const std::string& id) {
    sagas::instance found;
    for (const record& one : broker.read_key("orders.sagas", id, {.latest = true}).records)
      found = sagas::instance_of(one);
    return found;
  }

  // What must hold of an order that is over.
  void check_order(int number) {
    const std::string id = orders::id_of(number);
    CAPTURE(id);
    const sagas::instance is = instance(id);
    CHECK(sagas::is_final(is.phase));
    std::map<std::string, int> ledger;
    for (const std::string& one : values("ledger", id)) ++ledger[one];
    const std::vector<std::string> local = values("orders", id);
    if (is.phase == sagas::phase::completed) {
      CHECK_FALSE(orders::is_refused(number));
      CHECK(ledger == std::map<std::string, int>{{"+credit", 1}, {"+stock", 1}, {"shipped", 1}});
      CHECK(local == std::vector<std::string>{"created", "approved"});
    } else {
      CHECK(is.phase == sagas::phase::compensated);
      CHECK(ledger["+credit"] == ledger["-credit"]);
      CHECK(ledger["+stock"] == ledger["-stock"]);
      CHECK(ledger["+credit"] <= 1);
      CHECK(ledger["+stock"] <= 1);
      CHECK(ledger["shipped"] == 0);
      CHECK(local == std::vector<std::string>{"created", "rejected"});
    }
  }
  void check_no_timer_is_left() { CHECK(broker.list_timers({.owner_prefix = "orders.sagas/"}).empty()); }
};

}  // namespace skald::tests
