#include <limits>
#include <utility>

#include "broker/shard/shard_impl.hpp"

namespace skald::shard {

using state::group_position_key;
using state::group_position_row;

void shard::commit_positions(std::string group, const std::vector<position>& positions,
                             std::function<void(failure)> done) {
  const auto tell = std::make_shared<std::function<void(failure)>>(std::move(done));
  commit_positions_command commit{.positions = {std::move(group), {}}, .now = impl_->clock_.now()};
  commit.positions.positions.reserve(positions.size());
  for (const position& one : positions) {
    commit.positions.positions.push_back({{one.of.topic, one.of.partition}, one.next});
  }
  // Spares the journal what is certain to be refused; apply decides.
  failure why = check_positions(impl_->tables_, commit.positions);
  if (!why) {
    why = impl_->propose(std::move(commit), journal::urgency::normal,
                         [tell](effect made) { (*tell)(std::move(made.why)); });
  }
  if (why) impl_->post([tell, why](impl&) { (*tell)(why); });
}

void shard::delete_positions(std::string group, std::function<void(failure)> done) {
  const auto tell = std::make_shared<std::function<void(failure)>>(std::move(done));
  const failure why = impl_->propose(delete_group_command{std::move(group)}, journal::urgency::normal,
                                     [tell](effect made) { (*tell)(std::move(made.why)); });
  if (why) impl_->post([tell, why](impl&) { (*tell)(why); });
}

std::optional<offset> shard::group_position(const std::string& group, partition_ref of) const {
  const auto row = impl_->tables_.group_positions.get({group, {of.topic, of.partition}});
  return row ? std::optional(row->next) : std::nullopt;
}

std::vector<shard::position> shard::group_positions(const std::string& group, partition_ref from,
                                                    std::size_t limit) const {
  std::vector<position> found;
  const state::tables& tables = impl_->tables_;
  tables.group_positions.scan({group, {from.topic, from.partition}}, [&](const group_position_key& key,
                                                                         const group_position_row& row) {
    if (key.group != group || found.size() == limit) return false;
    // Those of deleted topics are on their way out.
    if (tables.topics.find(key.of.topic) != nullptr) {
      found.push_back({{key.of.topic, key.of.partition}, row.next, row.committed});
    }
    return true;
  });
  return found;
}

std::vector<std::string> shard::groups(std::string after, std::size_t limit) const {
  constexpr std::uint32_t last = std::numeric_limits<std::uint32_t>::max();
  std::vector<std::string> found;
  const state::tables& tables = impl_->tables_;
  // From one group to the next, without looking at the positions between them.
  for (std::optional<std::string> next = std::move(after); next && found.size() < limit;) {
    const group_position_key from{*next, {topic_id(last), partition_id(last)}};
    next.reset();
    tables.group_positions.scan(from, [&](const group_position_key& key, const group_position_row&) {
      if (key == from || tables.topics.find(key.of.topic) == nullptr) return true;
      next = key.group;
      return false;
    });
    if (next) found.push_back(*next);
  }
  return found;
}

std::optional<std::string> shard::name_of(topic_id topic) const {
  const state::topic_row* const row = impl_->tables_.topics.find(topic);
  return row == nullptr ? std::nullopt : std::optional(row->name);
}

}  // namespace skald::shard
