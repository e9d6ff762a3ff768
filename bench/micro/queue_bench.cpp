// What handing out a queue's records costs: items per second are of records.
//
//   lease_and_ack/R    one consumer takes runs of R records and acknowledges each run as a whole
//   ack_singly         the same with runs of 256 acknowledged record by record, out of order
//   ordered/K          records of K keys in turn, each key one after the other
#include <benchmark/benchmark.h>

#include <numeric>
#include <vector>

#include "broker/delivery/queue_dispatcher.hpp"

namespace skald::delivery {
namespace {

class no_history final : public queue_history {
 public:
  std::optional<known_range> next(partition_id, offset) override { return std::nullopt; }
  std::vector<known_range> parked(const parked_key&, std::size_t,
                                  const std::function<offset(partition_id)>&) override {
    return {};
  }
};

struct bench_queue {
  explicit bench_queue(bool ordered, std::uint32_t run_records)
      : queue({.ordered_by_key = ordered}, history, {.run_records = run_records}) {
    queue.add_partition(offset(0));
    queue.add_consumer(consumer_id(1), 4096);
  }
  void feed(std::uint64_t records, std::span<const std::uint64_t> keys = {}) {
    const partition_id p(0);
    if (queue.wants_records(p)) queue.feed(p, queue.read_from(p) + records, keys);
  }
  void ack(const leased_run& run, offset first, offset end) {
    if (!queue.settle(run.to, {run.lease, first, end}, settlement::ack, {}, {}, now, verdicts)) std::abort();
  }
  void commit() {
    for (const verdict& one : verdicts) queue.done(one, now);
    verdicts.clear();
  }

  no_history history;
  queue_dispatcher queue;
  std::vector<leased_run> runs;
  std::vector<verdict> verdicts;
  moment now{1};
};

void lease_and_ack(benchmark::State& state) {
  bench_queue at(false, static_cast<std::uint32_t>(state.range(0)));
  std::int64_t records = 0;
  for (auto _ : state) {
    at.feed(65'536);
    at.runs.clear();
    at.queue.dispatch(at.now, at.runs);
    for (const leased_run& run : at.runs) {
      at.ack(run, run.first, run.first + run.count);
      records += run.count;
    }
    at.commit();
  }
  state.SetItemsProcessed(records);
}
BENCHMARK(lease_and_ack)->Arg(1)->Arg(16)->Arg(256);

void ack_singly(benchmark::State& state) {
  bench_queue at(false, 256);
  std::int64_t records = 0;
  for (auto _ : state) {
    at.feed(65'536);
    at.runs.clear();
    at.queue.dispatch(at.now, at.runs);
    for (const leased_run& run : at.runs) {
      for (std::uint32_t i = 0; i < run.count; i += 2) at.ack(run, run.first + i, run.first + i + 1);
      for (std::uint32_t i = 1; i < run.count; i += 2) at.ack(run, run.first + i, run.first + i + 1);
      records += run.count;
    }
    at.commit();
  }
  state.SetItemsProcessed(records);
}
BENCHMARK(ack_singly);

void ordered(benchmark::State& state) {
  bench_queue at(true, 256);
  std::vector<std::uint64_t> keys(16'384);
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = 1 + i % static_cast<std::size_t>(state.range(0));
  std::int64_t records = 0;
  for (auto _ : state) {
    at.feed(keys.size(), keys);
    at.runs.clear();
    at.queue.dispatch(at.now, at.runs);
    for (const leased_run& run : at.runs) {
      at.ack(run, run.first, run.first + run.count);
      records += run.count;
    }
    at.commit();
  }
  state.SetItemsProcessed(records);
}
BENCHMARK(ordered)->Arg(10)->Arg(1'000)->Arg(100'000);

}  // namespace
}  // namespace skald::delivery
