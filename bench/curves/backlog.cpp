// A topic grows and grows. Each gigabyte is published, and then read by a reader that has read all before it,
// so that neither takes the other's processor; whether they slow down is the question.
#include <algorithm>
#include <stdexcept>

#include "bench/curves/curves.hpp"
#include "bench/curves/publishers.hpp"
#include "bench/throughput/scene.hpp"

namespace skald::bench::curves {
namespace {

constexpr std::uint64_t step_bytes = 1'000'000'000;
constexpr std::uint64_t quick_steps = 4;

}  // namespace

void measure_backlog(const plan& by, table& into) {
  const std::uint64_t step = std::min(step_bytes, by.most_bytes / (by.quick ? quick_steps : 1));
  scene stage(by.with);
  stage.client().create_topic(topic_name, {.partitions = usual_partitions});
  std::uint64_t stored = 0;
  std::uint64_t records = 0;
  {
    publishers one(stage.broker().address(), 1, {.topic = topic_name, .partitions = usual_partitions},
                   usual_record_bytes);
    tail behind(stage.broker().address(), one);
    while (stored + step <= by.most_bytes) {
      const rate published = one.publish(1, {.records = step / usual_record_bytes});
      const rate consumed = behind.catch_up(one);
      stored += step;
      into.add({cell(static_cast<double>(stored) / 1e9, 3), cell(published.mb_per_s(), 1),
                cell(consumed.mb_per_s(), 1),
                cell(static_cast<double>(stage.broker().anonymous_bytes()) / 1e6, 1), ""});
    }
    records = one.records();
  }
  const double restart = std::chrono::duration<double>(stage.kill_and_restart()).count();
  if (stage.client().describe_topic(topic_name).records != records)
    throw std::runtime_error("records are missing after the restart");
  into.add({cell(static_cast<double>(stored) / 1e9, 3), "", "", "", cell(restart, 3)});
  stage.finish();
}

}  // namespace skald::bench::curves
