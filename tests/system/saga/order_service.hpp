// The order saga over two participants that all tests here run, and what must hold of it.
//
// Order N is `order-N` over N units. Customers refuse every fifth order, the warehouse every seventh; others
// are approved and shipped. What participants do is a record of `ledger`, under the saga's id: "+credit" and
// "-credit", "+stock" and "-stock"; what the orchestrator does locally is one of `orders`.
#pragma once

#include <functional>
#include <skald/saga/orchestrator.hpp>
#include <skald/saga/participant.hpp>
#include <skald/saga/saga.hpp>
#include <string>
#include <string_view>

namespace skald::tests::orders {

using namespace std::chrono_literals;
namespace sagas = skald::sagas;

template <int kind>
struct number_message {
  static constexpr std::string_view names[] = {
      "order", "reserve-credit", "release-credit", "reserve-stock", "release-stock", "ship", "refused"};
  static constexpr std::string_view name = names[kind];
  int number = 0;
  std::string to_bytes() const { return std::to_string(number); }
  static number_message from_bytes(std::string_view bytes) { return {std::stoi(std::string(bytes))}; }
};
using order = number_message<0>;
using reserve_credit = number_message<1>;
using release_credit = number_message<2>;
using reserve_stock = number_message<3>;
using release_stock = number_message<4>;
using ship = number_message<5>;
using refused = number_message<6>;

constexpr bool is_refused(int number) {
  return number % 5 == 0 || number % 7 == 0;
}

// Called before and after whatever is done here, and as commands are made.
inline std::function<void()> at_each_step = [] {};

template <class Command>
Command of_order(const order& data) {
  at_each_step();
  return {data.number};
}

inline auto note(std::string what) {
  return [what](order&, sagas::local_step& at) {
    at_each_step();
    at.append("orders", std::string(at.saga_id()), what);
    at_each_step();
  };
}

// A participant that is down for `patience` or less is waited for.
inline sagas::definition definition(sagas::milliseconds timeout = 1s, std::uint32_t attempts = 5) {
  constexpr sagas::exponential soon{
      .initial_interval = sagas::milliseconds(20), .multiplier = 2, .max_interval = sagas::milliseconds(200)};
  return sagas::saga<order>("create-order")
      .step("create")
      .local(note("created"))
      .compensate(note("rejected"))
      .step("credit")
      .call<reserve_credit>("customers", of_order<reserve_credit>)
      .timeout(timeout)
      .retry(soon, attempts)
      .compensate<release_credit>(of_order<release_credit>)
      .compensation_timeout(timeout)
      .compensation_retry(soon, 1'000)
      .beside("stock")
      .call<reserve_stock>("warehouse", of_order<reserve_stock>)
      .timeout(timeout)
      .retry(soon, attempts)
      .compensate<release_stock>(of_order<release_stock>)
      .compensation_timeout(timeout)
      .compensation_retry(soon, 1'000)
      .pivot("approve")
      .local(note("approved"))
      .step("ship")
      .call<ship>("warehouse", of_order<ship>)
      .timeout(timeout)
      .retry(soon, 1'000)
      .build();
}

template <class Command>
void keeps_ledger(sagas::participant& at, std::string_view what, int refused_of) {
  at.handle<Command>([what, refused_of](const Command& wanted, sagas::handling& within) -> sagas::answer {
    at_each_step();
    if (refused_of > 0 && wanted.number % refused_of == 0)
      return sagas::answer::failed(refused{wanted.number});
    within.effect.append("ledger", {.key = within.saga_id(), .value = what});
    at_each_step();
    return sagas::answer::done();
  });
}

inline sagas::participant customers(client& broker) {
  sagas::participant made(broker, "customers");
  keeps_ledger<reserve_credit>(made, "+credit", 5);
  keeps_ledger<release_credit>(made, "-credit", 0);
  return made;
}

inline sagas::participant warehouse(client& broker) {
  sagas::participant made(broker, "warehouse");
  keeps_ledger<reserve_stock>(made, "+stock", 7);
  keeps_ledger<release_stock>(made, "-stock", 0);
  keeps_ledger<ship>(made, "shipped", 0);
  return made;
}

inline std::string id_of(int number) {
  return "order-" + std::to_string(number);
}

}  // namespace skald::tests::orders
