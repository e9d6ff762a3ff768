// One client publishes to a topic of ever more partitions. What changes with them is how many records of one
// partition come together: where each record goes to another partition than the one before, batches get
// smaller the more there are; where a producer without keys fills a batch before it changes the partition,
// they do not, and what remains is what a partition costs the broker.
#include "bench/curves/curves.hpp"
#include "bench/curves/publishers.hpp"
#include "bench/throughput/scene.hpp"

namespace skald::bench::curves {
namespace {

constexpr std::uint32_t records_per_batch = 1000;

struct partitions_point {
  std::uint32_t partitions;
  const char* batches;
  std::uint32_t records_per_turn;
};

std::vector<partitions_point> partitions_points(const plan& by) {
  std::vector<partitions_point> all;
  for (const std::uint32_t partitions : wanted(by, {1, 10, 100, 1'000, 10'000}, 10)) {
    all.push_back({partitions, "mixed", 1});
    all.push_back({partitions, "full", records_per_batch});
  }
  return all;
}

void measure_partitions_point(const plan& by, const partitions_point& at, std::size_t round, table& into) {
  scene stage(by.with);
  stage.client().create_topic(topic_name, {.partitions = at.partitions});
  const std::uint64_t idle = stage.broker().anonymous_bytes();
  rate published;
  rate consumed;
  std::uint64_t loaded = 0;
  {
    publishers one(
        stage.broker().address(), 1,
        {.topic = topic_name, .partitions = at.partitions, .records_per_turn = at.records_per_turn},
        usual_record_bytes);
    one.publish(1, {.at = steady_clock::now() + by.with.duration / 4});
    published = one.publish(1, {.at = steady_clock::now() + by.with.duration});
    loaded = stage.broker().anonymous_bytes();
    consumed = tail(stage.broker().address(), one).catch_up(one);
  }
  const double restart = std::chrono::duration<double>(stage.kill_and_restart()).count();
  stage.finish();
  into.add({cell(round + 1), cell(std::uint64_t{at.partitions}), at.batches,
            cell(published.records_per_s(), 0), cell(published.mb_per_s(), 1),
            cell(published.records_per_batch(), 1), cell(consumed.mb_per_s(), 1),
            cell(static_cast<double>(idle) / 1e6, 1), cell(static_cast<double>(loaded) / 1e6, 1),
            cell(restart, 3)});
}

}  // namespace

void measure_partitions(const plan& by, table& into) {
  const auto points = partitions_points(by);
  in_rounds(by, points.size(), into, [&](std::size_t round, std::size_t point) {
    measure_partitions_point(by, points[point], round, into);
  });
}

}  // namespace skald::bench::curves
