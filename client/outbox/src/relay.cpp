#include "skald/outbox/relay.hpp"

#include <algorithm>
#include <vector>

namespace skald::outbox {

namespace {

// How many received messages are forgotten at a time, and how long until the next time.
constexpr std::uint32_t clean_rows = 10'000;
constexpr std::chrono::minutes clean_interval{1};

}  // namespace

relay::relay(store& from, publisher to, relay_options options)
    : store_(from), publish_(std::move(to)), options_(options) {
  options_.batch_rows = std::max(1u, options_.batch_rows);
  batch_rows_ = options_.batch_rows;
}

std::uint64_t relay::run_once() {
  const std::uint64_t before = statistics().published;
  while (!stopping() && publish_batch()) {
  }
  return statistics().published - before;
}

bool relay::publish_batch() {
  const std::vector<row> rows = store_.unsent(batch_rows_, options_.batch_bytes);
  if (rows.empty()) return false;
  try {
    publish_rows(rows);
    batch_rows_ = options_.batch_rows;
  } catch (const row_refused& refused) {
    store_.park(rows.at(refused.index()).position, refused.what());
    const std::lock_guard lock(mutex_);
    ++statistics_.parked;
  } catch (const batch_refused& refused) {
    // Halves until it fits, or a row is too much by itself.
    if (rows.size() == 1) {
      store_.park(rows.front().position, refused.what());
      const std::lock_guard lock(mutex_);
      ++statistics_.parked;
    } else {
      batch_rows_ = static_cast<std::uint32_t>(rows.size() / 2);
    }
  }
  return true;
}

void relay::publish_rows(std::span<const row> rows) {
  const std::uint64_t duplicates = publish_(rows);
  std::vector<std::int64_t> positions;
  positions.reserve(rows.size());
  for (const row& each : rows) positions.push_back(each.position);
  store_.remove(positions);
  const std::lock_guard lock(mutex_);
  statistics_.published += rows.size();
  statistics_.duplicates += duplicates;
  ++statistics_.batches;
}

void relay::run() {
  milliseconds delay = options_.retry_delay_min;
  auto next_cleaning = std::chrono::steady_clock::now();
  while (!stopping()) {
    try {
      const bool more_rows = publish_batch();
      if (std::chrono::steady_clock::now() >= next_cleaning) {
        const bool more = store_.clean_inbox(options_.inbox_kept, clean_rows) == clean_rows;
        if (!more) next_cleaning = std::chrono::steady_clock::now() + clean_interval;
      }
      delay = options_.retry_delay_min;
      if (!more_rows) wait(options_.poll_interval);
    } catch (const std::exception& failed) {
      note_failure(failed.what());
      wait(delay);
      delay = std::min(2 * delay, options_.retry_delay_max);
      try {
        store_.reconnect();
      } catch (const database_error& still) {
        note_failure(still.what());
      }
    }
  }
}

void relay::note_failure(const std::string& why) {
  const std::lock_guard lock(mutex_);
  ++statistics_.failures;
  statistics_.last_failure = why;
}

void relay::wait(milliseconds time) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, time, [this] { return stopping_ || woken_; });
  woken_ = false;
}

void relay::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
}

void relay::wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

bool relay::stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

relay_statistics relay::statistics() const {
  const std::lock_guard lock(mutex_);
  return statistics_;
}

}  // namespace skald::outbox
