// What the services say to requests that make no sense, and their programs to command lines.
#include <signal.h>

#include "tests/system/orders/shop_scene.hpp"

namespace skald::tests {

namespace {

struct wrong_request {
  const char* subject;
  const char* body;
  int code;
  const char* says;
};

constexpr wrong_request wrong_requests[] = {
    {"customers.create", "{", 400, "the request is not JSON"},
    {"customers.create", "[1]", 400, "the request is not a JSON object"},
    {"customers.create", R"({"limit": 5})", 400, "'name' is missing"},
    {"customers.create", R"({"name": 7, "limit": 5})", 400, "'name' is not a string"},
    {"customers.create", R"({"name": "", "limit": 5})", 400, "'name' has to have 1 to 60 bytes"},
    {"customers.create", R"({"name": "Ann"})", 400, "'limit' is missing"},
    {"customers.create", R"({"name": "Ann", "limit": -5})", 400, "'limit' has to be a whole number from 1"},
    {"customers.create", R"({"name": "Ann", "limit": 1.5})", 400, "'limit' has to be a whole number from 1"},
    {"customers.create", R"({"customer": "a/b", "name": "Ann", "limit": 5})", 400, "no '/'"},
    {"customers.create", R"({"customer": "ann", "name": "Other", "limit": 5})", 409,
     "there is another customer 'ann'"},
    {"customers.get", R"({"customer": "nobody"})", 404, "there is no customer 'nobody'"},
    {"orders.create", R"({"customer": "ann", "amount": -1})", 400,
     "'amount' has to be a whole number from 1"},
    {"orders.create", R"({"amount": 1})", 400, "'customer' is missing"},
    {"orders.create", R"({"order": "one", "customer": "ann", "amount": 2})", 409,
     "there is another order 'one'"},
    {"history.get", "{}", 400, "'customer' is missing"},
    {"orders.get", R"({"order": "none"})", 404, "there is no order 'none'"},
    {"orders.cancel", R"({"order": "none"})", 404, "there is no order 'none'"},
    {"orders.cancel", R"({"order": "refused"})", 409, "order 'refused' is REJECTED: only a confirmed one"},
};

}  // namespace

TEST_SUITE("sample requests") {
  TEST_CASE_FIXTURE(shop_scene, "what makes no sense is refused, with what is wrong with it") {
    create_customer("ann", 10);
    create_order("one", "ann", 1);
    create_order("refused", "ann", 11);
    REQUIRE(becomes_state("refused", "REJECTED"));
    for (const wrong_request& one : wrong_requests) {
      CAPTURE(one.subject);
      CAPTURE(one.body);
      const shop_answer answer = ask(one.subject, one.body);
      CHECK(answer.refused == one.code);
      CHECK_MESSAGE(answer.why.find(one.says) != std::string::npos, answer.why);
    }
    CHECK(ask("customers.list").body.as_array().size() == 1);
    CHECK(ask("orders.list").body.as_array().size() == 2);
  }

  TEST_CASE_FIXTURE(shop_scene, "the same request again gets the same answer, and changes nothing") {
    for (int times = 0; times < 2; ++times) {
      create_customer("ann", 10);
      create_order("one", "ann", 6);
    }
    CHECK(becomes_state("one", "CREDIT_CONFIRMED"));
    create_order("one", "ann", 6);
    CHECK(customer("ann").number("reserved") == 6);
  }

  TEST_CASE_FIXTURE(shop_scene, "what comes without an id is given one") {
    const std::string id = ask("customers.create", R"({"name": "Ann", "limit": 5})").text("customer");
    CHECK(customer(id).text("name") == "Ann");
    const json::value wanted{{"customer", id}, {"amount", 5}};
    const std::string order = ask("orders.create", json::serialize(wanted)).text("order");
    CHECK(becomes_state(order, "CREDIT_CONFIRMED"));
  }

  TEST_CASE("the programs explain themselves") {
    for (const char* program : {CUSTOMER_SERVICE, ORDER_SERVICE, HISTORY_SERVICE}) {
      const process_result help = run_process(program, {"--help"});
      CHECK(help.exit_code == 0);
      CHECK(help.output.find("--data-dir DIR") != std::string::npos);
      const process_result wrong = run_process(program, {});
      CHECK(wrong.exit_code != 0);
      CHECK(wrong.errors.find("--data-dir is required") != std::string::npos);
    }
    for (const char* program : {CUSTOMER_SERVICE, ORDER_SERVICE}) {
      const process_result style = run_process(program, {"--data-dir", "/tmp", "--style", "jazz"});
      CHECK(style.exit_code != 0);
      CHECK(style.errors.find("--style") != std::string::npos);
    }
  }

  TEST_CASE("a service that is started before its broker waits for it, and ends when it is told to") {
    const scratch_directory directory;
    // Nobody listens on the discard port.
    child_process early(CUSTOMER_SERVICE,
                        {"--broker", "127.0.0.1:9", "--data-dir", directory.path().string()});
    CHECK(early.wait_errors("waiting for the broker at 127.0.0.1:9"));
    early.send_signal(SIGTERM);
    CHECK(early.wait().exit_code == 0);
  }
}

}  // namespace skald::tests
