#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <future>

#include "bench/limit/measurements.hpp"
#include "bench/limit/stopwatch.hpp"

namespace skald::bench::limit {
namespace {

// Small, so that even a short measurement of small writes goes through several of them.
constexpr std::size_t growth_segment_bytes = std::size_t{32} << 20;

// A different slice for each write, so that no layer below sees the same page twice in a row.
std::span<const std::byte> slice(std::size_t index, std::size_t bytes) {
  const std::span<const std::byte> all = random_bytes();
  return all.subspan(index * bytes % (all.size() - bytes + 1), bytes);
}

std::vector<metric> summary(latencies& writes, std::size_t bytes, steady_clock::duration elapsed) {
  std::vector<metric> metrics{throughput_mb(writes.count() * bytes, elapsed)};
  writes.summarize(metrics);
  return metrics;
}

// New segments as a young store makes them, in a directory of their own that goes away with this object.
class young_store {
 public:
  young_store(growth way, const std::filesystem::path& parent) : way_(way), directory_(parent, 0) {
    if (way_ == growth::zero_filled_ahead) fill_next();
  }

  unique_fd next_segment() {
    if (way_ == growth::append) return open_file(path(created_++), O_CREAT | O_EXCL | O_WRONLY);
    filled_.get();
    unique_fd segment = open_file(path(created_ - 1), O_WRONLY);
    fill_next();
    return segment;
  }

 private:
  std::filesystem::path path(std::size_t index) const {
    return directory_.path() / ("young-" + std::to_string(index));
  }

  void fill_next() {
    filled_ = std::async(std::launch::async, [path = path(created_++)] {
      sigset_t all;  // an interrupt is for the measuring thread, which unwinds
      sigfillset(&all);
      pthread_sigmask(SIG_BLOCK, &all, nullptr);
      zero_fill(path, growth_segment_bytes);
    });
  }

  growth way_;
  scratch_directory directory_;
  std::size_t created_ = 0;
  std::future<void> filled_;  // last, so that its thread ends before the directory goes
};

}  // namespace

std::vector<metric> measure_recycled(recycled_segments& segments, std::size_t bytes,
                                     steady_clock::duration duration) {
  latencies writes;
  const stopwatch watch(duration);
  while (!watch.expired()) {
    const auto [file, position] = segments.advance(bytes);
    const auto begin = steady_clock::now();
    write_fully(file, slice(writes.count(), bytes), position);
    sync_data(file);
    writes.add(steady_clock::now() - begin);
  }
  return summary(writes, bytes, watch.elapsed());
}

std::vector<metric> measure_growth(growth way, const std::filesystem::path& directory, std::size_t bytes,
                                   steady_clock::duration duration) {
  std::vector<metric> metrics;
  {
    young_store store(way, directory);
    latencies writes;
    unique_fd segment = store.next_segment();
    std::size_t used = 0;
    const stopwatch watch(duration);
    while (!watch.expired() && (writes.count() + 1) * bytes <= growth_bytes) {
      const auto begin = steady_clock::now();
      if (used + bytes > growth_segment_bytes) {
        segment = store.next_segment();
        used = 0;
      }
      write_fully(segment.get(), slice(writes.count(), bytes), static_cast<off_t>(used));
      sync_data(segment.get());
      used += bytes;
      writes.add(steady_clock::now() - begin);
    }
    metrics = summary(writes, bytes, watch.elapsed());
  }
  sync();  // the disk forgets the files now and not during the next measurement
  return metrics;
}

}  // namespace skald::bench::limit
