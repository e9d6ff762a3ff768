#include "broker/shard/watch_list.hpp"

#include <algorithm>
#include <utility>

namespace skald::shard {

void watch_list::add(const state::partition_key& of, offset from, watcher& who) {
  watches_[of].push_back({from, &who});
}

void watch_list::remove(const state::partition_key& of, watcher& who) {
  std::erase(due_, &who);
  const auto found = watches_.find(of);
  if (found == watches_.end()) return;
  std::erase_if(found->second, [&](const watch& w) { return w.who == &who; });
  if (found->second.empty()) watches_.erase(found);
}

void watch_list::advance(const state::partition_key& of, offset end) {
  const auto found = watches_.find(of);
  if (found == watches_.end()) return;
  std::erase_if(found->second, [&](const watch& w) {
    if (w.from >= end) return false;
    due_.push_back(w.who);
    return true;
  });
  if (found->second.empty()) watches_.erase(found);
}

void watch_list::topic_gone(topic_id topic) {
  auto at = watches_.lower_bound({topic, partition_id(0)});
  while (at != watches_.end() && at->first.topic == topic) {
    for (const watch& w : at->second) due_.push_back(w.who);
    at = watches_.erase(at);
  }
}

void watch_list::tell() {
  // Those who become due while others are told are told the next time, so that this ends.
  for (std::size_t left = due_.size(); left > 0 && !due_.empty(); --left) {
    watcher* const first = due_.front();
    due_.pop_front();
    first->on_readable();
  }
}

}  // namespace skald::shard
