#include "broker/delivery/group_coordinator.hpp"

#include <algorithm>

namespace skald::delivery {

group_coordinator::group_coordinator(settings with, steady_time started, consumer_group::topic_finder find,
                                     std::function<std::uint64_t()> new_id, was_there known)
    : settings_(with),
      started_(started),
      find_(std::move(find)),
      new_id_(std::move(new_id)),
      known_(std::move(known)) {}

consumer_group& group_coordinator::open(const std::string& name, steady_time now) {
  auto& group = groups_[name];
  if (group == nullptr) {
    group = std::make_unique<consumer_group>(find_, new_id_);
    const steady_time hold = started_ + settings_.grace;
    if (now < hold && known_(name)) group->hold_until(hold);
  }
  touched_.push_back(name);
  return *group;
}

consumer_group* group_coordinator::find(std::string_view name) {
  const auto found = groups_.find(name);
  if (found == groups_.end()) return nullptr;
  touched_.push_back(found->first);
  return found->second.get();
}

const consumer_group* group_coordinator::look(std::string_view name) const {
  const auto found = groups_.find(name);
  return found == groups_.end() ? nullptr : found->second.get();
}

std::vector<std::string> group_coordinator::names(std::string_view after, std::size_t limit) const {
  std::vector<std::string> listed;
  for (auto at = groups_.upper_bound(after); at != groups_.end() && listed.size() < limit; ++at) {
    listed.push_back(at->first);
  }
  return listed;
}

void group_coordinator::topic_changed(const shard::topic_change& change, steady_time now) {
  for (const auto& [name, group] : groups_) {
    group->topic_changed(change, now);
    touched_.push_back(name);
  }
}

void group_coordinator::tick(steady_time now) {
  for (const auto& [name, group] : groups_) {
    const auto next = group->next_tick();
    if (!next || *next > now) continue;
    group->tick(now);
    touched_.push_back(name);
  }
}

std::vector<group_coordinator::told> group_coordinator::take_effects() {
  std::vector<told> all;
  std::vector<std::string> touched = std::exchange(touched_, {});
  std::ranges::sort(touched);
  const auto repeated = std::ranges::unique(touched);
  touched.erase(repeated.begin(), repeated.end());
  for (const std::string& name : touched) {
    const auto found = groups_.find(name);
    if (found == groups_.end()) continue;
    auto effects = found->second->take_effects();
    if (!effects.empty()) all.push_back({name, std::move(effects)});
    if (found->second->empty()) groups_.erase(found);
  }
  return all;
}

}  // namespace skald::delivery
