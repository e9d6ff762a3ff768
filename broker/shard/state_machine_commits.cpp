// How a commit is applied: checked whole, then done whole.
//
// Timers are cancelled and moved first, so that one commit can cancel a timer and set it anew. Then come the
// appends. The parts of a commit are checked in order, each against the state and what the parts before it
// will have changed. A new kind of part adds a check to refuses() that changes nothing, and a step to on()
// that cannot fail.
#include <algorithm>
#include <utility>
#include <vector>

#include "broker/shard/staged_appends.hpp"
#include "broker/shard/state_machine.hpp"

namespace skald::shard {

failure state_machine::version_conflict(const append_command& c, const staged* before,
                                        std::uint64_t& version) const {
  if (c.terms == nullptr || !c.terms->expected_version) return {};
  const state::topic_row& topic = *tables_.topics.find(c.to.topic);
  if (c.terms->keys.size() != 1)
    return {errc::not_indexed, "topic '" + topic.name +
                                   "' has no index of keys, so that a version cannot be expected; create it "
                                   "with index = key"};
  const state::text_key key{c.to, c.terms->keys.front().key};
  const auto newest = index_.find_key(key);
  version = newest ? newest->version : 0;
  if (before != nullptr)
    if (const auto found = before->records.find(key); found != before->records.end())
      version += found->second;
  if (version == *c.terms->expected_version) return {};
  return {errc::version_conflict, "the key is at version " + std::to_string(version) + " in topic '" +
                                      topic.name + "', not at " + std::to_string(*c.terms->expected_version) +
                                      "; read what was added, and decide again"};
}

bool state_machine::refuses(const commit_command& c, effect& outcome) const {
  staged before;
  if (refuses_timers(c, before, outcome)) return true;
  for (std::uint32_t i = 0; i < c.appends.size(); ++i) {
    const append_command& append = c.appends[i];
    outcome.refused = {commit_part::kind::append, i};
    outcome.why = wrong_target(append);
    if (outcome.why) return true;
    const std::optional<bool> known = before.knows_message(append);
    if (known ? *known : known_message(append).has_value()) continue;
    outcome.why = limits_broken(append, *tables_.topics.find(append.to.topic),
                                *tables_.partitions.find(append.to), &before);
    if (!outcome.why) outcome.why = version_conflict(append, &before, outcome.version);
    if (outcome.why) return true;
    replace_timer(append, before);
    before.add(append);
  }
  for (std::uint32_t i = 0; i < c.settled.size(); ++i) {
    outcome.refused = {commit_part::kind::settlement, i};
    outcome.why = queues_.check(c.settled[i]);
    if (outcome.why) return true;
  }
  for (std::uint32_t i = 0; i < c.positions.size(); ++i) {
    outcome.refused = {commit_part::kind::position, i};
    outcome.why = check_inputs(tables_, c.positions[i]);
    if (outcome.why) return true;
  }
  outcome.refused = {};
  return false;
}

bool state_machine::is_settled(producer_id by, producer_epoch epoch, std::uint64_t sequence,
                               effect& outcome) const {
  outcome.why = fenced(by, epoch);
  if (outcome.why) return true;
  const auto committer = tables_.committers.get(by);
  if (!committer) return false;
  if (epoch < committer->epoch) {
    outcome.why = {errc::fenced_producer,
                   "producer " + std::to_string(by.value()) + " has committed with a newer epoch than " +
                       std::to_string(epoch.value()) + "; this instance of it has to stop"};
    return true;
  }
  if (epoch > committer->epoch) return false;
  const auto row = tables_.commits.get({by, sequence});
  if (row && row->epoch == epoch) {
    outcome.duplicate = true;
    for (const state::commit_row::appended& one : row->appends)
      outcome.appends.push_back(
          {.to = one.to, .base_offset = one.base, .version = one.version, .duplicate = one.duplicate});
    return true;
  }
  if (sequence > committer->newest || committer->newest - sequence < state::commit_row::remembered_max)
    return false;
  outcome.why = {errc::out_of_order_sequence, "commit " + std::to_string(sequence) + " of producer " +
                                                  std::to_string(by.value()) +
                                                  " is too old to tell whether it was made: the newest is " +
                                                  std::to_string(committer->newest)};
  return true;
}

void state_machine::remember(const commit_command& c, const effect& outcome) {
  if (!c.producer) return;
  note_use(*c.producer, c.now);
  state::committer_row committer = tables_.committers.get(*c.producer).value_or(state::committer_row{});
  const bool anew = c.epoch > committer.epoch;
  const std::uint64_t newest = anew ? c.sequence : std::max(committer.newest, c.sequence);
  forget_commits(*c.producer, committer.newest, anew ? std::nullopt : std::optional(newest));
  committer.newest = newest;
  committer.epoch = c.epoch;
  committer.last_seen = c.now;
  tables_.committers.put(*c.producer, committer);
  state::commit_row row{.epoch = c.epoch, .appends = {}};
  for (const committed_append& one : outcome.appends)
    row.appends.push_back({one.to, one.base_offset, one.version, one.duplicate});
  tables_.commits.put({*c.producer, c.sequence}, std::move(row));
}

// Of those remembered while `before` was the newest, what is too old once `newest` is; without one, all.
void state_machine::forget_commits(producer_id by, std::uint64_t before,
                                   std::optional<std::uint64_t> newest) {
  constexpr std::uint64_t remembered = state::commit_row::remembered_max;
  for (std::uint64_t back = std::min(before, remembered - 1);; --back) {
    if (newest && *newest - (before - back) < remembered) return;
    tables_.commits.erase({by, before - back});
    if (back == 0) return;
  }
}

effect state_machine::on(const commit_command& c, journal::place batches) {
  effect outcome;
  if (c.producer && is_settled(*c.producer, c.epoch, c.sequence, outcome)) return outcome;
  if (refuses(c, outcome)) return outcome;
  for (const timer_change& change : c.timers) change_timer(change, outcome.due);
  journal::place batch = batches;
  for (const append_command& append : c.appends) {
    batch.bytes = append.batch_bytes;
    committed_append done{.to = append.to};
    if (const auto original = known_message(append)) {
      done.base_offset = *original;
      done.duplicate = true;
    } else {
      take_in(append, batch, done, outcome.due);
    }
    outcome.appends.push_back(done);
    batch.position += append.batch_bytes;
  }
  for (const queue_range& range : c.settled) queues_.settle(range);
  for (const group_positions& moved : c.positions) apply_positions(tables_, moved, c.now);
  remember(c, outcome);
  return outcome;
}

effect state_machine::on(const expire_committers_command& c, journal::place) {
  std::vector<producer_id> idle;
  tables_.committers.scan(c.first, [&](const producer_id& key, const state::committer_row& row) {
    if (key > c.last) return false;
    if (row.last_seen < c.cutoff) idle.push_back(key);
    return true;
  });
  for (const producer_id& key : idle) {
    std::vector<state::commit_key> commits;
    tables_.commits.scan({key, 0}, [&](const state::commit_key& commit, const state::commit_row&) {
      if (commit.producer != key) return false;
      commits.push_back(commit);
      return true;
    });
    for (const state::commit_key& commit : commits) tables_.commits.erase(commit);
    tables_.committers.erase(key);
  }
  return {};
}

}  // namespace skald::shard
