#include "client/src/member_positions.hpp"

#include <algorithm>

namespace skald::detail {

void member_positions::attached() {
  for (auto& [of, is] : partitions_) {
    is.held = false;
    is.sent = is.committed;
  }
}

void member_positions::assigned(const placed_offset& at) {
  const auto [found, is_new] = partitions_.try_emplace(at.of);
  progress& is = found->second;
  // It goes on where it was, with what is not committed yet, or begins somewhere else.
  if (is_new || is.given != at.offset) is = {at.offset, at.offset, at.offset, at.offset};
  is.held = true;
  is.leaving = false;
}

void member_positions::revoked(const topic_partition& of) {
  progress& is = partitions_[of];
  is.held = is.leaving = true;
}

void member_positions::given(const topic_partition& of, offset next) {
  const auto found = partitions_.find(of);
  if (found != partitions_.end()) found->second.given = std::max(found->second.given, next);
}

void member_positions::processed_all() {
  for (auto& [of, is] : partitions_) is.processed = is.given;
}

std::vector<placed_offset> member_positions::begin_commit() {
  std::vector<placed_offset> positions;
  for (auto& [of, is] : partitions_) {
    if (!is.held || is.processed <= is.sent) continue;
    is.sent = is.processed;
    positions.push_back({of, is.sent});
  }
  return positions;
}

void member_positions::sent(const placed_offset& at) {
  const auto found = partitions_.find(at.of);
  if (found == partitions_.end()) return;
  progress& is = found->second;
  is.sent = is.processed = at.offset;
  is.given = std::max(is.given, at.offset);
}

void member_positions::acknowledged(const placed_offset& at) {
  const auto found = partitions_.find(at.of);
  if (found == partitions_.end()) return;
  progress& is = found->second;
  is.committed = std::max(is.committed, at.offset);
  is.sent = std::max(is.sent, at.offset);
  is.processed = std::max(is.processed, at.offset);
  is.given = std::max(is.given, at.offset);
}

void member_positions::committed(const std::vector<placed_offset>& positions) {
  for (const auto& one : positions) {
    const auto found = partitions_.find(one.of);
    if (found != partitions_.end()) found->second.committed = one.offset;
  }
}

void member_positions::commit_failed(const std::vector<placed_offset>& positions) {
  for (const auto& one : positions) {
    const auto found = partitions_.find(one.of);
    if (found != partitions_.end()) found->second.sent = found->second.committed;
  }
}

std::vector<topic_partition> member_positions::take_releasable() {
  std::vector<topic_partition> released;
  std::erase_if(partitions_, [&](const auto& entry) {
    const progress& is = entry.second;
    if (!is.held || !is.leaving || is.given > is.sent) return false;
    released.push_back(entry.first);
    return true;
  });
  return released;
}

}  // namespace skald::detail
