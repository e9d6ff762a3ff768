// Services of choreographed orders that die at each of their steps, and a broker that is killed beside them:
// each order is decided once.
#include <sqlite3.h>

#include <memory>
#include <random>

#include "tests/system/choreography/choreography_scene.hpp"
#include "tests/system/support/fate.hpp"

namespace skald::tests {

namespace {

class killing_scene : public choreography_scene {
 public:
  killing_scene() {
    const process_result done = run_process(CHOREOGRAPHY_PROGRAM, {address, "create", database()});
    REQUIRE_MESSAGE(done.exit_code == 0, done.errors);
  }
  std::string database() const { return (directory_of_service.path() / "customers.db").string(); }
  std::unique_ptr<child_process> begin(const char* role, const std::vector<std::string>& fate = {}) const {
    std::vector<std::string> arguments{address, role};
    if (role == std::string("customers")) arguments.push_back(database());
    arguments.insert(arguments.end(), fate.begin(), fate.end());
    return std::make_unique<child_process>(CHOREOGRAPHY_PROGRAM, arguments);
  }
  void create_orders(int many) {
    for (int i = 0; i < many; ++i) create_order(++created);
  }
  // How often credit was reserved for an order, or for all.
  int reserved(int number = 0) const {
    sqlite3* opened = nullptr;
    REQUIRE(sqlite3_open_v2(database().c_str(), &opened, SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK);
    sqlite3_busy_timeout(opened, 10'000);
    const std::string sql = "SELECT count(*) FROM reserved WHERE ?1 = 0 OR number = ?1";
    sqlite3_stmt* prepared = nullptr;
    REQUIRE(sqlite3_prepare_v2(opened, sql.c_str(), -1, &prepared, nullptr) == SQLITE_OK);
    sqlite3_bind_int(prepared, 1, number);
    REQUIRE(sqlite3_step(prepared) == SQLITE_ROW);
    const int count = sqlite3_column_int(prepared, 0);
    sqlite3_finalize(prepared);
    sqlite3_close(opened);
    return count;
  }
  bool all_decided() {
    return records(orders::order_topic) >= static_cast<std::uint64_t>(2 * created) &&
           records(orders::customer_topic) >= static_cast<std::uint64_t>(created);
  }
  void check_orders() {
    CHECK(reserved() == created);
    for (int number = 1; number <= created; ++number) {
      check_order(number);
      CHECK(reserved(number) == 1);
    }
  }

  scratch_directory directory_of_service;
  int created = 0;
};

}  // namespace

TEST_CASE("customers that die at any step of their transactions reserve credit once") {
  killing_scene on;
  const auto of_orders = on.begin("orders");
  // Two orders each time, before and after each: begin, twice a part with receive and add, commit.
  constexpr int steps = 20;
  for (int step = 1; step <= steps; ++step) {
    CAPTURE(step);
    on.create_orders(2);
    const auto customers = on.begin("customers", {"die", std::to_string(step)});
    // It dies at the latest while it handles the orders that come until then.
    becomes([&] {
      if (is_now(*customers, WEXITED)) return true;
      if (on.all_decided()) on.create_orders(1);
      return false;
    });
    CHECK(customers->wait().exit_code == 128 + SIGKILL);
  }
  const auto customers = on.begin("customers");
  CHECK(becomes([&] { return on.all_decided(); }));
  on.check_orders();
}

TEST_CASE("orders that die at any step, beside a broker that is killed, decide once") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  killing_scene on;
  const auto customers = on.begin("customers");
  constexpr int rounds = 12;
  for (int round = 1; round <= rounds; ++round) {
    CAPTURE(round);
    const auto of_orders = on.begin("orders", {"die", std::to_string(1 + random() % 8)});
    on.create_orders(5);
    if (round % 3 == 0) {
      on.server.kill();
      on.server.start();
    }
    // Five orders are ten steps, unless some of them were taken by the one before.
    becomes([&] {
      if (is_now(*of_orders, WEXITED)) return true;
      if (on.all_decided()) on.create_orders(1);
      return false;
    });
    CHECK(of_orders->wait().exit_code == 128 + SIGKILL);
  }
  const auto of_orders = on.begin("orders");
  CHECK(becomes([&] { return on.all_decided(); }));
  on.check_orders();
}

TEST_CASE("customers that wake when others have taken over change nothing twice") {
  killing_scene on;
  const auto of_orders = on.begin("orders");
  on.create_orders(3);
  // Stopped before it begins its transaction, with all three orders leased.
  const auto stale = on.begin("customers", {"stop", "1"});
  REQUIRE(becomes([&] { return is_now(*stale, WSTOPPED); }));
  {
    const auto fresh = on.begin("customers");
    CHECK(becomes([&] { return on.all_decided(); }));
    stale->send_signal(SIGCONT);
    // It handles what it had leased, which is old news, and then takes its part in what is new.
    on.create_orders(20);
    CHECK(becomes([&] { return on.all_decided(); }));
  }
  on.create_orders(5);
  CHECK(becomes([&] { return on.all_decided(); }));
  on.check_orders();
}

}  // namespace skald::tests
