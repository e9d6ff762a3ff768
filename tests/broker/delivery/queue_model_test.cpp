// A queue at work: consumers come, go, settle, fail and fall silent, verdicts are late or lost, the broker
// restarts. Whatever happens, no record is with two consumers at a time, none comes back once settled, the
// records of a key stay in order, and in the end all are settled.
#include <doctest/doctest.h>

#include <random>
#include <set>

#include "tests/broker/delivery/queue_scene.hpp"

namespace skald::delivery::testing {

namespace {

class model {
 public:
  model(std::uint64_t seed, bool ordered)
      : random_(seed),
        at_({.lease = std::chrono::seconds(10), .max_attempts = 4, .ordered_by_key = ordered}, partitions,
            {.run_records = 5, .parked_records = 6, .waiting_records = 20}) {
    for (auto& keys : keys_)
      for (std::uint64_t i = 0; i < records; ++i) keys.push_back(random_() % 8);
  }

  void step() {
    feed();
    switch (random_() % 12) {
      case 0:
        if (at_.queue->consumers() < 4)
          at_.queue->add_consumer(consumer_id(++last_consumer_), 1 + random_() % 8);
        break;
      case 1:
        leave();
        break;
      case 2:
        at_.pass(std::chrono::seconds(random_() % 8));
        forget_expired();
        break;
      case 3:
        commit(random_() % 4 == 0);
        break;
      case 4:
        if (random_() % 20 == 0) restart();
        break;
      default:
        settle();
    }
    dispatch();
  }

  // Everybody works well from now on.
  void finish() {
    at_.queue->add_consumer(consumer_id(++last_consumer_), 100);
    for (int i = 0; i < 10'000 && !all_settled(); ++i) {
      feed();
      dispatch();
      for (const auto& run : std::exchange(runs_, {})) {
        for (std::uint64_t record = run.first.value(); record < run.first.value() + run.count; ++record) {
          const auto held = held_.find(place{run.partition.value(), record});
          if (held == held_.end() || held->second != run.lease) continue;
          held_.erase(held);
          REQUIRE(at_.settle(run, settlement::ack, record, record + 1));
        }
      }
      commit(false);
      at_.pass(std::chrono::seconds(1));
      forget_expired();
    }
    REQUIRE(all_settled());
  }

 private:
  static constexpr std::uint32_t partitions = 2;
  static constexpr std::uint64_t records = 120;
  using place = history_in_memory::place;

  void feed() {
    for (std::uint32_t p = 0; p < partitions; ++p) {
      const partition_id id(p);
      if (!at_.queue->wants_records(id)) continue;
      const std::uint64_t from = at_.queue->read_from(id).value();
      const std::uint64_t end = std::min(records, from + 1 + random_() % 20);
      if (from >= end) continue;
      const std::span keys = std::span(keys_[p]).subspan(from, end - from);
      at_.queue->feed(id, offset(end), at_.settings.ordered_by_key ? keys : std::span<std::uint64_t>());
    }
  }

  void dispatch() {
    for (const leased_run& run : at_.dispatch()) {
      for (std::uint64_t i = 0; i < run.count; ++i) given(run, run.first.value() + i);
      runs_.push_back(run);
    }
  }

  void given(const leased_run& run, std::uint64_t record) {
    const std::uint32_t p = run.partition.value();
    REQUIRE_FALSE(at_.history.settled(p, record));
    REQUIRE(held_.emplace(place{p, record}, run.lease).second);
    const auto known = at_.history.records.find({p, record});
    if (known != at_.history.records.end()) REQUIRE(known->second.due <= at_.now);
    if (!at_.settings.ordered_by_key || keys_[p][record] == 0) return;
    for (std::uint64_t before = 0; before < record; ++before)
      if (keys_[p][before] == keys_[p][record]) REQUIRE(at_.history.settled(p, before));
  }

  void settle() {
    if (runs_.empty()) return;
    const leased_run run = runs_[random_() % runs_.size()];
    const std::uint64_t first = run.first.value() + random_() % run.count;
    const std::uint64_t end = first + 1 + random_() % (run.first.value() + run.count - first);
    bool mine = true;
    for (std::uint64_t i = first; i < end; ++i) {
      const auto held = held_.find({run.partition.value(), i});
      mine = mine && held != held_.end() && held->second == run.lease;
    }
    const settlement how[] = {settlement::ack, settlement::ack, settlement::nack, settlement::reject,
                              settlement::release};
    const bool done = at_.settle(run, how[random_() % 5], first, end,
                                 random_() % 2 == 0 ? std::optional<moment>() : moment(random_() % 20'000));
    REQUIRE(done == mine);
    if (!done) return;
    for (std::uint64_t i = first; i < end; ++i) held_.erase(place{run.partition.value(), i});
  }

  void leave() {
    if (runs_.empty()) return;
    const consumer_id who = runs_[random_() % runs_.size()].to;
    at_.queue->remove_consumer(who, random_() % 2 == 0, "left", at_.now, at_.verdicts);
    std::erase_if(runs_, [&](const leased_run& run) {
      if (run.to != who) return false;
      std::erase_if(held_, [&](const auto& one) { return one.second == run.lease; });
      return true;
    });
  }

  // Verdicts on leases that ran out.
  void forget_expired() {
    for (const verdict& one : at_.verdicts)
      for (offset record = one.first; record < one.end; record += 1)
        held_.erase(place{one.partition.value(), record.value()});
  }

  void commit(bool fail) {
    if (!fail) return at_.commit();
    for (const verdict& one : std::exchange(at_.verdicts, {}))
      at_.queue->undone(one, at_.now, std::chrono::seconds(1));
  }

  void restart() {
    at_.restart();
    runs_.clear();
    held_.clear();
  }

  bool all_settled() const {
    for (std::uint32_t p = 0; p < partitions; ++p)
      for (std::uint64_t i = 0; i < records; ++i)
        if (!at_.history.settled(p, i)) return false;
    return true;
  }

  std::mt19937_64 random_;
  queue_scene at_;
  std::vector<std::uint64_t> keys_[partitions];
  std::uint64_t last_consumer_ = 0;
  std::vector<leased_run> runs_;
  std::map<place, lease_id> held_;
};

}  // namespace

TEST_CASE("Any history of a queue ends well") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    model queue(seed, seed % 2 == 0);
    for (int i = 0; i < 500; ++i) queue.step();
    queue.finish();
  }
}

}  // namespace skald::delivery::testing
