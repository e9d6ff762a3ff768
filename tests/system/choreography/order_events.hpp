// The choreographed order that all tests here run: orders and customers, who only know each other's events.
//
// Order N is `order-N` of order-events. Customers answer order_created in customer-events, under the order's
// id: credit_reserved, or credit_limit_exceeded for every fifth. Orders answer that with order_approved or
// order_rejected.
#pragma once

#include <skald/choreography/database_processor.hpp>
#include <skald/choreography/event_processor.hpp>
#include <string>
#include <string_view>

namespace skald::tests::orders {

using namespace std::chrono_literals;

inline constexpr const char* order_topic = "order-events";
inline constexpr const char* customer_topic = "customer-events";

template <int kind>
struct number_event {
  static constexpr std::string_view names[] = {"order-created", "order-approved", "order-rejected",
                                               "credit-reserved", "credit-limit-exceeded"};
  static constexpr std::string_view name = names[kind];
  int number = 0;
  std::string to_bytes() const { return std::to_string(number); }
  static number_event from_bytes(std::string_view bytes) { return {std::stoi(std::string(bytes))}; }
};
using order_created = number_event<0>;
using order_approved = number_event<1>;
using order_rejected = number_event<2>;
using credit_reserved = number_event<3>;
using credit_limit_exceeded = number_event<4>;

constexpr bool is_refused(int number) {
  return number % 5 == 0;
}

inline std::string id_of(int number) {
  return "order-" + std::to_string(number);
}

// What orders do: with all effects in the broker.
inline void handle_orders(choreography::event_processor& at) {
  at.on<credit_reserved>(customer_topic, [](const credit_reserved& event, choreography::handling& in) {
    in.publish(order_topic, in.aggregate_id(), order_approved{event.number});
  });
  at.on<credit_limit_exceeded>(customer_topic,
                               [](const credit_limit_exceeded& event, choreography::handling& in) {
                                 in.publish(order_topic, in.aggregate_id(), order_rejected{event.number});
                               });
}

// What customers do, in whichever way: `in` publishes.
template <class Handling>
void decide_credit(const order_created& event, Handling& in) {
  if (is_refused(event.number))
    in.publish(customer_topic, in.aggregate_id(), credit_limit_exceeded{event.number});
  else
    in.publish(customer_topic, in.aggregate_id(), credit_reserved{event.number});
}

}  // namespace skald::tests::orders
