// What the state costs: items per second are of batches.
//
//   apply/P            decoding and applying one append to one of P partitions, idempotent producers, with
//                      whatever is applied being flushed to LMDB in between (not timed): what a core can
//                      apply, and what a replay costs beyond reading the journal
//   flush              writing a generation of 50,000 batches (150,000 rows) to LMDB, synced
//   set_timer/W        the same of an append that waits for its time, while W others wait
//   fire/W             finding 256 timers that are due and applying that they fire, while W others wait
//   find/B             finding the batch that holds a random offset among B batches in LMDB
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <filesystem>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "broker/shard/command.hpp"
#include "broker/shard/partition_index.hpp"
#include "broker/shard/state_machine.hpp"
#include "broker/state/lmdb_store.hpp"
#include "broker/state/tables.hpp"

namespace skald::shard {
namespace {

class scratch_directory {
 public:
  scratch_directory() {
    std::string name = (std::filesystem::temp_directory_path() / "skald-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed for " + name);
    path_ = name;
  }
  ~scratch_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

constexpr timestamp start(std::chrono::milliseconds(1'700'000'000'000));
constexpr std::size_t timers_per_fire = 256;  // as the shard does it

struct bench_state {
  explicit bench_state(std::uint32_t partitions) : partitions_(partitions) {
    machine.apply(create_topic_command{"t", {.partitions = partitions}, false, {}, partitions}, {});
  }

  std::vector<std::byte> next_command() {
    const std::uint64_t n = count_++;
    append_command append;
    append.to = {topic_id(1), partition_id(static_cast<std::uint32_t>(n % partitions_))};
    append.records = 10;
    append.batch_bytes = 1'000;
    append.producer = producer_id(1);
    append.base_sequence = static_cast<std::int32_t>(n / partitions_ * 10);
    return encoder.encode(append);
  }
  // A timer without a name.
  std::vector<std::byte> next_timer(timestamp due) {
    append_terms terms;
    terms.due = due;
    append_command append;
    append.to = {topic_id(1), partition_id(static_cast<std::uint32_t>(count_++ % partitions_))};
    append.records = 1;
    append.batch_bytes = 200;
    append.now = start;
    append.terms = std::make_shared<const append_terms>(std::move(terms));
    return encoder.encode(append);
  }
  void set_timers(std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      apply(next_timer(some_later()));
      flush_if_large();
    }
  }
  // Within an hour, a minute from the start.
  timestamp some_later() { return start + std::chrono::milliseconds(60'000 + random() % 3'600'000); }
  void apply(std::span<const std::byte> head) {
    position_ += 1'200;
    machine.apply(decode_command(head).what,
                  {journal::generation(1 + position_ / (128u << 20)),
                   static_cast<std::uint32_t>(4'096 + position_ % (128u << 20)), 1'000});
  }
  void flush() {
    const state::frozen_tables frozen = tables.freeze();
    if (!store.commit(frozen.write)) throw std::runtime_error("the flush failed");
    tables.thaw();
  }

  void flush_if_large() {
    if (tables.changed_rows() >= 48 * 1024) flush();
  }

  scratch_directory directory;
  state::lmdb_store store{directory.path(), 8ull << 30};
  state::tables tables{store};
  state_machine machine{tables};
  command_encoder encoder;
  std::mt19937_64 random{1};

 private:
  std::uint32_t partitions_;
  std::uint64_t count_ = 0;
  std::uint64_t position_ = 0;
};

void apply(benchmark::State& state) {
  bench_state on(static_cast<std::uint32_t>(state.range(0)));
  std::vector<std::vector<std::byte>> heads(1'000);
  for (auto _ : state) {
    state.PauseTiming();
    on.flush_if_large();
    for (auto& head : heads) head = on.next_command();
    state.ResumeTiming();
    for (const auto& head : heads) on.apply(head);
  }
  state.SetItemsProcessed(state.iterations() * 1'000);
}
BENCHMARK(apply)->Arg(1)->Arg(1'000)->Unit(benchmark::kMicrosecond);

void flush(benchmark::State& state) {
  bench_state on(100);
  for (auto _ : state) {
    state.PauseTiming();
    for (int i = 0; i < 50'000; ++i) on.apply(on.next_command());
    state.ResumeTiming();
    on.flush();
  }
  state.SetItemsProcessed(state.iterations() * 50'000);
}
BENCHMARK(flush)->Unit(benchmark::kMillisecond)->UseRealTime();

void set_timer(benchmark::State& state) {
  bench_state on(100);
  on.set_timers(state.range(0));
  std::vector<std::vector<std::byte>> heads(1'000);
  for (auto _ : state) {
    state.PauseTiming();
    on.flush_if_large();
    for (auto& head : heads) head = on.next_timer(on.some_later());
    state.ResumeTiming();
    for (const auto& head : heads) on.apply(head);
  }
  state.SetItemsProcessed(state.iterations() * 1'000);
}
BENCHMARK(set_timer)->Arg(0)->Arg(1'000'000)->Unit(benchmark::kMicrosecond);

void fire(benchmark::State& state) {
  bench_state on(100);
  on.set_timers(state.range(0));
  const timestamp soon = start + std::chrono::seconds(1);
  std::size_t fired = 0;
  for (auto _ : state) {
    state.PauseTiming();
    on.flush_if_large();
    for (std::size_t i = 0; i < timers_per_fire; ++i) on.apply(on.next_timer(soon));
    state.ResumeTiming();
    fire_command due{.timers = {}, .now = soon};
    on.tables.timers.scan({}, [&](const state::timer_key& key, const state::timer_row&) {
      if (key.due <= soon) due.timers.push_back(key);
      return key.due <= soon;
    });
    fired += due.timers.size();
    on.apply(on.encoder.encode(due));
  }
  if (fired != static_cast<std::size_t>(state.iterations()) * timers_per_fire)
    state.SkipWithError("other timers fired than were due");
  state.SetItemsProcessed(static_cast<std::int64_t>(fired));
}
BENCHMARK(fire)->Arg(0)->Arg(1'000'000)->Unit(benchmark::kMicrosecond);

void find(benchmark::State& state) {
  bench_state on(1);
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    on.apply(on.next_command());
    on.flush_if_large();
  }
  on.flush();
  const std::uint64_t records = 10 * static_cast<std::uint64_t>(state.range(0));
  offset next;
  for (auto _ : state)
    benchmark::DoNotOptimize(
        batches_from(on.tables, {topic_id(1), partition_id(0)}, offset(on.random() % records), 1, {}, next));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(find)->Arg(1'000'000);

}  // namespace
}  // namespace skald::shard
