// What a shard is made of. Its functions are in shard.cpp (life and the apply loop), shard_topics.cpp,
// shard_appends.cpp (with commits), shard_timers.cpp, shard_reads.cpp, shard_keys.cpp and shard_upkeep.cpp
// (flushing, retention, relocation, garbage).
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/shard/background_thread.hpp"
#include "broker/shard/command.hpp"
#include "broker/shard/commit_log.hpp"
#include "broker/shard/compaction.hpp"
#include "broker/shard/flusher.hpp"
#include "broker/shard/local_commit_log.hpp"
#include "broker/shard/relocation.hpp"
#include "broker/shard/shard.hpp"
#include "broker/shard/state_machine.hpp"
#include "broker/shard/watch_list.hpp"
#include "broker/state/lmdb_store.hpp"
#include "broker/state/tables.hpp"
#include "skald/protocol/record_batch.hpp"

namespace skald::shard {

// The batches of one append(), until the last is decided.
struct append_group {
  std::vector<append_result> results;
  std::size_t undecided = 0;
  shard::append_done done;
};

// Who hears what comes of a proposed command: a batch of a group, or a function, or nobody.
struct proposer {
  std::shared_ptr<append_group> group;
  std::size_t index = 0;
  std::function<void(effect)> done;
};

struct proposal {
  std::vector<journal::new_entry> entries;
  std::vector<proposer> proposers;  // one for each entry
  journal::urgency how = journal::urgency::normal;
  std::uint64_t bytes() const;
};

// When a record is due, of what was asked for; and whether a timer may have that name. In shard_timers.cpp.
failure resolve(const due_time& wanted, timestamp now, timestamp& due);
failure check_timer_name(std::string_view owner, std::string_view name);

struct shard::impl final : commit_log::listener, flusher::listener {
  friend class shard;

  // What production uses where a simulation brings its own.
  struct own_parts {
    std::unique_ptr<state::lmdb_store> store;
    std::unique_ptr<background_thread> worker;
  };

  impl(options with, disk& on, wall_clock& clock, executor& runs_on,
       std::function<void(const std::string&)> fatal, own_parts own, parts uses);
  ~impl();
  static own_parts make_parts(const options& with, disk& on);

  // ---- life ----
  void start();
  void stop(std::function<void()> done);
  void finish_stop_if_idle();
  // Posts to the executor what is dropped if the shard has gone by then.
  void post(std::function<void(impl&)> work);
  void post_after(std::chrono::milliseconds delay, std::function<void(impl&)> work);
  void broken(const std::exception& why);
  void replay(const journal::replayed_entry& entry);

  // ---- proposing and applying ----
  // Proposes, or holds back while the state is being flushed. A failure means that nothing was proposed.
  failure propose(proposal what);
  failure propose(const command& what, journal::urgency how, std::function<void(effect)> done);
  failure propose_now(proposal what);
  void release_held();
  void on_committed(std::vector<committed_entry> entries) override;
  void on_space() override;
  effect apply(const committed_entry& entry);
  void note_topic_change(const command& what, const effect& done);
  void tell_topic_changes();
  static void complete(const proposer& who, effect what);

  // ---- requests ----
  void append(std::vector<append_request> batches, durability wanted, append_done done);
  void commit(commit_request what, commit_done done);
  // Makes the command and fills in what is known of the result. Says what is certain to be refused when it
  // would be applied; apply decides.
  failure prepare(const append_request& request, timestamp now, append_command& made, append_result& result);
  failure read_terms(const append_request& request, const topic_settings& with, append_command& made);
  failure read_timers(const std::vector<timer_request>& requests, timestamp now, commit_command& made,
                      commit_part& refused) const;
  failure not_indexed(const partition_ref& of) const;
  failure check_settings(const topic_settings& settings) const;
  failure check_settings(const queue_settings& settings) const;
  void propose_for(const command& what, journal::urgency how, failure_done done);
  topic_info info_of(topic_id id, bool with_partitions) const;
  partition_info info_of(const state::partition_key& of, const state::partition_row& row) const;
  failure missing(const partition_ref& of) const;
  void pin_segments(read_plan& plan) const;

  // ---- timers ----
  // There is a timer due then: looks at them at that time, or at once.
  void expect_timer(timestamp due);
  void arm_timers();
  // Proposes to fire what is due, as much as may be under way, and looks again later for the rest.
  void fire_due();
  failure propose_fire(timestamp now);

  // ---- upkeep ----
  void tick();
  void on_flushed(const state::frozen_tables& stored) override;
  void on_flush_failed(const skald::failure& why) override;
  void collect_garbage();
  void retention_step();
  void trimmed();
  void expire_step();
  bool expire_committers_step(timestamp cutoff);
  bool expire_names_step(timestamp cutoff);
  void relocate_if_worthwhile();
  void compact_step();
  void compact_later();
  void expire_tombstones_step();
  bool segments_to_win() const;

 private:
  options options_;
  wall_clock& clock_;
  executor& executor_;
  std::function<void(const std::string&)> fatal_;
  own_parts own_;
  background& worker_;
  journal::driven_by driver_;

  state::tables tables_;
  state_machine machine_;
  flusher flusher_;
  journal::recovery_report recovery_;
  journal::journal journal_;
  std::optional<local_commit_log> log_;  // from start() on
  std::optional<relocator> relocator_;   // likewise
  std::optional<compactor> compactor_;   // likewise
  watch_list watchers_;
  std::function<void(const topic_change&)> topic_watcher_;
  std::vector<topic_change> topic_changes_;  // applied and not told
  command_encoder encoder_;
  protocol::batch_decoder decoder_;  // for the keys of records

  std::deque<proposer> proposed_;  // in the order of their entries in the log
  std::deque<proposal> held_;      // until a flush has caught up
  std::atomic<std::uint64_t> held_bytes_{0};
  bool broken_ = false;
  bool warned_of_full_ = false;        // of the journal
  bool warned_of_full_state_ = false;  // likewise, of the state

  bool stopping_ = false;
  bool final_flush_done_ = false;
  std::function<void()> stop_done_;

  // Upkeep.
  bool collecting_ = false;
  std::uint32_t trims_proposed_ = 0;       // and not applied
  state::partition_key retention_next_{};  // where the round goes on
  bool retention_cut_ = false;             // more has expired than a round looks at
  state::producer_key expire_next_{};
  producer_id expire_committers_next_{};
  producer_id expire_names_next_{};
  bool expiring_ = false;
  bool compact_coming_ = false;  // a step is posted
  state::text_key tombstones_next_{};
  std::chrono::milliseconds since_flush_{0};
  std::chrono::milliseconds since_expiry_{0};

  // Timers. What is due earliest is all that memory holds of them.
  std::optional<timestamp> next_due_ = timestamp();  // no timer is due before; absent: there is no timer
  std::optional<timestamp> alarm_;                   // when they are looked at, at the latest
  std::uint32_t fires_proposed_ = 0;                 // and not applied
  state::timer_key fire_next_{};                     // the first that no proposed command fires

  std::uint64_t records_appended_ = 0;
  std::uint64_t bytes_appended_ = 0;

  std::shared_ptr<impl*> self_ = std::make_shared<impl*>(this);
};

}  // namespace skald::shard
