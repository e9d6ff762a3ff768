// Orchestrator and participants that die at each of their steps: before and after each local step, while a
// command or compensation is made, before and after the commit that stores the saga, sends it and sets its
// timer, before and after a participant has handled a command.
#include <memory>

#include "tests/effort.hpp"
#include "tests/system/saga/saga_scene.hpp"
#include "tests/system/support/fate.hpp"

namespace skald::tests {

namespace {

class dying_scene : public saga_scene {
 public:
  dying_scene() {
    for (const char* role : {"orchestrator", "customers", "warehouse"}) others.push_back(begin(role));
    REQUIRE(becomes([&] {
      return exists("orders.sagas.inputs") && exists("customers.inbox") && exists("warehouse.inbox");
    }));
  }
  std::unique_ptr<child_process> begin(const char* role, int dies_at = 0) const {
    std::vector<std::string> arguments{address, role};
    if (dies_at > 0) arguments.insert(arguments.end(), {"die", std::to_string(dies_at)});
    return std::make_unique<child_process>(SKALD_SAGA_PROGRAM, arguments);
  }
  void start_orders(int many) {
    const process_result done = run_process(
        SKALD_SAGA_PROGRAM, {address, "start", std::to_string(started + 1), std::to_string(started + many)});
    REQUIRE_MESSAGE(done.exit_code == 0, done.errors);
    started += many;
  }
  bool all_over() { return finals() == static_cast<std::size_t>(started); }

  // Has one of that role, which is the only one, die at each of its first steps.
  void die_at_each(std::size_t which, const char* role, int steps) {
    others.at(which).reset();
    for (int step = 1; step <= steps; ++step) {
      if (sanitized && step % 3 != 0) continue;
      CAPTURE(role);
      CAPTURE(step);
      const auto dies = begin(role, step);
      start_orders(3);
      // What was left by those before gives it steps, too; when that is done, more comes.
      REQUIRE(becomes([&] {
        if (is_now(*dies, WEXITED)) return true;
        if (all_over()) start_orders(1);
        return false;
      }));
      CHECK(dies->wait().exit_code == 128 + SIGKILL);
    }
    others.at(which) = begin(role);
  }

  std::vector<std::unique_ptr<child_process>> others;
  int started = 0;
};

}  // namespace

TEST_CASE_FIXTURE(dying_scene,
                  "whoever dies at whichever step, every saga ends, and is done or undone once") {
  // An order that is approved has 13 steps of the orchestrator; one that is rejected about as many.
  die_at_each(0, "orchestrator", 30);
  die_at_each(1, "customers", 8);
  die_at_each(2, "warehouse", 8);
  REQUIRE(becomes([&] { return all_over(); }));
  for (int number = 1; number <= started; ++number) check_order(number);
  check_no_timer_is_left();
}

}  // namespace skald::tests
