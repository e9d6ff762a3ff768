// What happens to orders.
#include <signal.h>

#include "tests/system/orders/shop_scene.hpp"

namespace skald::tests {

TEST_SUITE("sample orders") {
  TEST_CASE_FIXTURE(shop_scene, "an order within the credit limit is confirmed, and its amount reserved") {
    create_customer("ann", 1'000);
    create_order("one", "ann", 400);
    CHECK(becomes_state("one", "CREDIT_CONFIRMED"));
    CHECK(customer("ann").number("reserved") == 400);
  }

  TEST_CASE_FIXTURE(shop_scene, "an order beyond the credit limit is rejected") {
    create_customer("ann", 1'000);
    create_order("one", "ann", 1'001);
    CHECK(becomes_state("one", "REJECTED"));
    CHECK(order("one").text("reason") == "INSUFFICIENT_CREDIT");
    CHECK(customer("ann").number("reserved") == 0);
  }

  TEST_CASE_FIXTURE(shop_scene,
                    "what is reserved already counts: 100 of 1000 are granted, 1000 more are not") {
    create_customer("ann", 1'000);
    create_order("one", "ann", 100);
    CHECK(becomes_state("one", "CREDIT_CONFIRMED"));
    create_order("two", "ann", 1'000);
    CHECK(becomes_state("two", "REJECTED"));
    CHECK(order("two").text("reason") == "INSUFFICIENT_CREDIT");
    CHECK(customer("ann").number("reserved") == 100);
  }

  TEST_CASE_FIXTURE(shop_scene, "an order of an unknown customer is rejected") {
    create_order("one", "nobody", 1);
    CHECK(becomes_state("one", "REJECTED"));
    CHECK(order("one").text("reason") == "UNKNOWN_CUSTOMER");
  }

  TEST_CASE_FIXTURE(shop_scene, "a confirmed order is cancelled, and its credit is there for another") {
    create_customer("ann", 1'000);
    create_order("one", "ann", 1'000);
    CHECK(becomes_state("one", "CREDIT_CONFIRMED"));
    CHECK(ask("orders.cancel", R"({"order": "one"})").text("state") == "CANCELLED");
    CHECK(state_of("one") == "CANCELLED");
    CHECK(becomes([&] { return customer("ann").number("reserved") == 0; }));
    create_order("two", "ann", 1'000);
    CHECK(becomes_state("two", "CREDIT_CONFIRMED"));
    // The same again.
    CHECK(ask("orders.cancel", R"({"order": "one"})").text("state") == "CANCELLED");
    CHECK(customer("ann").number("reserved") == 1'000);
  }

  TEST_CASE_FIXTURE(shop_scene, "customers and orders are listed") {
    CHECK(ask("customers.list").body.as_array().empty());
    create_customer("bob", 5);
    create_customer("ann", 5);
    create_order("one", "ann", 1);
    const json::array customers = ask("customers.list").body.as_array();
    REQUIRE(customers.size() == 2);
    CHECK(customers[0].at("customer") == "ann");
    CHECK(customers[1].at("name") == "name of bob");
    CHECK(ask("orders.list").body.as_array().size() == 1);
  }

  TEST_CASE_FIXTURE(shop_scene, "an order waits for a customer service that is down, and is decided then") {
    create_customer("ann", 1'000);
    process(service::customers).send_signal(SIGKILL);
    process(service::customers).wait();
    create_order("one", "ann", 400);
    CHECK(state_of("one") == "PENDING");
    start(service::customers);
    CHECK(becomes_state("one", "CREDIT_CONFIRMED"));
    CHECK(customer("ann").number("reserved") == 400);
  }

  TEST_CASE_FIXTURE(shop_scene, "all that becomes of an order says that it is the order's" *
                                    doctest::skip(!is_choreographed())) {
    create_customer("ann", 1'000);
    create_order("one", "ann", 400);
    REQUIRE(becomes_state("one", "CREDIT_CONFIRMED"));
    ask("orders.cancel", R"({"order": "one"})");
    REQUIRE(becomes([&] { return customer("ann").number("reserved") == 0; }));
    const auto types = [&](const char* topic) {
      std::vector<std::string> found;
      const std::array of_order{header{"correlation-id", "one"}};
      for (const record& each :
           broker.fetch(topic, partition_id(0), offset(0), {.filter = {.headers = of_order}}))
        for (const header& field : each.headers())
          if (field.key == "event-type") found.emplace_back(field.value.value_or(""));
      return found;
    };
    CHECK(becomes([&] { return types("shop.customers").size() == 2; }));
    CHECK(types("shop.customers") == std::vector<std::string>{"credit-reserved", "credit-released"});
    CHECK(types("shop.orders") ==
          std::vector<std::string>{"order-created", "order-confirmed", "order-cancelled"});
  }

  TEST_CASE("while the customer service is down, an order waits; too long, and it is rejected" *
            doctest::skip(is_choreographed())) {
    shop_scene shop({"--credit-timeout-ms", "100"});
    shop.create_customer("ann", 1'000);
    shop.process(shop_scene::service::customers).send_signal(SIGTERM);
    CHECK(shop.process(shop_scene::service::customers).wait().exit_code == 0);
    shop.create_order("one", "ann", 400);
    CHECK(shop.state_of("one") == "PENDING");
    // The saga has turned round once it asks for the credit to be released.
    const auto has_turned = [&] {
      for (const record& newest : shop.broker.read_key("orders.sagas", "one", {.latest = true}).records)
        for (const header& each : newest.headers())
          if (each.key == "skald-saga-state")
            return each.value.value_or("").find("compensating") != std::string_view::npos;
      return false;
    };
    REQUIRE(becomes([&] {
      try {
        return has_turned();
      } catch (const error&) {
        return false;  // it has not begun
      }
    }));
    // It may be reserved until the customer service says that it is not.
    CHECK(shop.state_of("one") == "PENDING");
    shop.start(shop_scene::service::customers);
    CHECK(shop.becomes_state("one", "REJECTED"));
    CHECK(shop.order("one").text("reason") == "NO_ANSWER");
    CHECK(shop.customer("ann").number("reserved") == 0);
  }

  TEST_CASE_FIXTURE(shop_scene, "services end in order, and go on where they were") {
    create_customer("ann", 1'000);
    create_order("one", "ann", 400);
    CHECK(becomes_state("one", "CREDIT_CONFIRMED"));
    for (const service one : all_services) {
      process(one).send_signal(SIGTERM);
      CHECK(process(one).wait().exit_code == 0);
      start(one);
    }
    CHECK(state_of("one") == "CREDIT_CONFIRMED");
    create_order("two", "ann", 400);
    CHECK(becomes_state("two", "CREDIT_CONFIRMED"));
    CHECK(customer("ann").number("reserved") == 800);
  }
}

}  // namespace skald::tests
