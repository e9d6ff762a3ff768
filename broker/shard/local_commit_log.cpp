#include "broker/shard/local_commit_log.hpp"

#include <cassert>
#include <utility>

namespace skald::shard {

local_commit_log::local_commit_log(journal::journal& to, journal::driven_by driver, executor& runs_on,
                                   commit_log::listener& reports,
                                   std::function<void(const std::string&)> fatal)
    : journal_(to), runs_on_(runs_on), reports_(reports), fatal_(std::move(fatal)) {
  journal_.start(*this, driver);
}

local_commit_log::~local_commit_log() {
  *self_ = nullptr;
  journal_.stop();  // may still call on_durable(), whose post then finds nobody
}

std::error_code local_commit_log::propose(std::vector<journal::new_entry> entries, journal::urgency how) {
  // The journal takes the heads with it, and apply needs them too: they are small, batches are not.
  const std::size_t before = proposed_.size();
  for (const journal::new_entry& entry : entries) proposed_.push_back({entry.kind, entry.head});
  const std::error_code failed = journal_.append(std::move(entries), how);
  if (failed) proposed_.resize(before);
  if (!failed && journal_.left_to_owner()) commit_when_idle();
  return failed;
}

void local_commit_log::commit_when_idle() {
  if (std::exchange(will_look_, true)) return;
  runs_on_.post_when_idle([self = self_](executor::load is) {
    local_commit_log* const here = *self;
    if (here == nullptr) return;
    here->will_look_ = false;
    const bool idle = is == executor::load::idle;
    const bool again =
        here->journal_.commit_here(idle ? journal::journal::owner::idle : journal::journal::owner::busy);
    if (again) here->commit_when_idle();
  });
}

void local_commit_log::on_durable(std::vector<journal::durable_entry> group) {
  runs_on_.post([self = self_, group = std::move(group)] {
    if (*self != nullptr) (*self)->commit(group);
  });
}

void local_commit_log::commit(const std::vector<journal::durable_entry>& group) {
  assert(proposed_.size() >= group.size());
  std::vector<committed_entry> committed;
  committed.reserve(group.size());
  for (const journal::durable_entry& entry : group) {
    proposed& mine = proposed_.front();
    committed.push_back({.kind = mine.kind,
                         .sequence = entry.sequence,
                         .index = entry.index,
                         .payload = entry.payload,
                         .body = entry.body,
                         .head = std::move(mine.head)});
    proposed_.pop_front();
  }
  reports_.on_committed(std::move(committed));
}

void local_commit_log::on_space() {
  runs_on_.post([self = self_] {
    if (*self != nullptr) (*self)->reports_.on_space();
  });
}

void local_commit_log::on_fatal(const std::string& why) {
  fatal_(why);
}

}  // namespace skald::shard
