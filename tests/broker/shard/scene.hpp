// A shard in one thread: its disk, store, clock, executor and worker are simulated, and a test decides when
// each gets its turn. A crash loses what the disk had not synced, and what was on its way anywhere.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/shard/shard.hpp"
#include "broker/shard/verify.hpp"
#include "skald/protocol/batch_builder.hpp"
#include "skald/protocol/record_batch.hpp"
#include "tests/broker/state/sim_store.hpp"
#include "tests/broker/support/sim_disk.hpp"

namespace skald::shard::testing {

using skald::testing::sim_disk;
using skald::testing::sim_store;

class sim_clock final : public wall_clock {
 public:
  timestamp now() const override { return now_; }
  void advance(std::chrono::milliseconds by) { now_ += by; }

 private:
  timestamp now_{std::chrono::milliseconds(1'700'000'000'000)};
};

// Runs tasks when told to; delayed ones when the time has been let pass.
class sim_executor final : public executor {
 public:
  void post(task work) override { tasks_.push_back(std::move(work)); }
  void post_after(std::chrono::milliseconds delay, task work) override {
    delayed_.emplace(now_ + delay, std::move(work));
  }
  bool running_here() const override { return true; }

  bool run_one() {
    if (tasks_.empty()) return false;
    const task work = std::move(tasks_.front());
    tasks_.pop_front();
    work();
    return true;
  }
  // The tasks that come due are posted.
  void pass(std::chrono::milliseconds time) {
    now_ += time;
    while (!delayed_.empty() && delayed_.begin()->first <= now_) {
      post(std::move(delayed_.begin()->second));
      delayed_.erase(delayed_.begin());
    }
  }
  void clear() {
    tasks_.clear();
    delayed_.clear();
  }

 private:
  std::chrono::milliseconds now_{0};
  std::deque<task> tasks_;
  std::multimap<std::chrono::milliseconds, task> delayed_;
};

class sim_worker final : public background {
 public:
  void post(std::function<void()> task) override { tasks_.push_back(std::move(task)); }
  bool run_one() {
    if (tasks_.empty()) return false;
    const std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    task();
    return true;
  }
  void clear() { tasks_.clear(); }

 private:
  std::deque<std::function<void()>> tasks_;
};

// A batch of `records` records, the first value of which is `text`.
inline slice batch_of(std::string_view text, std::uint32_t records, timestamp at,
                      std::optional<protocol::producer_stamp> producer = {}) {
  protocol::batch_builder builder;
  for (std::uint32_t i = 0; i < records; ++i) {
    const errc added = builder.append(std::nullopt, i == 0 ? text : "more", {}, at);
    REQUIRE(added == errc::ok);
  }
  return slice::copy_of(builder.finish({.producer = producer}));
}

inline append_request request_of(std::string topic, std::uint32_t partition, slice batch) {
  const auto view = protocol::batch_view::parse(batch.bytes());
  REQUIRE(view.has_value());
  append_request request;
  request.topic = std::move(topic);
  request.partition = partition_id(partition);
  request.records = static_cast<std::uint32_t>(view->record_count());
  request.record_bytes_largest = static_cast<std::uint32_t>(batch.size());
  request.timestamp_max = view->max_timestamp();
  if (const auto stamp = view->producer()) {
    request.producer = stamp->id;
    request.epoch = stamp->epoch;
    request.base_sequence = stamp->base_sequence;
  }
  request.batch = std::move(batch);
  return request;
}

struct scene {
  explicit scene(std::uint64_t seed = 1) : disk(seed) {
    with.directory = "data";
    with.journal.segment_bytes = 64 << 10;
    with.journal.spare_segments_max = 1;
    with.journal.reserve_bytes = 0;
    with.replay_bytes_max = 256 << 10;
    with.warn = [this](const std::string& what) { warnings.push_back(what); };
    open();
  }
  ~scene() {
    disk.crash();
    shard_.reset();
  }

  void open() {
    shard_.emplace(
        with, disk, clock, runs, [this](const std::string& why) { fatal = why; },
        parts{store, worker, journal::driven_by::step});
    shard_->start();
  }
  // Everybody gets turns until nobody has anything to do.
  void settle() {
    for (int turns = 0; turns < 1'000'000; ++turns) {
      const bool ran = runs.run_one();
      const bool worked = worker.run_one();
      const bool stepped = shard_->step_journal();
      if (!ran && !worked && !stepped) return;
    }
    FAIL("the shard never comes to rest");
  }
  void pass(std::chrono::milliseconds time) {
    while (time.count() > 0) {
      const auto step = std::min(time, with.retention_interval);
      clock.advance(step);
      runs.pass(step);
      settle();
      time -= step;
    }
  }
  // The power fails and comes back.
  void crash() {
    disk.crash();
    shard_.reset();
    runs.clear();
    worker.clear();
    fatal.clear();
    open();
  }
  void stop() {
    bool stopped = false;
    shard_->stop([&] { stopped = true; });
    settle();
    REQUIRE(stopped);
  }
  // What is wrong with the data directory, once the shard has stopped.
  std::string findings() {
    stop();
    std::string all;
    verify(disk, with.directory, store, [&](const finding& one) {
      if (one.is == finding::severity::error) all += to_line(one) + "\n";
    });
    return all;
  }

  // ---- requests, awaited ----

  failure create(std::string name, topic_settings settings = {}, bool if_absent = false) {
    // The segments of these tests are too small for batches of the default size.
    if (settings.batch_bytes_max == topic_settings().batch_bytes_max) settings.batch_bytes_max = 32'000;
    std::optional<failure> outcome;
    shard_->create_topic(std::move(name), settings, if_absent,
                         [&](failure why, const topic_info&) { outcome = std::move(why); });
    settle();
    REQUIRE(outcome);
    return *outcome;
  }
  failure alter(std::string name, topic_changes changes) {
    std::optional<failure> outcome;
    shard_->alter_topic(std::move(name), changes,
                        [&](failure why, const topic_info&) { outcome = std::move(why); });
    settle();
    REQUIRE(outcome);
    return *outcome;
  }
  failure remove(std::string name) {
    std::optional<failure> outcome;
    shard_->delete_topic(std::move(name), [&](failure why) { outcome = std::move(why); });
    settle();
    REQUIRE(outcome);
    return *outcome;
  }
  // Of appends whose batches follow one another.
  static commit_request commit_of(std::vector<append_request> appends) {
    commit_request request;
    std::vector<std::byte> all;
    for (const append_request& one : appends)
      all.insert(all.end(), one.batch.bytes().begin(), one.batch.bytes().end());
    request.batches = slice::copy_of(all);
    std::size_t at = 0;
    for (append_request& one : appends) {
      const std::size_t size = one.batch.size();
      one.batch = request.batches.sub(at, size);
      at += size;
    }
    request.appends = std::move(appends);
    return request;
  }
  commit_result commit(commit_request request) {
    std::optional<commit_result> outcome;
    shard_->commit(std::move(request), [&](commit_result result) { outcome = std::move(result); });
    settle();
    REQUIRE(outcome);
    return *outcome;
  }
  append_result append(append_request request, durability wanted = durability::disk) {
    std::optional<append_result> outcome;
    std::vector<append_request> batches;
    batches.push_back(std::move(request));
    shard_->append(std::move(batches), wanted,
                   [&](std::vector<append_result> results) { outcome = std::move(results.at(0)); });
    settle();
    REQUIRE(outcome);
    return *outcome;
  }
  append_result append(std::string topic, std::uint32_t partition, std::string_view text,
                       std::uint32_t records = 1) {
    return append(request_of(std::move(topic), partition, batch_of(text, records, clock.now())));
  }

  shard::partition_ref ref(std::string_view topic, std::uint32_t partition = 0) {
    const auto found = shard_->find_topic(topic);
    REQUIRE(found);
    return {found->id, partition_id(partition)};
  }
  partition_info info(std::string_view topic, std::uint32_t partition = 0) {
    const auto found = shard_->partition(ref(topic, partition));
    REQUIRE(found);
    return *found;
  }

  struct read_batch {
    offset base;
    std::uint32_t records = 0;
    std::string text;  // the value of its first record
  };
  // All batches of a partition, read from the journal and checked; without gaps between them, unless asked
  // for those that have not expired.
  std::vector<read_batch> read(std::string_view topic, std::uint32_t partition = 0) {
    std::uint64_t gaps = 0;
    auto batches = read_kept(topic, gaps, partition);
    CHECK(gaps == 0);
    return batches;
  }
  // The value that each of its batches begins with.
  std::vector<std::string> values(std::string_view topic) {
    std::vector<std::string> all;
    for (const read_batch& batch : read(topic)) all.push_back(batch.text);
    return all;
  }
  std::vector<read_batch> read_kept(std::string_view topic, std::uint64_t& gaps,
                                    std::uint32_t partition = 0) {
    std::vector<read_batch> batches;
    protocol::batch_decoder decoder;
    const auto of = ref(topic, partition);
    offset at = info(topic, partition).log_start;
    while (true) {
      const read_plan plan = shard_->plan_read(of, at, 10'000);
      REQUIRE_FALSE(plan.why);
      if (plan.next == at) {
        CHECK(at == plan.high_watermark);
        return batches;
      }
      for (const stored_batch& batch : plan.batches) {
        // Only what has expired is left out.
        gaps += batch.base_offset - at;
        batches.push_back({batch.base_offset, batch.records, text_of(plan, batch, decoder)});
        at = batch.base_offset + batch.records;
      }
      gaps += plan.next - at;
      at = plan.next;
    }
  }

  static std::string text_of(const read_plan& plan, const stored_batch& batch,
                             protocol::batch_decoder& decoder) {
    std::vector<std::byte> bytes(batch.at.bytes);
    const iovec into{bytes.data(), bytes.size()};
    for (const auto& [segment, pin] : plan.pins)
      if (segment == batch.at.segment)
        REQUIRE_FALSE(journal::read(*pin, batch.at.position, {&into, 1}, file::blocking::allowed));
    const auto view = protocol::batch_view::parse(bytes);
    REQUIRE(view.has_value());
    const auto records = decoder.check(*view);
    REQUIRE(records.has_value());
    CHECK(records->size() == batch.records);
    return std::string((*records->begin()).value.value_or(""));
  }

  options with;
  sim_disk disk;
  sim_clock clock;
  sim_executor runs;
  sim_worker worker;
  sim_store store;
  std::string fatal;
  std::vector<std::string> warnings;
  std::optional<shard> shard_;
};

}  // namespace skald::shard::testing
