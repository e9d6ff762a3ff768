// A topic that keeps so many bytes is written over and over at full speed: as fast as at first, into as much
// of the disk.
#include <sys/stat.h>

#include <algorithm>
#include <stdexcept>

#include "bench/curves/curves.hpp"
#include "bench/curves/publishers.hpp"
#include "bench/limit/process.hpp"
#include "bench/throughput/scene.hpp"
#include "tools/bench/process_figures.hpp"

namespace skald::bench::curves {
namespace {

constexpr std::uint64_t times_rewritten = 3;

std::uint64_t bytes_on_disk(const std::filesystem::path& directory) {
  std::uint64_t all = 0;
  for (const auto& each : std::filesystem::recursive_directory_iterator(directory)) {
    struct stat is{};
    constexpr std::uint64_t block_bytes = 512;
    if (::stat(each.path().c_str(), &is) == 0) all += static_cast<std::uint64_t>(is.st_blocks) * block_bytes;
  }
  return all;
}

// Looks at a broker that is being published to, now and then.
class observer {
 public:
  observer(const plan& by, scene& stage, const publishers& one, table& into)
      : by_(by), stage_(stage), one_(one), into_(into), written_before_(written()) {}

  void look() {
    const auto now = steady_clock::now();
    if (now - seen_at_ < std::chrono::milliseconds(by_.quick ? 20 : 250)) return;
    const std::uint64_t published = one_.acknowledged_bytes();
    const double rate = static_cast<double>(published - seen_) / seconds(now - seen_at_) / 1e6;
    into_.add({cell(seconds(now - began_), 2), cell(static_cast<double>(published) / 1e9, 3), cell(rate, 1),
               cell(static_cast<double>(bytes_on_disk(by_.with.directory / "data")) / 1e9, 3),
               cell(static_cast<double>(written() - written_before_) / static_cast<double>(published), 3)});
    if (seen_ < by_.retention_bytes && published >= by_.retention_bytes) {
      fresh_bytes_ = published;
      fresh_until_ = now;
    }
    seen_ = published;
    seen_at_ = now;
  }

  void conclude() {
    if (fresh_bytes_ == 0 || seen_ == fresh_bytes_) {
      into_.remark("too little was published to compare");
      return;
    }
    const double fresh = static_cast<double>(fresh_bytes_) / seconds(fresh_until_ - began_) / 1e6;
    const double steady = static_cast<double>(seen_ - fresh_bytes_) / seconds(seen_at_ - fresh_until_) / 1e6;
    into_.remark("fresh_mb_per_s=" + cell(fresh, 1) + " steady_mb_per_s=" + cell(steady, 1) +
                 " steady_to_fresh=" + cell(steady / fresh, 2));
  }

 private:
  static double seconds(steady_clock::duration time) { return std::chrono::duration<double>(time).count(); }
  std::uint64_t written() const {
    const auto figures = cli::bench::figures_of(stage_.broker().process());
    return figures ? figures->disk_written_bytes.value_or(0) : 0;
  }

  const plan& by_;
  scene& stage_;
  const publishers& one_;
  table& into_;
  std::uint64_t written_before_;
  steady_clock::time_point began_ = steady_clock::now();
  steady_clock::time_point seen_at_ = began_;
  steady_clock::time_point fresh_until_ = began_;
  std::uint64_t seen_ = 0;
  std::uint64_t fresh_bytes_ = 0;  // published until the topic was full for the first time
};

// How many records are left, once as many are gone as the limit says: none goes any more.
std::uint64_t records_kept(const plan& by, blocking_client& broker) {
  const auto deadline = steady_clock::now() + std::chrono::seconds(30);
  while (steady_clock::now() < deadline) {
    limit::throw_if_interrupted();
    std::uint64_t records = 0;
    bool over = false;
    for (const partition_info& each : broker.describe_topic(topic_name).partitions) {
      records += each.end - each.log_start;
      over = over || each.bytes > by.retention_bytes / usual_partitions;
    }
    if (!over) return records;
  }
  throw std::runtime_error("retention has not kept the topic's limit");
}

}  // namespace

void measure_retention(const plan& by, table& into) {
  scene stage(by.with);
  stage.client().create_topic(
      topic_name, {.partitions = usual_partitions,
                   .retention_bytes = static_cast<std::int64_t>(by.retention_bytes / usual_partitions)});
  publishers one(stage.broker().address(), 1, {.topic = topic_name, .partitions = usual_partitions},
                 usual_record_bytes);
  observer watching(by, stage, one, into);
  one.publish(1, {.records = (1 + times_rewritten) * by.retention_bytes / usual_record_bytes},
              [&] { watching.look(); });
  watching.conclude();
  tail(stage.broker().address(), one).read_what_is_kept(one, records_kept(by, stage.client()));
  stage.finish();
}

}  // namespace skald::bench::curves
