// Sagas looked after from the command line, on the order saga that other tests run.
#include <boost/json.hpp>
#include <chrono>
#include <thread>

#include "tests/tools/cli_scene.hpp"

namespace skald::tests {
namespace {

namespace json = boost::json;

// A broker of its own, and the services of the order saga; participants come when they are asked for.
struct saga_scene {
  scratch_directory directory;
  skaldd_process broker{SKALDD_PROGRAM, directory.path() / "data"};

  saga_scene() {
    for (const char* topic : {"ledger", "orders"})
      REQUIRE(skald({"topic", "create", topic, "--index", "key"}).exit_code == 0);
  }
  process_result skald(const arguments& given) const {
    return run_process(SKALD_PROGRAM, given, {}, broker_environment(broker));
  }
  std::vector<std::string> role(const arguments& of) const {
    arguments all{broker.address()};
    all.insert(all.end(), of.begin(), of.end());
    return all;
  }
  json::array listed(const arguments& more) const {
    arguments all{"saga", "list", "--output", "json"};
    all.insert(all.end(), more.begin(), more.end());
    const process_result is = skald(all);
    CHECK_MESSAGE(is.exit_code == 0, is.errors);
    return json::parse(is.output).as_array();
  }
  template <class Condition>
  static bool becomes(Condition holds) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
  }
};

}  // namespace

TEST_CASE_FIXTURE(saga_scene, "sagas are listed, shown, drawn, turned back and aborted") {
  child_process orchestrator(SKALD_SAGA_PROGRAM, role({"orchestrator", "60000"}));
  REQUIRE(
      becomes([&] { return contains(skald({"topic", "list", "--names"}).output, "orders.sagas.inputs"); }));
  REQUIRE(run_process(SKALD_SAGA_PROGRAM, role({"start", "1", "3"})).exit_code == 0);
  REQUIRE(becomes([&] { return listed({"--state", "running"}).size() == 3; }));  // nobody answers

  CHECK(listed({"--state", "parked,completed"}).empty());
  CHECK(listed({"--older-than", "1h"}).empty());
  CHECK(listed({"--orchestrator", "orders", "--state", "unfinished"}).size() == 3);
  CHECK(contains(skald({"saga", "list"}).output, "order-1  orders"));

  const process_result shown = skald({"saga", "show", "order-1"});
  CHECK(contains(shown.output, "order-1: create-order v1 of orders, running"));
  CHECK(contains(shown.output, "started; 'create' is done"));
  const json::value detail = json::parse(skald({"saga", "show", "order-1", "--output", "json"}).output);
  CHECK(detail.at("timeline").as_array().size() >= 1);
  CHECK(detail.at("data") == "1");
  CHECK(skald({"saga", "show", "order-1", "--diagram"}).output.starts_with("flowchart TD\n"));

  const process_result aborted = skald({"saga", "abort", "order-1"});
  CHECK_MESSAGE(aborted.exit_code == 0, aborted.errors);
  CHECK(aborted.output == "order-1 is aborted\n");
  CHECK(skald({"saga", "compensate", "order-2"}).output == "order-2 is compensating\n");
  const process_result again = skald({"saga", "compensate", "order-2"});
  CHECK(again.exit_code == 1);
  CHECK(contains(again.errors, "it compensates already"));
  CHECK(contains(skald({"saga", "retry", "order-1"}).errors, "it is aborted, which is final"));
  CHECK(contains(skald({"saga", "skip", "order-3"}).errors, "not parked"));
  const process_result none = skald({"saga", "show", "order-99"});
  CHECK(none.exit_code == 1);
  CHECK(contains(none.errors, "there is none"));

  const child_process customers(SKALD_SAGA_PROGRAM, role({"customers"}));
  const child_process warehouse(SKALD_SAGA_PROGRAM, role({"warehouse"}));
  CHECK(becomes([&] { return listed({"--state", "unfinished"}).empty(); }));
  CHECK(contains(skald({"saga", "show", "order-2"}).output, "'credit' is undone"));
}

TEST_CASE("orders to sagas that make no sense are errors of usage") {
  CHECK(skald({"saga"}).exit_code == 2);
  CHECK(skald({"saga", "retry"}).exit_code == 2);
  CHECK(skald({"saga", "list", "--state", "dancing"}).exit_code == 2);
}

}  // namespace skald::tests
