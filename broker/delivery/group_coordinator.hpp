// All consumer groups of a shard, by name. A group is here while it has members; its positions are in the
// state.
//
// A pure core, like the groups it holds: whoever drives it passes the time, and carries the effects to
// members.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/delivery/consumer_group.hpp"

namespace skald::delivery {

class group_coordinator {
 public:
  // Positions of a group's partitions are in the state: it has had members before.
  using was_there = std::function<bool(const std::string& group)>;

  struct settings {
    // How long, after the start, partitions of a group that was there are kept back for members that claim
    // them.
    std::chrono::milliseconds grace{3'000};
  };

  group_coordinator(settings with, steady_time started, consumer_group::topic_finder find,
                    std::function<std::uint64_t()> new_id, was_there known);

  // The group, made if need be.
  consumer_group& open(const std::string& name, steady_time now);
  // Null when it has no members.
  consumer_group* find(std::string_view name);
  const consumer_group* look(std::string_view name) const;
  // In order of name, those after `after`.
  std::vector<std::string> names(std::string_view after, std::size_t limit) const;
  bool empty() const { return groups_.empty(); }

  void topic_changed(const shard::topic_change& change, steady_time now);
  void tick(steady_time now);

  struct told {
    std::string group;
    std::vector<group_effect> effects;
  };
  // What there is to tell the members of any group that was touched, and forgets groups without members.
  std::vector<told> take_effects();

 private:
  settings settings_;
  steady_time started_;
  consumer_group::topic_finder find_;
  std::function<std::uint64_t()> new_id_;
  was_there known_;
  std::map<std::string, std::unique_ptr<consumer_group>, std::less<>> groups_;
  std::vector<std::string> touched_;
};

}  // namespace skald::delivery
