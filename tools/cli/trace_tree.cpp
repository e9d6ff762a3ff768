#include "tools/cli/trace_tree.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <tuple>

namespace skald::cli {
namespace {

class tree {
 public:
  explicit tree(const std::vector<traced_place>& records)
      : records_(records), by_time_(records.size()), effects_(records.size()), shown_(records.size()) {
    std::iota(by_time_.begin(), by_time_.end(), 0);
    std::ranges::sort(by_time_, {}, [&](std::size_t at) {
      const traced_place& one = records_[at];
      return std::tie(one.time, one.topic, one.partition, one.offset);
    });
    for (const std::size_t at : by_time_) by_id_[records_[at].id].push_back(at);
    for (const std::size_t at : by_time_)
      if (const auto cause = cause_of(at))
        effects_[*cause].push_back(at);
      else
        roots_.push_back(at);
  }

  std::vector<tree_line> lines() {
    for (const std::size_t root : roots_) show(root);
    for (const std::size_t at : by_time_) show(at);  // rings
    return std::move(lines_);
  }

 private:
  std::optional<std::size_t> cause_of(std::size_t at) const {
    const traced_place& effect = records_[at];
    const auto found = by_id_.find(effect.cause);
    if (effect.cause.empty() || effect.cause == effect.id || found == by_id_.end()) return std::nullopt;
    std::size_t cause = found->second.front();
    for (const std::size_t one : found->second)
      if (records_[one].time <= effect.time) cause = one;
    return cause;
  }

  // Without recursion: a chain of causes may be as long as there are records.
  void show(std::size_t root) {
    std::vector<tree_line> next{{root, 0}};
    while (!next.empty()) {
      const tree_line line = next.back();
      next.pop_back();
      if (shown_[line.record]) continue;
      shown_[line.record] = true;
      lines_.push_back(line);
      const std::vector<std::size_t>& effects = effects_[line.record];
      for (auto one = effects.rbegin(); one != effects.rend(); ++one) next.push_back({*one, line.depth + 1});
    }
  }

  const std::vector<traced_place>& records_;
  std::vector<std::size_t> by_time_;
  std::map<std::string, std::vector<std::size_t>, std::less<>> by_id_;
  std::vector<std::vector<std::size_t>> effects_;  // of each record, by time
  std::vector<std::size_t> roots_;
  std::vector<bool> shown_;
  std::vector<tree_line> lines_;
};

}  // namespace

std::vector<tree_line> arrange(const std::vector<traced_place>& records) {
  return tree(records).lines();
}

}  // namespace skald::cli
