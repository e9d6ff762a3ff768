// Where segments come from and go to: prepared ahead of need, recycled once released.
//
//   spare file --header, rename--> ready segment --claim--> in use --release, last pin gone--> spare file
//
// The policy of growth, when there is no spare: a new file gets its blocks at once (allocate, milliseconds)
// and is ready from then on; zeros are written over it in the background, for as long as nobody writes to it.
// A first write into merely allocated blocks costs about twice an overwrite in its fdatasync, but waiting for
// the zeros costs a whole segment's time; so a journal that grows at full speed writes each byte once, and
// one with time to spare finds its blocks written. While nothing is written, both segments ahead are filled;
// beside a journal that writes a little, only the next one is, at the pace at which it will be needed.
//
// The last ready segment is in reserve: only what frees space may claim it.
//
// Threading: claim() is called on the owner's thread, take_back() on any, work() on one thread at a time (the
// pool's own after start(), or the caller's).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "broker/journal/fill_pace.hpp"
#include "broker/journal/recovery.hpp"
#include "broker/journal/segment.hpp"

namespace skald::journal {

class segment_pool final : public segment_home, public std::enable_shared_from_this<segment_pool> {
 public:
  struct callbacks {
    std::function<void()> on_space;
    std::function<void(const std::string&)> on_fatal;
  };

  segment_pool(disk& on, const options& with);
  ~segment_pool() override;

  // What recovery found; before anything else.
  void adopt(journal_id id, generation highest, std::vector<spare_file> spares);
  void start(callbacks reports, driven_by driver);
  // Of the journal; known after adopt().
  journal_id id() const { return id_; }

  // Joins the thread and fails pending claims. Idempotent.
  void stop();

  // Hands out `count` segments (or none needed: 0), leaving one in reserve unless `how` is frees_space. Waits
  // while they are being prepared. storage_full when the disk has no room for them, storage_error after a
  // failure, shutting_down after stop().
  std::error_code claim(std::size_t count, urgency how, std::vector<std::shared_ptr<segment>>& out);
  // Whether claim(0, normal) would succeed at once: the quick answer for most appends.
  bool has_reserve() const { return ready_count_.load(std::memory_order_relaxed) > 0; }

  void take_back(generation id, std::unique_ptr<file> content) noexcept override;

  // The journal begins to write so much, and has written and synced it: what the pace of zeros depends on.
  // Called in turn, by one thread at a time.
  void note_write_begin(std::uint64_t bytes) {
    written_.fetch_add(bytes, std::memory_order_relaxed);
    writing_.store(bytes, std::memory_order_relaxed);
  }
  void note_write_end() { writing_.store(0, std::memory_order_relaxed); }

  // Does one piece of background work, and says whether there was any. A full disk is looked at again.
  bool work();

  bool full() const { return full_.load(std::memory_order_relaxed); }
  std::uint32_t spares() const;

 private:
  enum class task { none, shelve, prepare, trim, fill };
  task next_task() const;  // under mutex_
  void run_thread();
  bool may_fill(std::unique_lock<std::mutex>& lock);
  bool enough(std::size_t count, urgency how) const;  // under mutex_

  // The tasks; each says whether it got anything done.
  bool shelve();
  bool prepare();
  bool trim();
  bool fill();

  // Want of space is an outcome; after any other failure the pool has failed.
  enum class outcome { done, no_space, failed };
  outcome create_file(generation id, spare_file& out);
  outcome make_ready(generation id, spare_file& from);
  outcome judge(std::error_code failed, std::string_view doing, const std::filesystem::path& path);
  void fail(std::error_code why, std::string_view doing, const std::filesystem::path& path);
  void admit(std::shared_ptr<segment> prepared);
  void choose_unwritten();  // under mutex_
  void put_back(spare_file unused);
  void report_full();
  std::filesystem::path path_of(const std::string& name) const { return with_.directory / name; }

  disk& on_;
  const options with_;
  journal_id id_{};
  callbacks reports_;
  driven_by driver_ = driven_by::threads;

  // Guards what follows; never held during I/O or a callback. No other lock is taken under it.
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<segment>> ready_;
  std::shared_ptr<segment> unwritten_;  // the first of them that has blocks to write zeros over
  std::vector<spare_file> spares_;
  std::vector<spare_file> returned_;    // still named as segments
  std::uint64_t highest_ = 0;           // generation
  std::size_t wanted_ = 0;              // ready segments, by a claim that waits
  std::optional<std::size_t> refused_;  // ready segments that the smallest refused claim lacked
  bool look_again_ = false;             // at a full disk, now rather than at the next interval
  bool failed_ = false;
  bool stopping_ = false;

  std::atomic<std::uint64_t> written_{0};  // by the journal, with what it is writing
  std::atomic<std::uint64_t> writing_{0};  // by the journal just now
  std::atomic<bool> full_{false};
  std::atomic<std::size_t> ready_count_{0};
  fill_pace pace_;  // of the pool's thread only, as the size of the next piece
  std::uint64_t zeros_at_once_ = fill_pace::idle_piece_bytes;
  std::thread thread_;
};

}  // namespace skald::journal
