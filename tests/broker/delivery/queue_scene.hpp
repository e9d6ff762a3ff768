// A queue's dispatcher with a history in memory, and simulated time.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/delivery/queue_dispatcher.hpp"

namespace skald::delivery::testing {

// What has become durable, record by record.
class history_in_memory final : public queue_history {
 public:
  struct record {
    bool settled = false;
    std::uint32_t attempts = 0;
    moment due{0};
    std::string reason;
  };
  using place = std::pair<std::uint32_t, std::uint64_t>;  // partition and offset
  std::map<place, record> records;

  void apply(const verdict& what) {
    for (offset at = what.first; at < what.end; at += 1) {
      record& of = records[{what.partition.value(), at.value()}];
      CHECK_FALSE(of.settled);
      of = {what.is != verdict::kind::retry, what.attempts, what.due, what.reason};
    }
  }
  bool settled(std::uint32_t partition, std::uint64_t at) const {
    const auto found = records.find({partition, at});
    return found != records.end() && found->second.settled;
  }

  std::optional<known_range> next(partition_id partition, offset from) override {
    const auto found = records.lower_bound({partition.value(), from.value()});
    if (found == records.end() || found->first.first != partition.value()) return std::nullopt;
    return range(*found);
  }
  std::vector<known_range> parked(const parked_key& from, std::size_t count,
                                  const std::function<offset(partition_id)>& cursor) override {
    std::map<parked_key, known_range> found;
    for (const auto& one : records) {
      const known_range is = range(one);
      const parked_key key{is.due, is.partition, is.first};
      if (!is.settled && key >= from && is.first < cursor(is.partition)) found.emplace(key, is);
    }
    std::vector<known_range> earliest;
    for (const auto& [key, is] : found)
      if (earliest.size() < count) earliest.push_back(is);
    return earliest;
  }

 private:
  static known_range range(const std::pair<const place, record>& one) {
    const offset at(one.first.second);
    return {
        partition_id(one.first.first), at, at + 1, one.second.settled, one.second.attempts, one.second.due};
  }
};

struct queue_scene {
  explicit queue_scene(dispatch_settings with = {}, std::uint32_t partitions = 1,
                       queue_dispatcher::limits within = {})
      : settings(with), limits(within), partition_count(partitions) {
    restart();
  }

  // What is in memory is lost, what the history has is kept.
  void restart() {
    queue = std::make_unique<queue_dispatcher>(settings, history, limits);
    for (std::uint32_t p = 0; p < partition_count; ++p) queue->add_partition(offset(0));
    verdicts.clear();
  }
  static consumer_id id(std::uint64_t number) { return consumer_id(number); }
  void feed(std::uint64_t end, std::uint32_t partition = 0) {
    queue->feed(partition_id(partition), offset(end));
  }
  std::vector<leased_run> dispatch() {
    std::vector<leased_run> runs;
    queue->dispatch(now, runs);
    return runs;
  }
  bool settle(const leased_run& run, settlement how, std::uint64_t first, std::uint64_t end,
              std::optional<moment> delay = {}) {
    const bool held =
        queue->settle(run.to, {run.lease, offset(first), offset(end)}, how, delay, "no luck", now, verdicts);
    return held;
  }
  bool settle(const leased_run& run, settlement how, std::optional<moment> delay = {}) {
    return settle(run, how, run.first.value(), run.first.value() + run.count, delay);
  }
  // The journal has all verdicts.
  void commit() {
    for (const verdict& one : std::exchange(verdicts, {})) {
      history.apply(one);
      queue->done(one, now);
    }
  }
  void pass(moment time) {
    now += time;
    queue->expire(now, verdicts);
  }

  dispatch_settings settings;
  queue_dispatcher::limits limits;
  std::uint32_t partition_count;
  history_in_memory history;
  std::unique_ptr<queue_dispatcher> queue;
  std::vector<verdict> verdicts;
  moment now{1'000'000};
};

// The runs as text: consumer:first-end*attempt
inline std::string text_of(const std::vector<leased_run>& runs) {
  std::string text;
  for (const leased_run& one : runs) {
    if (!text.empty()) text += ' ';
    text += std::to_string(one.to.value()) + ":" + std::to_string(one.first.value()) + "-" +
            std::to_string(one.first.value() + one.count) + "*" + std::to_string(one.attempt);
  }
  return text;
}

}  // namespace skald::delivery::testing
