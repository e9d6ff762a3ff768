// One connection publishes, and each of the subscribers, who were there before, gets everything. Counted are
// deliveries. The publisher is never further ahead of the slowest subscriber than lag_max records, so that no
// broker has to drop anything or to store it for later.
#include <algorithm>
#include <deque>
#include <stdexcept>

#include "bench/compare/load.hpp"

namespace skald::bench::compare {
namespace {

constexpr std::uint64_t lag_max = 16'384;

class gathering {
 public:
  gathering(peer& broker, std::size_t subscribers) : came_(subscribers) {
    // As many threads as there are processors serve the subscribers of any broker.
    const std::size_t threads = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, subscribers);
    for (std::size_t i = 0; i < threads; ++i) {
      const std::size_t first = subscribers * i / threads;
      const std::size_t end = subscribers * (i + 1) / threads;
      audiences_.push_back(broker.open_audience(
          end - first,
          [this, first](std::size_t which, std::string_view record) { came_[first + which].saw(record); }));
    }
    for (const auto& each : audiences_) threads_.repeat([&each] { return each->attend(turn), true; });
  }

  std::uint64_t slowest() const {
    std::uint64_t least = came_.front().seen();
    for (const watched_check& each : came_) least = std::min(least, each.seen());
    return least;
  }
  void check() { threads_.check(); }
  void leave() {
    threads_.stop();
    threads_.join();
    audiences_.clear();
  }
  // After leave().
  std::string complaint(std::uint64_t written) const {
    for (std::size_t i = 0; i < came_.size(); ++i) {
      const std::string wrong = came_[i].complaint(written);
      if (!wrong.empty()) return "subscriber " + std::to_string(i) + ": " + wrong;
    }
    return {};
  }

 private:
  std::deque<watched_check> came_;
  std::vector<std::unique_ptr<audience>> audiences_;
  crew threads_;  // which use what is above
};

}  // namespace

outcome measure_fanout(peer& broker, const task& how) {
  gathering subscribers(broker, how.count);
  const std::unique_ptr<writer> out = broker.open_writer(how.most());
  const auto slowest = [&] { return subscribers.slowest(); };
  const auto start = clock::now();
  const std::uint64_t sent = write_for(*out, how, [&](std::uint64_t number) {
    subscribers.check();
    const std::uint64_t wanted = number > lag_max ? number - lag_max : 0;
    const bool moved = wait_until_seen(wanted, slowest, [&] {
      out->poll();
      subscribers.check();
    });
    if (!moved) throw std::runtime_error("nothing comes to a subscriber any more");
  });
  wait_until_seen(sent, slowest, [&] { subscribers.check(); });
  const double seconds = seconds_since(start);
  subscribers.leave();
  if (const std::string wrong = subscribers.complaint(sent); !wrong.empty()) throw std::runtime_error(wrong);
  const auto deliveries = static_cast<double>(sent * how.count);
  return {.what = workload::fanout,
          .figures = {{"deliveries", "/s", deliveries / seconds},
                      {"records", "/s", static_cast<double>(sent) / seconds}}};
}

}  // namespace skald::bench::compare
