#include "broker/journal/journal.hpp"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <condition_variable>
#include <deque>
#include <iterator>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#include "broker/journal/group_writer.hpp"
#include "broker/journal/recovery.hpp"
#include "broker/journal/segment_pool.hpp"
#include "skald/protocol/error.hpp"

namespace skald::journal {

namespace {

constexpr std::uint64_t segment_bytes_min = 16u << 10;
constexpr std::uint64_t segment_bytes_max = 2ull << 30;
// Larger groups take long enough for two hand-overs not to matter, and for others to be kept waiting.
constexpr std::uint64_t owner_group_bytes_max = 32u << 10;
constexpr term local_term{1};  // a journal that is not replicated knows one term

options checked(options with) {
  if (with.segment_bytes < segment_bytes_min || with.segment_bytes > segment_bytes_max ||
      with.segment_bytes % segment_header_bytes != 0) {
    throw error(errc::invalid_settings, "segment_bytes is " + std::to_string(with.segment_bytes) +
                                            "; it has to be a multiple of 4096 from 16 KiB to 2 GiB");
  }
  return with;
}

}  // namespace

std::uint64_t payload_bytes_max(const options& with) {
  return entries_end(with.segment_bytes) - segment_header_bytes - entry_header_bytes;
}

struct journal::impl {
  impl(disk& on, const options& options_given, replay_point from,
       const std::function<void(const replayed_entry&)>& replay, recovery_report& report)
      : with(checked(options_given)), pool(std::make_shared<segment_pool>(on, with)) {
    recovered found = recover(on, with, from, pool, replay, report);
    pool->adopt(found.id, found.highest, std::move(found.spares));
    last = found.last;
    last_index = found.last_index;
    writer.emplace(with, checksum_seed(pool->id()), last, last_index, found.last_term);
    if (!found.segments.empty()) settle(found);
    for (auto& each : found.segments) in_use.emplace(each->id(), std::move(each));
  }

  // What was replayed may so far be in the page cache only, written by a process that was killed before its
  // fdatasync. From here on it counts as durable.
  void settle(const recovered& found) {
    segment& tail = *found.segments.back();
    tail.begin_use();
    durable_in = tail.id().value();
    writer->continue_at(tail, found.position);
    if (const write_failure failed = writer->mark(group_writer::marking::synced)) {
      throw error(errc::storage_error, (with.directory / failed.why).string());
    }
    if (found.append_to_last) {
      planned_into = &tail;
      planned_position = *found.position;
    }
  }

  // ---- owner's thread ----

  // Where each of the entries goes, in the segments planned so far and in `extra` further ones.
  std::error_code plan(const std::vector<new_entry>& entries, urgency how) {
    std::size_t extra = 0;
    std::uint64_t room = planned_into == nullptr ? 0 : entries_end(planned_into->bytes()) - planned_position;
    for (const new_entry& entry : entries) {
      const std::uint64_t payload = entry.head.size() + entry.body.size();
      if (payload > payload_bytes_max(with)) return errc::batch_too_large;
      if (stored_bytes(payload) > room) {
        ++extra;
        room = entries_end(with.segment_bytes) - segment_header_bytes;
      }
      room -= stored_bytes(payload);
    }
    if (extra == 0 && (how == urgency::frees_space || pool->has_reserve())) return {};
    std::vector<std::shared_ptr<segment>> claimed;
    if (const std::error_code refused = pool->claim(extra, how, claimed)) return refused;
    const std::lock_guard lock(segments_mutex);
    for (auto& each : claimed) {
      planned_next.push_back(each.get());
      in_use.emplace(each->id(), std::move(each));
    }
    return {};
  }

  pending_entry placed(new_entry&& entry) {
    const std::uint64_t bytes = stored_bytes(entry.head.size() + entry.body.size());
    if (planned_into == nullptr || planned_position + bytes > entries_end(planned_into->bytes())) {
      planned_into = planned_next.front();
      planned_next.pop_front();
      planned_position = segment_header_bytes;
    }
    last = sequence(last.value() + 1);
    if (entry.kind == entry_kind::command) last_index = log_index(last_index.value() + 1);
    pending_entry pending;
    pending.header.kind = entry.kind;
    pending.header.generation = planned_into->id().value();
    pending.header.sequence = last.value();
    pending.header.index = last_index.value();
    pending.header.term = local_term.value();
    pending.into = planned_into;
    pending.position = static_cast<std::uint32_t>(planned_position);
    pending.head = std::move(entry.head);
    pending.body = std::move(entry.body);
    planned_position += bytes;
    return pending;
  }

  std::error_code append(std::vector<new_entry> entries, urgency how) {
    if (has_failed) return errc::storage_error;
    if (stopped) return errc::shutting_down;
    if (const std::error_code refused = plan(entries, how)) return refused;
    std::uint64_t bytes = 0;
    {
      const std::lock_guard lock(queue_mutex);
      const bool alone = queue.empty() && !committing;
      for (new_entry& entry : entries) {
        assert(entry.kind != entry_kind::sync_mark);
        bytes += stored_bytes(entry.head.size() + entry.body.size());
        queue.push_back(placed(std::move(entry)));
      }
      queued += bytes;
      waits_for_owner = (alone || waits_for_owner) && suits_owner();
      if (waits_for_owner) return {};
    }
    arrived.notify_one();
    return {};
  }

  // Whether the owner would soon be done with the queue. The first group of a segment may have to wait for
  // zeros that are being written to it. Called with queue_mutex.
  bool suits_owner() const {
    return driver == driven_by::threads && queued <= owner_group_bytes_max &&
           planned_into->id().value() == durable_in && commit_time.load() < with.owner_sync_max;
  }

  bool left_to_owner() {
    const std::lock_guard lock(queue_mutex);
    return waits_for_owner;
  }

  bool commit_here(owner is) {
    {
      const std::lock_guard lock(queue_mutex);
      if (committing || has_failed || stopped) return false;
      if (!queue.empty() && (is == owner::busy || !waits_for_owner)) {
        waits_for_owner = false;
        arrived.notify_one();
        return false;
      }
      waits_for_owner = false;
      committing = true;
    }
    bool committed = false;
    while (commit_group()) committed = true;
    const bool marks = owes_mark && !committed && !has_failed;
    if (marks) mark();
    owes_mark = committed;
    const std::lock_guard lock(queue_mutex);
    committing = false;
    return committed;
  }

  // ---- whoever commits: the writer's thread, the owner's in commit_here(), or whoever steps ----

  bool gather() {
    const std::lock_guard lock(queue_mutex);
    std::move(queue.begin(), queue.end(), std::back_inserter(gathered));
    queue.clear();
    return !gathered.empty();
  }

  // One group commit, and a mark when it seems to be the last. False when there was nothing to commit, or
  // after a failure.
  bool commit() {
    if (!commit_group()) return false;
    if (!gather()) mark();
    return true;
  }

  bool commit_group() {
    if (has_failed || !gather()) return false;
    std::vector<durable_entry> group;
    const auto began = std::chrono::steady_clock::now();
    pool->note_write_begin(queued.load(std::memory_order_relaxed));
    if (const write_failure broken = writer->commit(gathered, group)) return fail(broken), false;
    pool->note_write_end();
    note_commit_time(std::chrono::steady_clock::now() - began);
    std::uint64_t bytes = 0;
    for (const durable_entry& each : group) bytes += stored_bytes(each.payload.bytes);
    queued -= bytes;
    durable_in = group.back().payload.segment.value();
    entries_durable += group.size();
    publish_counters();
    reports->on_durable(std::move(group));
    return true;
  }

  void mark() {
    if (const write_failure broken = writer->mark(group_writer::marking::unsynced)) fail(broken);
  }

  // A running mean, in which one slow commit among quick ones is forgiven, and two in a row are not.
  void note_commit_time(std::chrono::nanoseconds took) {
    const std::chrono::nanoseconds before = commit_time;
    const std::chrono::nanoseconds counted =
        std::min<std::chrono::nanoseconds>(took, 4 * with.owner_sync_max);
    commit_time = before + (counted - before) / 8;
  }

  void publish_counters() {
    bytes_written = writer->bytes_written();
    syncs = writer->syncs();
  }

  void fail(const write_failure& broken) { fail((with.directory / broken.why).string()); }
  void fail(const std::string& why) {
    if (!has_failed.exchange(true)) reports->on_fatal(why);
  }

  void run_writer() {
    for (;;) {
      {
        std::unique_lock lock(queue_mutex);
        arrived.wait(lock,
                     [this] { return (!queue.empty() && !waits_for_owner && !committing) || stopping; });
        if (queue.empty()) return;
        committing = true;
      }
      while (commit()) {
      }
      if (has_failed) return;
      const std::lock_guard lock(queue_mutex);
      committing = false;
    }
  }

  void start(listener& to, driven_by whom) {
    reports = &to;
    driver = whom;
    pool->start({[this] { reports->on_space(); }, [this](const std::string& why) { fail(why); }}, driver);
    if (driver == driven_by::threads) thread = std::thread(&impl::run_writer, this);
  }

  void stop() {
    if (std::exchange(stopped, true)) return;
    {
      const std::lock_guard lock(queue_mutex);
      stopping = true;
    }
    arrived.notify_all();
    if (thread.joinable()) thread.join();
    pool->stop();
    if (reports == nullptr) return;
    while (commit()) {
    }
    if (has_failed) return;
    if (const write_failure broken = writer->mark(group_writer::marking::synced)) fail(broken);
    publish_counters();
  }

  const options with;
  std::shared_ptr<segment_pool> pool;
  listener* reports = nullptr;
  driven_by driver = driven_by::threads;
  std::thread thread;
  std::atomic<bool> has_failed{false};

  // Owner's thread only: the last entry appended and the place for the next.
  bool stopped = false;
  sequence last;
  log_index last_index;
  segment* planned_into = nullptr;
  std::uint64_t planned_position = 0;
  std::deque<segment*> planned_next;
  bool owes_mark = false;  // after a group that the owner has committed

  // Guards what the owner hands to the writer. No other lock is taken under it.
  std::mutex queue_mutex;
  std::condition_variable arrived;
  std::vector<pending_entry> queue;
  bool waits_for_owner = false;  // the queue does
  bool committing = false;       // whoever has set it is the one to write and sync
  bool stopping = false;

  // Of whoever has set `committing`, or steps, or stops when the thread has been joined.
  std::optional<group_writer> writer;
  std::deque<pending_entry> gathered;

  // Guards in_use. No other lock is taken under it, and no segment is let go.
  mutable std::mutex segments_mutex;
  std::map<generation, std::shared_ptr<segment>> in_use;

  std::atomic<std::chrono::nanoseconds> commit_time{2 * with.owner_sync_max};  // until known, slow
  std::atomic<std::uint64_t> durable_in{0};  // generation of the segment with the last durable entry
  std::atomic<std::uint64_t> queued{0};
  std::atomic<std::uint64_t> entries_durable{0};
  std::atomic<std::uint64_t> bytes_written{0};
  std::atomic<std::uint64_t> syncs{0};
};

journal::journal(disk& on, const options& with, replay_point from,
                 const std::function<void(const replayed_entry&)>& replay, recovery_report& report)
    : impl_(std::make_unique<impl>(on, with, from, replay, report)) {}

journal::~journal() {
  stop();
}

void journal::start(listener& reports, driven_by driver) {
  impl_->start(reports, driver);
}

bool journal::left_to_owner() const {
  return impl_->left_to_owner();
}

bool journal::commit_here(owner is) {
  return impl_->commit_here(is);
}

bool journal::step() {
  return impl_->commit() || impl_->pool->work();
}

void journal::stop() {
  impl_->stop();
}

std::error_code journal::append(std::vector<new_entry> entries, urgency how) {
  return impl_->append(std::move(entries), how);
}

std::uint64_t journal::queued_bytes() const {
  return impl_->queued.load(std::memory_order_relaxed);
}

replay_point journal::point_after(const durable_entry& through) const {
  const std::uint64_t begin = through.payload.position - entry_header_bytes;
  return {sequence(through.sequence.value() + 1), through.payload.segment,
          static_cast<std::uint32_t>(begin + stored_bytes(through.payload.bytes))};
}

segment_pin journal::pin(generation which) const {
  const std::lock_guard lock(impl_->segments_mutex);
  const auto found = impl_->in_use.find(which);
  return found == impl_->in_use.end() ? nullptr : found->second;
}

std::vector<generation> journal::segments() const {
  const std::lock_guard lock(impl_->segments_mutex);
  std::vector<generation> all;
  for (const auto& [id, content] : impl_->in_use) all.push_back(id);
  return all;
}

void journal::release(generation which) {
  std::shared_ptr<segment> released;
  {
    const std::lock_guard lock(impl_->segments_mutex);
    const auto found = impl_->in_use.find(which);
    if (found == impl_->in_use.end()) return;
    if (which.value() >= impl_->durable_in) {
      throw std::logic_error(segment_name(which) + " was released while it is being written");
    }
    released = std::move(found->second);
    impl_->in_use.erase(found);
  }
  released->release();  // and let go of here, outside the lock
}

statistics journal::stats() const {
  statistics now;
  now.syncs = impl_->syncs;
  now.entries = impl_->entries_durable;
  now.bytes_written = impl_->bytes_written;
  now.segment_bytes = impl_->with.segment_bytes;
  now.storage_full = impl_->pool->full();
  now.spares = impl_->pool->spares();
  const std::lock_guard lock(impl_->segments_mutex);
  now.segments = static_cast<std::uint32_t>(impl_->in_use.size());
  return now;
}

}  // namespace skald::journal
