// A topic that keeps so many bytes is written over and over at full speed: as fast as at first, into as much
// of the disk.
#include <sys/stat.h>

#include <optional>
#include <stdexcept>
#include <string>

#include "bench/curves/curves.hpp"
#include "bench/curves/publishers.hpp"
#include "bench/curves/written.hpp"
#include "bench/limit/process.hpp"
#include "bench/throughput/scene.hpp"

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
      : by_(by), stage_(stage), one_(one), into_(into), first_(now()), last_(first_) {}

  void look() {
    const auto interval = std::chrono::milliseconds(by_.quick ? 20 : 250);
    if (steady_clock::now() - last_.at < interval) return;
    const moment is = now();
    const std::string to_disk = is.wrote.disk ? gb(*is.wrote.disk - *first_.wrote.disk) : "";
    into_.add({cell(seconds(first_, is), 2), gb(is.published), cell(rate(last_, is), 1),
               gb(bytes_on_disk(by_.with.directory / "data")), gb(is.wrote.passed - first_.wrote.passed),
               gb(is.wrote.dirtied - first_.wrote.dirtied), to_disk});
    if (last_.published < by_.retention_bytes && is.published >= by_.retention_bytes) full_ = is;
    last_ = is;
  }

  void conclude() {
    if (!full_ || last_.published == full_->published) {
      into_.remark("too little was published to compare");
      return;
    }
    const double fresh = rate(first_, *full_);
    const double steady = rate(*full_, last_);
    const auto payload = static_cast<double>(last_.published - full_->published);
    const auto per_byte = [&](std::uint64_t from, std::uint64_t to) {
      return cell(static_cast<double>(to - from) / payload, 2);
    };
    into_.remark("fresh_mb_per_s=" + cell(fresh, 1) + " steady_mb_per_s=" + cell(steady, 1) +
                 " steady_to_fresh=" + cell(steady / fresh, 2));
    into_.remark("written for each byte of payload when steady: passed=" +
                 per_byte(full_->wrote.passed, last_.wrote.passed) +
                 " dirtied=" + per_byte(full_->wrote.dirtied, last_.wrote.dirtied) +
                 (last_.wrote.disk ? " disk=" + per_byte(*full_->wrote.disk, *last_.wrote.disk) : ""));
  }

 private:
  struct moment {
    steady_clock::time_point at;
    std::uint64_t published = 0;
    written wrote;
  };
  moment now() const {
    return {steady_clock::now(), one_.acknowledged_bytes(),
            written_by(stage_.broker().process(), by_.with.directory)};
  }
  static double seconds(const moment& from, const moment& to) {
    return std::chrono::duration<double>(to.at - from.at).count();
  }
  static double rate(const moment& from, const moment& to) {
    return static_cast<double>(to.published - from.published) / seconds(from, to) / 1e6;
  }
  static std::string gb(std::uint64_t bytes) { return cell(static_cast<double>(bytes) / 1e9, 3); }

  const plan& by_;
  scene& stage_;
  const publishers& one_;
  table& into_;
  moment first_;
  moment last_;
  std::optional<moment> full_;  // when the topic was for the first time
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
