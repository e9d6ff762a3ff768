// The order saga of order_saga.hpp again, written as a coroutine.
#pragma once

#include <skald/saga/coroutine.hpp>

#include "tests/client/saga/order_saga.hpp"

namespace skald::sagas::test {

inline constexpr step_options patient{.retry = {.max_attempts = 3, .wait = steady}};

struct note {
  std::string text;
  void operator()(local_step& at) const { at.append("orders", std::string(at.saga_id()), text); }
};

inline script order_story(course<order>& saga) {
  const int total = saga.input().total;
  const note pending_note{"pending"};
  const note rejected_note{"rejected"};
  saga.compensate("create", rejected_note);
  co_await saga.local("create", pending_note);

  reserve_credit credit_wanted;
  credit_wanted.amount = total;
  release_credit credit_back;
  credit_back.amount = total;
  saga.compensate("credit", "customers", credit_back, {.retry = {.max_attempts = 2, .wait = steady}});
  const pending credit = saga.call("credit", "customers", credit_wanted, patient);
  if (total > 100) {
    reserve_stock stock_wanted;
    stock_wanted.amount = total;
    release_stock stock_back;
    stock_back.amount = total;
    saga.compensate("stock", "warehouse", stock_back);
    co_await saga.call("stock", "warehouse", stock_wanted, patient);
  }
  const answered said = co_await credit;
  const int reserved = said.is<credit_reserved>() ? said.as<credit_reserved>().amount : total;

  const auto approve = [&] {
    credit_reserved result;
    result.amount = reserved + 1;
    return result;
  };
  const answered approved = co_await saga.local("approve", approve, {.pivot = true});
  ship parcel;
  parcel.amount = approved.as<credit_reserved>().amount;
  co_await saga.call("ship", "warehouse", parcel, {.retry = {.max_attempts = 2, .wait = steady}});
}

inline definition order_script(version number = version{2}) {
  return scripted<order>("create-order", number, {"customers", "warehouse"}, order_story);
}

}  // namespace skald::sagas::test
