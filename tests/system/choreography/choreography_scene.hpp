// A real broker, and what it holds of choreographed orders.
#pragma once

#include <doctest/doctest.h>

#include <skald/tracing.hpp>
#include <string>
#include <vector>

#include "tests/system/choreography/order_events.hpp"
#include "tests/system/support/live_broker.hpp"

namespace skald::tests {

class choreography_scene : public live_broker {
 public:
  choreography_scene() {
    for (const char* topic : {orders::order_topic, orders::customer_topic, "ledger"})
      broker.create_topic(topic, {.index = topic_index::key});
  }

  template <class Event>
  void publish(const char* topic, const std::string& key, const Event& what,
               std::string_view message_id = {}) {
    const choreography::event_message made(key, what);
    commit effect;
    std::vector<header> headers(made.view().headers.begin(), made.view().headers.end());
    if (!message_id.empty()) headers.push_back({tracing::message_id_header, message_id});
    effect.append(topic, {.key = key, .value = made.view().value, .headers = headers});
    broker.commit(std::move(effect));
  }
  void create_order(int number, std::string_view message_id = {}) {
    publish(orders::order_topic, orders::id_of(number), orders::order_created{number}, message_id);
  }

  // The types of an aggregate's events, in order.
  std::vector<std::string> types(const char* topic, const std::string& key) {
    std::vector<std::string> all;
    for (const record& one : of_key(topic, key).records) all.emplace_back(eventsourcing::event_of(one).type);
    return all;
  }

  // What must hold of an order that is over.
  void check_order(int number) {
    const std::string id = orders::id_of(number);
    CAPTURE(id);
    const bool refused = orders::is_refused(number);
    CHECK(types(orders::customer_topic, id) ==
          std::vector<std::string>{refused ? "credit-limit-exceeded" : "credit-reserved"});
    CHECK(types(orders::order_topic, id) ==
          std::vector<std::string>{"order-created", refused ? "order-rejected" : "order-approved"});
  }
};

}  // namespace skald::tests
