// What it costs to select records of stored batches: stored bytes gone through, and records looked at, per
// second of one core. The argument says how many in a hundred match.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "broker/server/record_selection.hpp"

namespace skald::server {
namespace {

constexpr timestamp now(std::chrono::milliseconds(1'700'000'000'000));
constexpr std::int64_t records_per_batch = 512;

// Keys "key-00" to "key-99" in turn.
std::vector<std::byte> sample(std::size_t value_bytes, compression codec) {
  std::string value;
  for (unsigned i = 0; value.size() < value_bytes; ++i) value += "field" + std::to_string(i * 7919) + ";";
  value.resize(value_bytes);
  protocol::batch_builder builder;
  for (std::int64_t i = 0; i < records_per_batch; ++i) {
    const std::string number = std::to_string(100 + i % 100);
    benchmark::DoNotOptimize(builder.append("key-" + number.substr(1), value, {}, now));
  }
  return builder.finish({.compression = codec});
}

void select(benchmark::State& state, std::size_t value_bytes, compression codec) {
  const std::vector<std::byte> stored = sample(value_bytes, codec);
  const auto memory = std::make_shared<block_pool>(64u << 20, 256u << 10, 8u << 20);
  const std::string limit = "key-" + std::to_string(100 + state.range(0)).substr(1);
  const bool all = state.range(0) == 100;
  const auto matches = [&](const protocol::record_view& record) { return all || *record.key < limit; };
  record_selection selection;
  for (auto _ : state) {
    selection.begin(offset(0), {});
    benchmark::DoNotOptimize(selection.add(stored, matches));
    benchmark::DoNotOptimize(selection.take(*memory));
  }
  state.SetItemsProcessed(state.iterations() * records_per_batch);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(stored.size()));
}
BENCHMARK_CAPTURE(select, 100_bytes, 100, compression::none)->Arg(0)->Arg(1)->Arg(10)->Arg(100);
BENCHMARK_CAPTURE(select, 1000_bytes, 1000, compression::none)->Arg(0)->Arg(1)->Arg(10)->Arg(100);
BENCHMARK_CAPTURE(select, 100_bytes_lz4, 100, compression::lz4)->Arg(0)->Arg(10);
BENCHMARK_CAPTURE(select, 100_bytes_zstd, 100, compression::zstd)->Arg(0)->Arg(10);

// One record of a batch, as a lookup by key does.
void find_one(benchmark::State& state) {
  const std::vector<std::byte> stored = sample(100, compression::none);
  const auto memory = std::make_shared<block_pool>(64u << 20, 256u << 10, 8u << 20);
  const std::vector wanted{offset(300)};
  record_selection selection;
  for (auto _ : state) {
    selection.begin(offset(0), {});
    benchmark::DoNotOptimize(selection.add(stored, listed_offsets(wanted)));
    benchmark::DoNotOptimize(selection.take(*memory));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(find_one);

}  // namespace
}  // namespace skald::server
