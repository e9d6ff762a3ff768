// Ever more consumers: of a log, of which each reads everything, and of a queue, which they share.
#include <algorithm>
#include <memory>
#include <stdexcept>

#include "bench/curves/curves.hpp"
#include "bench/curves/publishers.hpp"
#include "bench/throughput/scene.hpp"

namespace skald::bench::curves {
namespace {

struct consumers_point {
  std::uint32_t consumers;
  bool queue;
};

std::vector<consumers_point> consumers_points(const plan& by, table& into) {
  std::vector<consumers_point> all;
  for (const std::uint32_t consumers : wanted_clients(by, {1, 10, 100, 1'000}, 10, "consumers", into)) {
    all.push_back({consumers, false});
    all.push_back({consumers, true});
  }
  return all;
}

publishing filling() {
  // Batches that a consumer with little credit is given whole.
  return {.topic = topic_name, .partitions = usual_partitions, .batch_bytes = 64u << 10};
}

void add_row(const consumers_point& at, std::size_t round, const rate& all, const std::string& slowest,
             std::uint64_t memory, table& into) {
  into.add({cell(round + 1), at.queue ? "queue" : "log", cell(std::uint64_t{at.consumers}),
            cell(all.records_per_s(), 0), cell(all.mb_per_s(), 1), slowest,
            cell(static_cast<double>(memory) / 1e6, 1)});
}

void measure_log(const plan& by, const consumers_point& at, std::size_t round, table& into) {
  constexpr std::uint64_t credit_together = 256u << 20;
  const std::uint64_t topic_bytes = by.quick ? 1u << 20 : 64u << 20;
  const std::uint64_t credit =
      std::clamp<std::uint64_t>(credit_together / at.consumers, 128u << 10, 8u << 20);
  scene stage(by.with);
  stage.client().create_topic(topic_name, {.partitions = usual_partitions});
  publishers one(stage.broker().address(), 1, filling(), usual_record_bytes);
  one.publish(1, {.records = topic_bytes / usual_record_bytes});
  crew<reader> readers(stage.broker().address(), at.consumers,
                       [&](client& broker, std::uint32_t, std::uint32_t) {
                         return std::make_unique<reader>(broker, topic_name, one.published(), credit);
                       });
  const auto began = steady_clock::now();
  const auto until = began + by.with.duration;
  readers.run([&](reader& each) { return each.read_over_and_over(one.records(), until); });
  rate all{.seconds = std::chrono::duration<double>(steady_clock::now() - began).count()};
  std::uint64_t least = ~std::uint64_t{0};
  for (std::uint32_t i = 0; i < readers.size(); ++i) {
    expect_none(readers[i].found_so_far());
    all.records += readers[i].records();
    all.bytes += readers[i].bytes();
    least = std::min(least, readers[i].records());
  }
  const double mean = static_cast<double>(all.records) / at.consumers;
  add_row(at, round, all, cell(static_cast<double>(least) / mean, 2), stage.broker().anonymous_bytes(), into);
  stage.finish();
}

void measure_shared_queue(const plan& by, const consumers_point& at, std::size_t round, table& into) {
  constexpr std::size_t record_bytes = 100;
  constexpr std::uint32_t prefetch_together = 64u << 10;
  const std::uint64_t records = by.quick ? 10'000 : 5'000'000;
  const std::uint32_t prefetch = std::clamp<std::uint32_t>(prefetch_together / at.consumers, 16, 2048);
  scene stage(by.with);
  stage.client().create_topic(topic_name, {.partitions = usual_partitions});
  stage.client().create_queue(topic_name, queue_name);
  publishers one(stage.broker().address(), 1, filling(), record_bytes);
  one.publish(1, {.records = records});
  taken together{.all = records};
  crew<queue_consumer> consumers(
      stage.broker().address(), at.consumers, [&](client& broker, std::uint32_t, std::uint32_t) {
        return std::make_unique<queue_consumer>(broker, topic_name, one.published(), prefetch, together);
      });
  consumers.run([](queue_consumer& each) { return each.open(); });
  const auto began = steady_clock::now();
  consumers.run([until = began + by.with.duration](queue_consumer& each) { return each.take(until); });
  auto ended = steady_clock::now();
  const std::uint64_t in_time = together.records;
  if (in_time == records) {  // the others have still looked for more
    ended = began;
    for (std::uint32_t i = 0; i < consumers.size(); ++i) ended = std::max(ended, consumers[i].last());
  }
  const std::uint64_t memory = stage.broker().anonymous_bytes();
  consumers.run([](queue_consumer& each) { return each.take(steady_clock::time_point::max()); });

  cli::bench::unordered_arrivals all(one.published());
  for (std::uint32_t i = 0; i < consumers.size(); ++i) all.merge(consumers[i].arrivals());
  expect_none(all.against(one.sent()));
  const queue_info left = stage.client().describe_queue(topic_name, queue_name);
  if (left.ready + left.leased + left.parked != 0) throw std::runtime_error("some records are not settled");
  add_row(at, round,
          {.records = in_time,
           .bytes = in_time * record_bytes,
           .seconds = std::chrono::duration<double>(ended - began).count()},
          "", memory, into);
  stage.finish();
}

}  // namespace

void measure_consumers(const plan& by, table& into) {
  const auto points = consumers_points(by, into);
  in_rounds(by, points.size(), into, [&](std::size_t round, std::size_t point) {
    const consumers_point& at = points[point];
    at.queue ? measure_shared_queue(by, at, round, into) : measure_log(by, at, round, into);
  });
}

}  // namespace skald::bench::curves
