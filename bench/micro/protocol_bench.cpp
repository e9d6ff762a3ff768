// What the codecs cost: records and bytes per second of one core. The batches hold 100-byte values without
// keys unless the name says otherwise; the argument is the number of records in a batch.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include <skald/protocol/batch_builder.hpp>
#include <skald/protocol/crc32c.hpp>
#include <skald/protocol/partitioner.hpp>
#include <skald/protocol/record_batch.hpp>

#include "protocol/wire.hpp"

namespace skald::protocol {
namespace {

constexpr timestamp now(std::chrono::milliseconds(1'700'000'000'000));

std::string sample_value(std::size_t bytes) {
  std::string value;
  for (unsigned i = 0; value.size() < bytes; ++i) value += "field" + std::to_string(i * 7919) + ";";
  value.resize(bytes);
  return value;
}

void fill(batch_builder& builder, std::int64_t records, std::string_view value) {
  for (std::int64_t i = 0; i < records; ++i) {
    const errc appended = builder.append(std::nullopt, value, {}, now + std::chrono::milliseconds(i / 16));
    benchmark::DoNotOptimize(appended);
  }
}

std::vector<std::byte> sample_batch(std::int64_t records, compression codec = compression::none) {
  batch_builder builder;
  fill(builder, records, sample_value(100));
  return builder.finish({.compression = codec});
}

void count(benchmark::State& state, std::size_t batch_bytes) {
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(batch_bytes));
}

void encode(benchmark::State& state) {
  const std::string value = sample_value(100);
  batch_builder builder;
  std::size_t bytes = 0;
  for (auto _ : state) {
    fill(builder, state.range(0), value);
    std::vector<std::byte> batch = builder.finish();
    bytes = batch.size();
    builder.recycle(std::move(batch));
  }
  count(state, bytes);
}
BENCHMARK(encode)->Arg(16)->Arg(512)->Arg(8192);

void encode_keyed_with_header(benchmark::State& state) {
  const std::string value = sample_value(100);
  const header_view headers[] = {{"content-type", "text/plain"}};
  batch_builder builder;
  std::size_t bytes = 0;
  for (auto _ : state) {
    for (std::int64_t i = 0; i < state.range(0); ++i)
      benchmark::DoNotOptimize(builder.append("order-4711", value, headers, now));
    std::vector<std::byte> batch = builder.finish();
    bytes = batch.size();
    builder.recycle(std::move(batch));
  }
  count(state, bytes);
}
BENCHMARK(encode_keyed_with_header)->Arg(512);

void check(benchmark::State& state) {
  const auto bytes = sample_batch(state.range(0));
  const auto batch = batch_view::parse(bytes);
  batch_decoder decoder;
  for (auto _ : state) {
    const auto records = decoder.check(*batch);
    if (!records) state.SkipWithError("refused");
    benchmark::DoNotOptimize(records);
  }
  count(state, bytes.size());
}
BENCHMARK(check)->Arg(1)->Arg(16)->Arg(512)->Arg(8192);

void check_compressed(benchmark::State& state, compression codec) {
  const auto bytes = sample_batch(state.range(0), codec);
  const auto batch = batch_view::parse(bytes);
  batch_decoder decoder;
  for (auto _ : state) {
    const auto records = decoder.check(*batch);
    if (!records) state.SkipWithError("refused");
    benchmark::DoNotOptimize(records);
  }
  count(state, sample_batch(state.range(0)).size());
}
BENCHMARK_CAPTURE(check_compressed, lz4, compression::lz4)->Arg(512);
BENCHMARK_CAPTURE(check_compressed, zstd, compression::zstd)->Arg(512);

void iterate(benchmark::State& state) {
  const auto bytes = sample_batch(state.range(0));
  batch_decoder decoder;
  const auto records = decoder.check(*batch_view::parse(bytes));
  for (auto _ : state) {
    std::size_t value_bytes = 0;
    for (const record_view& record : *records) value_bytes += record.value->size();
    benchmark::DoNotOptimize(value_bytes);
  }
  count(state, bytes.size());
}
BENCHMARK(iterate)->Arg(512)->Arg(8192);

// What a consumer does with each batch.
void check_and_iterate(benchmark::State& state) {
  const auto bytes = sample_batch(state.range(0));
  batch_decoder decoder;
  for (auto _ : state) {
    const auto records = decoder.check(*batch_view::parse(bytes));
    std::size_t value_bytes = 0;
    for (const record_view& record : *records) value_bytes += record.value->size();
    benchmark::DoNotOptimize(value_bytes);
  }
  count(state, bytes.size());
}
BENCHMARK(check_and_iterate)->Arg(512)->Arg(8192);

void checksum(benchmark::State& state) {
  const std::vector<std::byte> data(static_cast<std::size_t>(state.range(0)), std::byte{42});
  for (auto _ : state) benchmark::DoNotOptimize(crc32c(data));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(checksum)->Arg(128)->Arg(4096)->Arg(64 << 10)->Arg(1 << 20);

void partition(benchmark::State& state) {
  const std::string key = sample_value(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(partition_for(key, 12));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(partition)->Arg(8)->Arg(36);

std::span<const std::byte> write_publish(frame_writer& writer, std::size_t payload_bytes) {
  auto& builder = writer.begin();
  const auto append =
      wire::CreateAppendDirect(builder, "orders", 3, static_cast<std::uint32_t>(payload_bytes));
  return writer.finish(7, wire::CreatePublish(builder, builder.CreateVector(&append, 1)), payload_bytes);
}

void write_frame(benchmark::State& state) {
  frame_writer writer;
  for (auto _ : state) benchmark::DoNotOptimize(write_publish(writer, 1000).data());
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(write_frame);

void parse_and_verify_frame(benchmark::State& state) {
  frame_writer writer;
  const auto front = write_publish(writer, 1000);
  std::vector<std::byte> bytes(front.begin(), front.end());
  bytes.resize(bytes.size() + 1000);
  header_reader reader;
  for (auto _ : state) {
    const auto progress = parse_frame(bytes, {});
    const auto frame = reader.read(progress->frame);
    if (!frame) state.SkipWithError("refused");
    benchmark::DoNotOptimize(*frame);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(parse_and_verify_frame);

}  // namespace
}  // namespace skald::protocol
