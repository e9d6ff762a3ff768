// Records are published at a fixed rate to a subscriber that waits for them. A latency is the time from when
// a record was due, not from when it was sent, to when the subscriber has it: a publisher that was held up
// does not hide what the hold-up cost those behind it (Tene's coordinated omission).
#include <sys/prctl.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>

#include "bench/compare/load.hpp"

namespace skald::bench::compare {
namespace {

class timetable {
 public:
  timetable(std::size_t per_second, milliseconds time)
      : per_second_(per_second),
        records_(std::max<std::uint64_t>(per_second * static_cast<std::uint64_t>(time.count()) / 1000, 1)) {}

  void begin() { start_ = clock::now().time_since_epoch().count(); }
  std::uint64_t records() const { return records_; }
  // The first of them show how connections and caches get warm.
  std::uint64_t counted_from() const { return records_ / 10; }
  clock::time_point due(std::uint64_t number) const {
    const auto since_start = std::chrono::nanoseconds(number * 1'000'000'000 / per_second_);
    return clock::time_point(clock::duration(start_)) + since_start;
  }

 private:
  std::uint64_t per_second_;
  std::uint64_t records_;
  std::atomic<clock::rep> start_ = 0;
};

// Of one subscriber.
class arrivals {
 public:
  explicit arrivals(const timetable& when) : when_(when) {}

  void saw(std::string_view record) {
    const std::uint64_t before = check_.seen();
    check_.saw(record);
    if (check_.seen() > before && before >= when_.counted_from())
      latencies_.add(clock::now() - when_.due(check_.seen() - 1));
  }
  std::uint64_t seen() const { return check_.seen(); }

  // Once nothing comes any more.
  std::string complaint() const { return check_.complaint(when_.records()); }
  std::vector<metric> figures() {
    return {{"p50", "us", latencies_.quantile_us(0.5)},
            {"p99", "us", latencies_.quantile_us(0.99)},
            {"p99.9", "us", latencies_.quantile_us(0.999)},
            {"max", "us", latencies_.quantile_us(1)}};
  }

 private:
  const timetable& when_;
  watched_check check_;
  limit::latencies latencies_;
};

// Linux lets sleepers oversleep by 50 us unless they say that they mind; that would be most of the latency of
// the fastest. Holds for this thread as long as the object lives: servers started later would inherit it.
class light_sleep {
 public:
  light_sleep() { ::prctl(PR_SET_TIMERSLACK, 1UL); }
  ~light_sleep() { ::prctl(PR_SET_TIMERSLACK, 0UL); }  // as before
  light_sleep(const light_sleep&) = delete;
  light_sleep& operator=(const light_sleep&) = delete;
};

void publish_on_time(writer& out, timetable& when, std::size_t record_bytes, crew& readers) {
  const light_sleep sleep;
  record_source records(record_bytes);
  when.begin();
  const auto too_late = when.due(when.records() * 2) + std::chrono::seconds(1);
  for (std::uint64_t number = 0; number < when.records();) {
    std::this_thread::sleep_until(when.due(number));
    readers.check();
    while (number < when.records() && when.due(number) <= clock::now()) out.write(records.make(number++));
    out.poll();
    if (clock::now() > too_late)
      throw std::runtime_error("it cannot keep up: " + std::to_string(number) + " of " +
                               std::to_string(when.records()) + " records after twice the time");
  }
  out.finish();
}

}  // namespace

outcome measure_latency(peer& broker, const task& how) {
  timetable when(how.count, how.time);
  arrivals came(when);
  const std::unique_ptr<audience> subscriber =
      broker.open_audience(1, [&](std::size_t, std::string_view record) { came.saw(record); });
  const std::unique_ptr<writer> out = broker.open_writer(how.most());
  crew readers;
  readers.repeat([&] { return subscriber->attend(turn), true; });
  publish_on_time(*out, when, how.record_bytes, readers);
  wait_until_seen(when.records(), [&] { return came.seen(); }, [&] { readers.check(); });
  readers.stop();
  readers.join();
  if (const std::string wrong = came.complaint(); !wrong.empty()) throw std::runtime_error(wrong);
  return {.what = workload::latency, .figures = came.figures()};
}

}  // namespace skald::bench::compare
