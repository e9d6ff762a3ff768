// What the services tell one another, as JSON. Events say what has happened, and go to the topic of who says
// so; commands ask a service for something, and are answered, perhaps by an error.
#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <skald/eventsourcing/event_stream.hpp>
#include <skald/outbox/transaction.hpp>
#include <skald/saga/json_codec.hpp>
#include <string>
#include <string_view>

namespace shop {

// ---- events of the customer service, by customer ---------------------------------------------------------

inline constexpr std::string_view customer_events = "shop.customers";

struct customer_created {
  static constexpr std::string_view type = "customer-created";
  std::string customer;
  std::string name;
  std::int64_t limit = 0;
};
BOOST_DESCRIBE_STRUCT(customer_created, (), (customer, name, limit))

// Those of choreography; unknown_customer below is one, too.

struct credit_reserved {
  static constexpr std::string_view type = "credit-reserved";
  std::string order;
  std::string customer;
  std::int64_t amount = 0;
};
BOOST_DESCRIBE_STRUCT(credit_reserved, (), (order, customer, amount))

struct credit_limit_exceeded {
  static constexpr std::string_view type = "credit-limit-exceeded";
  std::string order;
  std::string customer;
};
BOOST_DESCRIBE_STRUCT(credit_limit_exceeded, (), (order, customer))

struct credit_released {
  static constexpr std::string_view type = "credit-released";
  std::string order;
  std::string customer;
  std::int64_t amount = 0;
};
BOOST_DESCRIBE_STRUCT(credit_released, (), (order, customer, amount))

// ---- events of the order service, by order ---------------------------------------------------------------

inline constexpr std::string_view order_events = "shop.orders";

struct order_created {
  static constexpr std::string_view type = "order-created";
  std::string order;
  std::string customer;
  std::int64_t amount = 0;
};
BOOST_DESCRIBE_STRUCT(order_created, (), (order, customer, amount))

struct order_confirmed {
  static constexpr std::string_view type = "order-confirmed";
  std::string order;
};
BOOST_DESCRIBE_STRUCT(order_confirmed, (), (order))

struct order_rejected {
  static constexpr std::string_view type = "order-rejected";
  std::string order;
  std::string reason;
};
BOOST_DESCRIBE_STRUCT(order_rejected, (), (order, reason))

struct order_cancelled {
  static constexpr std::string_view type = "order-cancelled";
  std::string order;
};
BOOST_DESCRIBE_STRUCT(order_cancelled, (), (order))

// ---- commands to the customer service, and the errors that answer them -----------------------------------

struct reserve_credit {
  static constexpr std::string_view type = "reserve-credit";
  std::string order;
  std::string customer;
  std::int64_t amount = 0;
};
BOOST_DESCRIBE_STRUCT(reserve_credit, (), (order, customer, amount))

struct release_credit {
  static constexpr std::string_view type = "release-credit";
  std::string order;
};
BOOST_DESCRIBE_STRUCT(release_credit, (), (order))

struct unknown_customer {
  static constexpr std::string_view type = "unknown-customer";
  std::string order;
  std::string customer;
};
BOOST_DESCRIBE_STRUCT(unknown_customer, (), (order, customer))

struct insufficient_credit {
  static constexpr std::string_view type = "insufficient-credit";
  std::string customer;
};
BOOST_DESCRIBE_STRUCT(insufficient_credit, (), (customer))

// ---- how they travel -------------------------------------------------------------------------------------

template <class T>
concept message = requires { std::string_view(T::type); };

// Says so when the transaction commits. Events of one key are read in the order of their transactions.
template <message Event>
void publish(skald::outbox::transaction& change, std::string_view topic, std::string_view key,
             const Event& event);

}  // namespace shop

template <shop::message T>
struct skald::sagas::codec<T> : skald::sagas::json_codec<T> {
  static constexpr std::string_view name = T::type;
};

template <shop::message Event>
void shop::publish(skald::outbox::transaction& change, std::string_view topic, std::string_view key,
                   const Event& event) {
  const std::string value = skald::sagas::codec<Event>::to_bytes(event);
  const skald::header type{skald::eventsourcing::event_type_header, Event::type};
  change.publish(topic, {.key = key, .value = value, .headers = {&type, 1}});
}
