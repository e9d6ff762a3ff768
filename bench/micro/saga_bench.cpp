// The saga engine alone, with participants in this process that answer at once: steps a second, with each
// transition's state encoded as it would be stored.
#include <benchmark/benchmark.h>

#include <deque>
#include <skald/saga/engine.hpp>
#include <skald/saga/saga.hpp>
#include <string>
#include <string_view>

namespace skald::sagas {
namespace {

struct order {
  static constexpr std::string_view name = "order";
  int total = 0;
  std::string to_bytes() const { return std::to_string(total); }
  static order from_bytes(std::string_view bytes) { return {std::stoi(std::string(bytes))}; }
};

order same(const order& data) {
  return data;
}

definition order_saga() {
  return saga<order>("create-order")
      .step("create")
      .local([](order&) {})
      .compensate([](order&) {})
      .step("credit")
      .call<order>("customers", same)
      .compensate<order>(same)
      .beside("stock")
      .call<order>("warehouse", same)
      .compensate<order>(same)
      .pivot("approve")
      .local([](order&) {})
      .step("ship")
      .call<order>("warehouse", same)
      .build();
}

// `fails`: the warehouse answers with an error.
void run_sagas(benchmark::State& state, bool fails) {
  const definition of = order_saga();
  std::vector<outgoing> records;
  std::int64_t steps = 0;
  std::size_t bytes = 0;
  for (auto unused : state) {
    (void)unused;
    const timestamp now{};
    transition made = perform_locals(of, start(of, "order-42", "500", {}, now, 0.5), now, 0.5, records);
    std::deque<effect> todo;
    for (;;) {
      bytes += encode_state(made.next).size();
      for (effect& one : made.effects)
        if (std::holds_alternative<send_command>(one)) todo.push_back(std::move(one));
      if (todo.empty()) break;
      const std::string id = std::get<send_command>(todo.front()).id;
      todo.pop_front();
      const replied reply{.command = id, .failed = fails && id == "order-42/stock"};
      made = perform_locals(of, advance(of, std::move(made.next), reply, now, 0.5), now, 0.5, records);
    }
    steps += 5;  // create, credit, stock; and approve and ship, or two compensations
    benchmark::DoNotOptimize(bytes);
  }
  state.SetItemsProcessed(steps);
}

void completed_sagas(benchmark::State& state) {
  run_sagas(state, false);
}
void compensated_sagas(benchmark::State& state) {
  run_sagas(state, true);
}

BENCHMARK(completed_sagas);
BENCHMARK(compensated_sagas);

}  // namespace
}  // namespace skald::sagas
