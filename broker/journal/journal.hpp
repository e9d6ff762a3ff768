// The journal of a shard: the only thing that is ever fsynced before an acknowledgement.
//
// Entries are appended in order by group commit: while one write and fdatasync is in flight, arrivals gather;
// then one vectored write (in pieces, if there is much), one fdatasync, and one report that names where each
// lies. There is no timer and no linger: latency is one fsync when idle, throughput is the disk's limit when
// busy.
//
// Threading: append(), commit_here() and release() are called on the owner's thread (the shard's reactor),
// the other queries on any. The journal has one writer thread, which writes and syncs and then calls the
// listener *on that thread*; the listener posts to its reactor. A background thread prepares the next
// segments. Places may be read from any thread. A simulation drives the same journal without threads, by
// step().
//
// Two hand-overs between threads can cost as much as the fdatasync between them. So an owner who has nothing
// else to do may commit a small group itself: see options::owner_sync_max and commit_here(). One thread at a
// time writes and syncs, whichever it is.
//
// Errors: a failed write and any failed fdatasync is fatal: the listener is told and must end the process,
// for retrying an fsync lies on Linux. Want of space is an operating error: append() refuses with
// storage_full once no segment can be prepared, until there is room again. What append() accepted always has
// its room: the blocks of a segment are allocated before anything is promised a place in it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "broker/base/buffer.hpp"
#include "broker/base/disk.hpp"
#include "broker/journal/entry.hpp"
#include "skald/protocol/types.hpp"

namespace skald::journal {

using sequence = strong_id<struct sequence_tag, std::uint64_t>;
using log_index = strong_id<struct log_index_tag, std::uint64_t>;
using term = strong_id<struct term_tag, std::uint64_t>;
using generation = strong_id<struct generation_tag, std::uint64_t>;  // names a segment in one of its uses

// Where bytes lie: `position` is absolute in the segment's file.
struct place {
  generation segment;
  std::uint32_t position = 0;
  std::uint32_t bytes = 0;
  friend bool operator==(const place&, const place&) = default;
};

// An open segment, kept from being recycled while anyone holds it. Reading is thread-safe.
class segment;
using segment_pin = std::shared_ptr<const segment>;
std::error_code read(const segment& from, std::uint64_t position, std::span<const iovec> into,
                     file::blocking mode);

struct options {
  std::filesystem::path directory;
  std::uint64_t segment_bytes = 128u << 20;  // a multiple of 4096, from 16 KiB to 2 GiB
  std::uint64_t spare_segments_max = 4;      // recycled segments kept ready; more are removed
  std::uint64_t reserve_bytes = 64u << 20;   // free disk space never used, so that trims and stops succeed
  std::uint64_t group_bytes_max = 8u << 20;  // of one group commit
  // A small group is left to the owner's thread while commits take no longer than this; 0: never.
  std::chrono::microseconds owner_sync_max{0};
  journal_id new_id{};  // of a journal that is created; random when all zero
};

// Largest payload of one entry: it has to fit a segment.
std::uint64_t payload_bytes_max(const options& with);

// What to append. The payload is `head` (small, owned) followed by `body` (shared, not copied).
struct new_entry {
  entry_kind kind = entry_kind::command;
  std::vector<std::byte> head;
  slice body;
};

// An entry that is durable. `payload` covers head and body; `body` is the place of the body alone.
struct durable_entry {
  journal::sequence sequence;
  log_index index;
  place payload;
  place body;
};

// An entry met while replaying. Its bytes are valid only during the call.
struct replayed_entry {
  entry_kind kind;
  journal::sequence sequence;
  log_index index;
  journal::term term;
  place payload;
  std::span<const std::byte> bytes;
};

// The first entry not yet reflected in the state. Its segment is that of the entry before it (see
// point_after).
struct replay_point {
  journal::sequence next{1};
  generation segment{0};  // 0: from the oldest segment there is
  std::uint32_t position = 0;
};

// What the scan at open found.
struct recovery_report {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::uint64_t torn_bytes = 0;  // of a torn tail that was cut off, as far as it can be told from stale bytes
  std::string note;              // for the log, one line
};

struct statistics {
  std::uint64_t syncs = 0;
  std::uint64_t entries = 0;
  std::uint64_t bytes_written = 0;  // to segments, headers and padding included; zero-filling excluded
  std::uint32_t segments = 0;       // in use
  std::uint32_t spares = 0;
  std::uint64_t segment_bytes = 0;
  bool storage_full = false;
};

class listener {
 public:
  virtual ~listener() = default;
  // A group is durable. Called in order, on the thread that has committed it: the writer thread, or the
  // owner's in commit_here() and stop().
  virtual void on_durable(std::vector<durable_entry> group) = 0;
  // There is room again after storage_full. Any thread.
  virtual void on_space() = 0;
  // The journal can no longer promise anything; the process must say why and end. Any thread.
  virtual void on_fatal(const std::string& why) = 0;
};

// Segments are prepared ahead of need, and the last one prepared is kept for what makes room: when the disk
// is full, publishes are refused and trims still get through.
enum class urgency { normal, frees_space };

enum class driven_by { threads, step };

class journal {
 public:
  // Opens or creates the journal and replays it from `from`: calls `replay` for each entry in order, on the
  // calling thread. Throws skald::error: storage_corrupt (naming file, position and the sequence range lost)
  // when an entry that had been durable is unreadable or missing, or `from` is past the end;
  // unsupported_version for a newer format; storage_error with the system's words. What was replayed is
  // durable when the constructor returns. It needs no free space.
  journal(disk& on, const options& with, replay_point from,
          const std::function<void(const replayed_entry&)>& replay, recovery_report& report);
  ~journal();  // as stop()
  journal(const journal&) = delete;
  journal& operator=(const journal&) = delete;

  void start(listener& reports, driven_by driver = driven_by::threads);
  // Driven by step(): does one thing that a thread would have done, on the calling thread, and says whether
  // there was anything to do.
  bool step();
  // Finishes and syncs what was appended, reports it, and joins the threads. Idempotent.
  void stop();

  // Queues entries in this order; they become durable in this order. On an error nothing was queued:
  // storage_full when there is no room (on_space() follows when there is), batch_too_large when a payload
  // exceeds payload_bytes_max, storage_error after on_fatal, shutting_down after stop(). It never waits for
  // data to be written; only an owner that outruns the preparation of segments, by more than a whole segment,
  // waits the milliseconds that creating the next one takes.
  std::error_code append(std::vector<new_entry> entries, urgency how = urgency::normal);
  // Whether what was appended waits for the owner to call commit_here(); the writer thread has not been
  // woken. Owner's thread.
  bool left_to_owner() const;
  enum class owner { idle, busy };
  // An idle owner commits what waits, on the calling thread; a busy one has the writer thread do so. True
  // when it wants to be called once more, after what the owner has to do about the group: it then marks the
  // end of the entries. Owner's thread.
  bool commit_here(owner is);
  // Bytes queued and not yet durable; the shard pushes back on publishers beyond its budget. Any thread.
  std::uint64_t queued_bytes() const;

  // The place to replay from once everything up to and including `through` is reflected elsewhere.
  replay_point point_after(const durable_entry& through) const;

  // Keeps a segment readable. Null when it has been released.
  segment_pin pin(generation segment) const;

  // The segments in use, oldest first; the last ones may hold only entries that are not yet durable.
  std::vector<generation> segments() const;
  // Gives back a segment that holds nothing needed: no live batches, and it is older than the segment of the
  // replay point that the state has committed. It is reused once the last pin is gone. A crash may undo this:
  // a segment that is there again after a restart is released again. Throws std::logic_error for a segment
  // that may still hold entries that are not durable.
  void release(generation segment);

  statistics stats() const;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace skald::journal
