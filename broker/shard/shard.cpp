#include "broker/shard/shard.hpp"

#include <algorithm>
#include <cassert>
#include <exception>
#include <utility>

#include "broker/shard/shard_impl.hpp"

namespace skald::shard {

namespace {

// The shard's executor commits small groups itself when it is idle, while nobody would notice what it misses.
constexpr std::chrono::microseconds owner_sync_max{500};

journal::options journal_options(const options& with) {
  journal::options journal = with.journal;
  journal.owner_sync_max = owner_sync_max;
  journal.directory = with.directory / "journal";
  return journal;
}

}  // namespace

std::uint64_t proposal::bytes() const {
  std::uint64_t sum = 0;
  for (const journal::new_entry& entry : entries) sum += entry.head.size() + entry.body.size();
  return sum;
}

// ---- life ----

shard::impl::own_parts shard::impl::make_parts(const options& with, disk& on) {
  const std::filesystem::path directory = with.directory / "state";
  if (const auto failed = on.make_directory(directory))
    throw error(errc::storage_error, "cannot create " + directory.string() + ": " + failed.message());
  auto store = std::make_unique<state::lmdb_store>(directory, with.state_map_bytes);
  // LMDB syncs its file, but not the directory that it may just have made it in.
  if (const auto failed = on.sync_directory(directory))
    throw error(errc::storage_error, "cannot sync " + directory.string() + ": " + failed.message());
  return {std::move(store), std::make_unique<background_thread>()};
}

shard::impl::impl(options with, disk& on, wall_clock& clock, executor& runs_on,
                  std::function<void(const std::string&)> fatal, own_parts own, parts uses)
    : options_(std::move(with)),
      clock_(clock),
      executor_(runs_on),
      fatal_(std::move(fatal)),
      own_(std::move(own)),
      worker_(uses.worker),
      driver_(uses.driver),
      tables_(uses.store),
      machine_(tables_),
      flusher_(tables_, uses.store, worker_, executor_, *this,
               {.replay_bytes_max = options_.replay_bytes_max}),
      journal_(
          on, journal_options(options_), tables_.meta.replay_from,
          [this](const journal::replayed_entry& entry) { replay(entry); }, recovery_) {
  if (!options_.warn) options_.warn = [](const std::string&) {};
  const std::vector<journal::generation> present = journal_.segments();
  for (const auto& [segment, row] : tables_.segments) {
    if (row.live_bytes > 0 && std::find(present.begin(), present.end(), segment) == present.end())
      throw error(errc::storage_corrupt, "journal segment " + std::to_string(segment.value()) +
                                             " is missing from " + (options_.directory / "journal").string() +
                                             ", and " + std::to_string(row.live_bytes) +
                                             " bytes of batches with it");
  }
}

shard::impl::~impl() {
  *self_ = nullptr;
  log_.reset();         // ends the journal's threads before what they report to
  own_.worker.reset();  // runs what was posted to it while the tables and the store are there
}

void shard::impl::post(std::function<void(impl&)> work) {
  executor_.post([self = self_, work = std::move(work)] {
    if (*self != nullptr) work(**self);
  });
}

void shard::impl::post_after(std::chrono::milliseconds delay, std::function<void(impl&)> work) {
  executor_.post_after(delay, [self = self_, work = std::move(work)] {
    if (*self != nullptr) work(**self);
  });
}

void shard::impl::replay(const journal::replayed_entry& entry) {
  const decoded_command decoded = decode_command(entry.bytes);
  const journal::place body{entry.payload.segment, entry.payload.position + decoded.head_bytes,
                            entry.payload.bytes - decoded.head_bytes};
  machine_.apply(decoded.what, body);
  // Nothing is flushed before the replay ends: only then is it known that what was replayed is durable, and
  // the state must never be ahead of the journal. Replays are short enough.
  flusher_.applied(entry.sequence, entry.index, entry.payload);
}

void shard::impl::start() {
  const auto relocate = [this](std::vector<journal::new_entry> entries, std::function<void()> applied) {
    proposal what{.entries = std::move(entries), .proposers = {}, .how = journal::urgency::normal};
    what.proposers.resize(what.entries.size());
    what.proposers.back().done = [applied = std::move(applied)](const effect&) { applied(); };
    return !propose(std::move(what));
  };
  log_.emplace(journal_, driver_, executor_, *this, fatal_);
  relocator_.emplace(tables_, journal_, worker_, executor_, relocate, options_.warn);
  compactor_.emplace(
      tables_, machine_, journal_, worker_, executor_, relocate, [this] { compact_later(); }, options_.warn);
  if (flusher_.due()) flusher_.start();
  collect_garbage();
  post([](impl& self) { self.fire_due(); });
  post_after(options_.retention_interval, [](impl& self) { self.tick(); });
}

void shard::impl::stop(std::function<void()> done) {
  stopping_ = true;
  stop_done_ = std::move(done);
  post([](impl& self) { self.finish_stop_if_idle(); });
}

void shard::impl::finish_stop_if_idle() {
  if (!stop_done_ || !proposed_.empty() || !held_.empty() || (flusher_.busy() && !flusher_.waits_for_space()))
    return;
  // A state that cannot be flushed for want of space is no reason not to stop: the journal has it all.
  if (!final_flush_done_ && flusher_.dirty() && !flusher_.waits_for_space() && !broken_) {
    final_flush_done_ = true;
    flusher_.start();
    return;
  }
  // Posted, because it may destroy the shard.
  executor_.post(std::exchange(stop_done_, nullptr));
}

void shard::impl::broken(const std::exception& why) {
  broken_ = true;
  fatal_(why.what());
}

// ---- proposing ----

failure shard::impl::propose(const command& what, journal::urgency how, std::function<void(effect)> done) {
  proposal single{.entries = {}, .proposers = {}, .how = how};
  single.entries.push_back({.kind = journal::entry_kind::command, .head = encoder_.encode(what), .body = {}});
  single.proposers.push_back({.group = nullptr, .index = 0, .done = std::move(done)});
  return propose(std::move(single));
}

failure shard::impl::propose(proposal what) {
  if (stopping_) return {errc::shutting_down, "the broker is stopping; connect again once it is back"};
  if (broken_) return {errc::storage_error, "the broker has failed and is about to end"};
  const bool frees_space = what.how == journal::urgency::frees_space;
  if (flusher_.waits_for_space() && !frees_space)
    return {errc::storage_full,
            "no room on disk to write the state; free space, delete topics or shorten retention"};
  if ((flusher_.overrun() || !held_.empty()) && !flusher_.waits_for_space()) {
    held_bytes_ += what.bytes();
    held_.push_back(std::move(what));
    return {};
  }
  return propose_now(std::move(what));
}

failure shard::impl::propose_now(proposal what) {
  const std::error_code refused = log_->propose(std::move(what.entries), what.how);
  if (!refused) {
    for (proposer& who : what.proposers) proposed_.push_back(std::move(who));
    return {};
  }
  if (refused == errc::storage_full) {
    if (!std::exchange(warned_of_full_, true))
      options_.warn("no room on disk for another journal segment in " + options_.directory.string() +
                    ": publishing is refused until there is");
    return {errc::storage_full,
            "no room on disk for another journal segment; free space, delete topics or "
            "shorten retention, then publish again"};
  }
  return {static_cast<errc>(refused.value()), "the journal refused an entry: " + refused.message()};
}

void shard::impl::release_held() {
  while (!held_.empty() && !flusher_.overrun()) {
    proposal next = std::move(held_.front());
    held_.pop_front();
    held_bytes_ -= next.bytes();
    std::vector<proposer> proposers = next.proposers;
    const failure why = propose_now(std::move(next));
    if (!why) continue;
    for (const proposer& who : proposers) {
      effect refused;
      refused.why = why;
      complete(who, std::move(refused));
    }
  }
}

// ---- applying ----

effect shard::impl::apply(const committed_entry& entry) {
  const command what = decode_command(entry.head).what;
  effect done = machine_.apply(what, entry.body);
  flusher_.applied(entry.sequence, entry.index, entry.payload);
  switch (done.readers) {
    case effect::change::nothing_to_read:
      break;
    case effect::change::records_added: {
      const auto& batch = std::get<append_command>(what);
      records_appended_ += batch.records;
      bytes_appended_ += batch.batch_bytes;
      watchers_.advance(batch.to, done.base_offset + batch.records);
      break;
    }
    case effect::change::topic_gone:
      watchers_.topic_gone(done.topic);
      break;
  }
  for (const committed_append& one : done.appends) {
    if (one.records == 0) continue;
    records_appended_ += one.records;
    bytes_appended_ += one.bytes;
    watchers_.advance(one.to, one.base_offset + one.records);
  }
  if (!done.why) note_topic_change(what, done);
  if (done.due) expect_timer(*done.due);
  return done;
}

void shard::impl::on_committed(std::vector<committed_entry> entries) {
  if (broken_) return;
  std::vector<std::pair<proposer, effect>> outcomes;
  outcomes.reserve(entries.size());
  try {
    for (const committed_entry& entry : entries) {
      assert(!proposed_.empty());
      outcomes.emplace_back(std::move(proposed_.front()), apply(entry));
      proposed_.pop_front();
    }
  } catch (const std::exception& why) {
    return broken(why);
  }
  // Whoever is told may call the shard again, so everything is applied first.
  tell_topic_changes();
  for (auto& [who, what] : outcomes) complete(who, std::move(what));
  watchers_.tell();
  if (flusher_.due()) flusher_.start();
  if (!tables_.garbage.empty()) collect_garbage();
  finish_stop_if_idle();
}

void shard::impl::on_space() {
  if (std::exchange(warned_of_full_, false)) options_.warn("there is room on disk again");
}

void shard::impl::complete(const proposer& who, effect what) {
  if (who.done) return who.done(std::move(what));
  if (who.group == nullptr) return;
  append_result& result = who.group->results[who.index];
  result.duplicate = what.duplicate;
  result.version = what.version;
  if (!what.why && what.base_offset != state::not_yet) result.base_offset = what.base_offset;
  result.why = std::move(what.why);
  if (--who.group->undecided == 0) who.group->done(std::move(who.group->results));
}

// ---- the contract ----

shard::shard(options with, disk& on, wall_clock& clock, executor& runs_on,
             std::function<void(const std::string&)> fatal) {
  impl::own_parts own = impl::make_parts(with, on);
  const parts uses{*own.store, *own.worker, journal::driven_by::threads};
  impl_ = std::make_unique<impl>(std::move(with), on, clock, runs_on, std::move(fatal), std::move(own), uses);
}

shard::shard(options with, disk& on, wall_clock& clock, executor& runs_on,
             std::function<void(const std::string&)> fatal, parts simulated)
    : impl_(std::make_unique<impl>(std::move(with), on, clock, runs_on, std::move(fatal), impl::own_parts{},
                                   simulated)) {}

shard::~shard() = default;

void shard::start() {
  impl_->start();
}
void shard::stop(std::function<void()> done) {
  impl_->stop(std::move(done));
}
bool shard::step_journal() {
  return impl_->journal_.step();
}
const journal::recovery_report& shard::recovery() const {
  return impl_->recovery_;
}

std::uint64_t shard::queued_bytes() const {
  return impl_->journal_.queued_bytes() + impl_->held_bytes_;
}

statistics shard::stats() const {
  statistics now;
  now.journal = impl_->journal_.stats();
  for (const auto& [segment, row] : impl_->tables_.segments) now.live_bytes += row.live_bytes;
  now.replay_bytes = impl_->flusher_.replay_bytes();
  now.topics = static_cast<std::uint32_t>(impl_->tables_.topics.size());
  now.partitions = static_cast<std::uint32_t>(impl_->tables_.partitions.size());
  now.records_appended = impl_->records_appended_;
  now.bytes_appended = impl_->bytes_appended_;
  return now;
}

}  // namespace skald::shard
