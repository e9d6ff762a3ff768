// The saga that most tests play through: an order that reserves credit and stock, and is approved.
#pragma once

#include <string>
#include <string_view>

#include <skald/saga/saga.hpp>
#include <skald/saga/testing.hpp>

namespace skald::sagas::test {

using namespace std::chrono_literals;

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Data and messages that are one number or word on the wire.
struct order {
  static constexpr std::string_view name = "order";
  int total = 0;
  std::string state = {};
  std::string to_bytes() const { return std::to_string(total) + " " + state; }
  static order from_bytes(std::string_view bytes) {
    const std::size_t space = bytes.find(' ');
    if (space == std::string_view::npos) throw std::runtime_error("no order");
    return {std::stoi(std::string(bytes.substr(0, space))), std::string(bytes.substr(space + 1))};
  }
};

template <class Self>
struct amount_message {
  int amount = 0;
  std::string to_bytes() const { return std::to_string(amount); }
  static Self from_bytes(std::string_view bytes) {
    Self made;
    made.amount = std::stoi(std::string(bytes));
    return made;
  }
};
struct reserve_credit : amount_message<reserve_credit> {
  static constexpr std::string_view name = "reserve-credit";
};
struct release_credit : amount_message<release_credit> {
  static constexpr std::string_view name = "release-credit";
};
struct credit_limit_exceeded : amount_message<credit_limit_exceeded> {
  static constexpr std::string_view name = "credit-limit-exceeded";
};
struct busy : amount_message<busy> {
  static constexpr std::string_view name = "busy";
};
struct credit_reserved : amount_message<credit_reserved> {
  static constexpr std::string_view name = "credit-reserved";
};
struct reserve_stock : amount_message<reserve_stock> {
  static constexpr std::string_view name = "reserve-stock";
};
struct release_stock : amount_message<release_stock> {
  static constexpr std::string_view name = "release-stock";
};
struct ship : amount_message<ship> {
  static constexpr std::string_view name = "ship";
};

template <class Message>
Message of_total(const order& data) {
  Message made;
  made.amount = data.total;
  return made;
}

inline constexpr exponential steady{.initial_interval = milliseconds(1'000),
                                    .multiplier = 2,
                                    .max_interval = milliseconds(4'000),
                                    .randomization_factor = 0};

inline saga<order> order_steps() {
  saga<order> made("create-order", version{2});
  made.step("create")
      .local([](order& data, local_step& at) {
        data.state = "pending";
        at.append("orders", std::string(at.saga_id()), "pending");
      })
      .compensate([](order& data) { data.state = "rejected" + data.state.substr(7); })
      .step("credit")
      .call<reserve_credit>("customers", of_total<reserve_credit>)
      .then<credit_reserved>([](order& data, const credit_reserved& said) {
        data.state += " credit " + std::to_string(said.amount);
      })
      .on<credit_limit_exceeded>([](order& data, const credit_limit_exceeded& limit) {
        data.state += " limit " + std::to_string(limit.amount);
      })
      .on<busy>(decision::retry)
      .timeout(30s)
      .retry(steady)
      .compensate<release_credit>(of_total<release_credit>)
      .compensation_retry(steady, 2)
      .beside("stock")
      .call<reserve_stock>("warehouse", of_total<reserve_stock>)
      .when([](const order& data) { return data.total > 100; })
      .retry(steady)
      .compensate<release_stock>(of_total<release_stock>)
      .pivot("approve")
      .local([](order& data) { data.state += " approved"; })
      .step("ship")
      .call<ship>("warehouse", of_total<ship>)
      .retry(steady, 2);
  return made;
}

}  // namespace skald::sagas::test
