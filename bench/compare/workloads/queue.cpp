// A queue is filled; then workers, each with a connection and a thread of its own, take its records and
// acknowledge each once they have it, until it is empty or the time is over.
#include <algorithm>
#include <atomic>
#include <deque>
#include <stdexcept>

#include "bench/compare/load.hpp"
#include "bench/limit/process.hpp"

namespace skald::bench::compare {
namespace {

constexpr std::uint64_t records_max = 1'000'000;
constexpr milliseconds worker_turn{100};     // long enough for a full batch of the slowest
constexpr std::chrono::seconds idle_max{5};  // of all workers, while there should be records

std::uint64_t fill(peer& broker, task how) {
  how.bytes_max = std::min<std::uint64_t>(how.bytes_max, records_max * how.record_bytes);
  const std::unique_ptr<writer> out = broker.open_writer(how.most());
  return write_for(*out, how, [](std::uint64_t) { limit::throw_if_interrupted(); });
}

class workforce {
 public:
  workforce(peer& broker, std::size_t count, std::uint64_t records) : records_(records) {
    for (std::size_t i = 0; i < count; ++i) hands_.push_back({.at = broker.open_worker(i)});
  }

  // Returns how many seconds it took until all that was taken was acknowledged, without the time in which
  // workers found out that nothing was left.
  double work_for(milliseconds time) {
    const auto start = clock::now();
    end_ = start + time;
    last_came_ = start;
    for (hand& each : hands_) threads_.repeat([this, &each] { return work(each); });
    threads_.join();
    clock::duration finish_took{0};
    for (const hand& each : hands_) finish_took = std::max(finish_took, each.finish_took);
    return std::chrono::duration<double>(last_came_.load() - start + finish_took).count();
  }

  std::uint64_t done() const { return done_; }
  std::string complaint() const {
    std::vector<std::vector<std::uint64_t>> shares;
    for (const hand& each : hands_) shares.push_back(each.done);
    return complaint_about_shares(shares, records_, time_is_over_ ? records_ - done_ : 0);
  }

 private:
  struct hand {
    std::unique_ptr<worker> at;
    std::vector<std::uint64_t> done = {};  // numbers of records
    clock::duration finish_took{0};
  };

  bool work(hand& one) {
    if (done_ >= records_ || time_is_over_ || starved_) {
      const auto start = clock::now();
      one.at->finish();
      one.finish_took = clock::now() - start;
      return false;
    }
    const std::size_t before = one.done.size();
    const auto take = [&](std::string_view record) {
      one.done.push_back(number_of(record).value_or(damaged_record));
    };
    one.at->read(take, worker_turn);
    done_ += one.done.size() - before;
    const auto now = clock::now();
    if (one.done.size() != before) {
      last_came_ = now;
      // What is left then may be left; what does not come is missing.
      if (now >= end_) time_is_over_ = true;
    } else if (now - last_came_.load() > idle_max) {
      starved_ = true;
    }
    return true;
  }

  std::uint64_t records_;
  clock::time_point end_;
  std::deque<hand> hands_;
  std::atomic<std::uint64_t> done_ = 0;
  std::atomic<clock::time_point> last_came_;  // to anybody
  std::atomic<bool> time_is_over_ = false;
  std::atomic<bool> starved_ = false;
  crew threads_;  // which use what is above
};

}  // namespace

outcome measure_queue(peer& broker, const task& how) {
  const std::uint64_t records = fill(broker, how);
  workforce workers(broker, how.count, records);
  const double seconds = workers.work_for(how.time);
  if (const std::string wrong = workers.complaint(); !wrong.empty()) throw std::runtime_error(wrong);
  return {.what = workload::queue,
          .figures = {{"jobs", "/s", static_cast<double>(workers.done()) / seconds}}};
}

}  // namespace skald::bench::compare
