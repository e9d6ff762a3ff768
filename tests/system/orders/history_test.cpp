// The order history: what its service shows of the others.
#include <signal.h>

#include "tests/system/orders/shop_books.hpp"

namespace skald::tests {

TEST_SUITE("sample history") {
  TEST_CASE_FIXTURE(shop_scene, "it shows a customer's name, limit and orders, with what came of them") {
    create_customer("ann", 1'000);
    create_order("one", "ann", 100);
    REQUIRE(becomes_state("one", "CREDIT_CONFIRMED"));
    create_order("two", "ann", 1'000);
    CHECK(becomes([&] { return states_in_history("ann") == "one CREDIT_CONFIRMED;two REJECTED;"; }));
    const shop_answer found = history("ann");
    CHECK(found.text("name") == "name of ann");
    CHECK(found.number("limit") == 1'000);
    const json::array& orders = found.body.at("orders").as_array();
    CHECK(orders.at(0).at("amount") == 100);
    CHECK(orders.at(1).at("reason") == "INSUFFICIENT_CREDIT");
  }

  TEST_CASE_FIXTURE(shop_scene, "of an unknown customer there is none, whatever was ordered") {
    create_order("one", "nobody", 1);
    REQUIRE(becomes_state("one", "REJECTED"));
    create_customer("ann", 1);
    CHECK(becomes([&] { return history("ann").refused == 0; }));
    CHECK(history("nobody").refused == 404);
    CHECK(history("nobody").why == "there is no customer 'nobody'");
  }

  TEST_CASE_FIXTURE(shop_scene, "a cancelled order is cancelled there, too") {
    create_customer("ann", 1'000);
    create_order("one", "ann", 1'000);
    REQUIRE(becomes_state("one", "CREDIT_CONFIRMED"));
    CHECK(ask("orders.cancel", R"({"order": "one"})").refused == 0);
    CHECK(becomes([&] { return states_in_history("ann") == "one CANCELLED;"; }));
  }

  TEST_CASE_FIXTURE(shop_scene, "a view that is lost is made anew") {
    create_customer("ann", 1'000);
    create_order("one", "ann", 1'000);
    CHECK(becomes([&] { return states_in_history("ann") == "one CREDIT_CONFIRMED;"; }));
    process(service::history).send_signal(SIGKILL);
    process(service::history).wait();
    for (const char* file : {"history.1.db", "history.1.db-wal", "history.1.db-shm"})
      std::filesystem::remove(data() / file);
    start(service::history);
    CHECK(becomes([&] { return states_in_history("ann") == "one CREDIT_CONFIRMED;"; }));
    shop_books books(*this);
    CHECK(becomes([&] { return books.are_settled(); }));
    books.check_invariants();
  }
}

}  // namespace skald::tests
