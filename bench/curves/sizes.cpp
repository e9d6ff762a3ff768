// One client publishes records of one size, and another reads them all.
#include "bench/curves/curves.hpp"
#include "bench/curves/publishers.hpp"
#include "bench/throughput/scene.hpp"

namespace skald::bench::curves {
namespace {

constexpr std::uint32_t record_bytes_max = 2u << 20;  // more than the largest, whose headers count as well

void measure_size(const plan& by, std::size_t record_bytes, std::size_t round, table& into) {
  scene stage(by.with);
  stage.client().create_topic(topic_name, {.partitions = usual_partitions,
                                           .record_bytes_max = record_bytes_max,
                                           .batch_bytes_max = 2 * record_bytes_max});
  publishers one(stage.broker().address(), 1, {.topic = topic_name, .partitions = usual_partitions},
                 record_bytes);
  one.publish(1, {.at = steady_clock::now() + by.with.duration / 4});
  const rate published = one.publish(1, {.at = steady_clock::now() + by.with.duration});
  const rate consumed = tail(stage.broker().address(), one).catch_up(one);
  stage.finish();
  into.add({cell(round + 1), cell(std::uint64_t{record_bytes}), cell(published.records_per_s(), 0),
            cell(published.mb_per_s(), 1), cell(consumed.records_per_s(), 0), cell(consumed.mb_per_s(), 1)});
}

}  // namespace

void measure_sizes(const plan& by, table& into) {
  std::vector<std::uint32_t> sizes{16,        64,        256,        1u << 10, 4u << 10,
                                   16u << 10, 64u << 10, 256u << 10, 1u << 20};
  if (by.quick) sizes = {16, 1u << 20};
  sizes = wanted(by, std::move(sizes), 1u << 20);
  in_rounds(by, sizes.size(), into,
            [&](std::size_t round, std::size_t point) { measure_size(by, sizes[point], round, into); });
}

}  // namespace skald::bench::curves
