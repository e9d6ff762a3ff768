// The order saga as a coroutine, through the real client and the real broker.
#include <skald/saga/coroutine.hpp>

#include "tests/system/saga/running_scene.hpp"

namespace skald::tests {

namespace {

struct noting {
  const char* what;
  void operator()(sagas::local_step& at) const { at.append("orders", std::string(at.saga_id()), what); }
};

sagas::script order_story(sagas::course<orders::order>& saga) {
  const int number = saga.input().number;
  saga.compensate("create", noting{"rejected"});
  co_await saga.local("create", noting{"created"});
  saga.compensate("credit", "customers", orders::release_credit{number});
  saga.compensate("stock", "warehouse", orders::release_stock{number});
  const sagas::pending credit = saga.call("credit", "customers", orders::reserve_credit{number});
  const sagas::pending stock = saga.call("stock", "warehouse", orders::reserve_stock{number});
  co_await credit;
  co_await stock;
  co_await saga.local("approve", noting{"approved"}, {.pivot = true});
  co_await saga.call("ship", "warehouse", orders::ship{number});
}

// As above, but for what it calls the credit.
sagas::script other_story(sagas::course<orders::order>& saga) {
  co_await saga.local("create", noting{"created"});
  co_await saga.call("reserve", "customers", orders::reserve_credit{saga.input().number});
}

sagas::registry telling(sagas::script (*story)(sagas::course<orders::order>&)) {
  return only(
      sagas::scripted<orders::order>("create-order", sagas::version{1}, {"customers", "warehouse"}, story));
}

}  // namespace

TEST_CASE_FIXTURE(running_scene,
                  "orders of a coroutine are approved and shipped, or rejected, each exactly once") {
  const participating in(address);
  const orchestrating one(address, telling(order_story));
  const orchestrating other(address, telling(order_story));
  for (int number = 1; number <= 21; ++number) start(number);
  CHECK(becomes([&] { return finals() == 21; }));
  for (int number = 1; number <= 21; ++number) check_order(number);
  check_no_timer_is_left();
}

TEST_CASE_FIXTURE(
    running_scene,
    "an orchestrator whose code does not fit parks an instance, which the right code goes on with") {
  {
    const orchestrating on(address, telling(order_story));
    start(1);
    CHECK(becomes_phase(1, phase::running));
  }
  const participating in(address);
  {
    const orchestrating on(address, telling(other_story));
    CHECK(becomes_phase(1, phase::parked));
    CHECK(instance("order-1").why == "the code asks for step 'reserve' where the journal has 'credit'");
  }
  const orchestrating on(address, telling(order_story));
  order(1, "retry");
  CHECK(becomes_phase(1, phase::completed));
  check_order(1);
  check_no_timer_is_left();
}

}  // namespace skald::tests
