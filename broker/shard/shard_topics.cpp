#include <utility>

#include "broker/shard/shard_impl.hpp"
#include "skald/protocol/record_batch.hpp"

namespace skald::shard {

topic_settings changed(topic_settings from, const topic_changes& by) {
  from.partitions = by.partitions.value_or(from.partitions);
  from.retention_bytes = by.retention_bytes.value_or(from.retention_bytes);
  from.retention_ms = by.retention_ms.value_or(from.retention_ms);
  from.bytes_max = by.bytes_max.value_or(from.bytes_max);
  from.record_bytes_max = by.record_bytes_max.value_or(from.record_bytes_max);
  from.batch_bytes_max = by.batch_bytes_max.value_or(from.batch_bytes_max);
  from.cleanup = by.cleanup.value_or(from.cleanup);
  from.compact_after_ms = by.compact_after_ms.value_or(from.compact_after_ms);
  from.keep_tombstones_ms = by.keep_tombstones_ms.value_or(from.keep_tombstones_ms);
  return from;
}

failure shard::impl::check_settings(const topic_settings& settings) const {
  const auto invalid = [](std::string message) {
    return failure{errc::invalid_settings, std::move(message)};
  };
  const auto bound = [](std::int64_t value) { return value == unlimited || value >= 0; };
  if (settings.partitions == 0) return invalid("a topic has at least one partition");
  if (!bound(settings.retention_bytes)) return invalid("retention_bytes has to be -1 (unlimited) or more");
  if (!bound(settings.retention_ms)) return invalid("retention_ms has to be -1 (unlimited) or more");
  if (!bound(settings.bytes_max)) return invalid("bytes_max has to be -1 (unlimited) or more");
  if (settings.compact_after_ms < 0) return invalid("compact_after_ms has to be 0 or more");
  if (settings.keep_tombstones_ms < 0) return invalid("keep_tombstones_ms has to be 0 or more");
  if (settings.cleanup == topic_cleanup::compact) {
    if (settings.index != topic_index::key)
      return invalid("cleanup = compact goes by keys: it needs index = key, from the topic's creation on");
    if (settings.retention_bytes != unlimited || settings.retention_ms != unlimited ||
        settings.bytes_max != unlimited)
      return invalid(
          "with cleanup = compact the newest record of each key stays, whatever its age: retention_ms, "
          "retention_bytes and bytes_max have to be unlimited");
  }
  if (settings.record_bytes_max == 0) return invalid("record_bytes_max has to be more than 0");
  // What a command puts before the batch, generously.
  constexpr std::uint64_t head_bytes_max = 1024;
  const std::uint64_t batch_max = journal::payload_bytes_max(options_.journal) - head_bytes_max;
  if (settings.batch_bytes_max < protocol::batch_header_bytes || settings.batch_bytes_max > batch_max)
    return invalid("batch_bytes_max has to be from " + std::to_string(protocol::batch_header_bytes) + " to " +
                   std::to_string(batch_max) + ", which a journal segment holds");
  return {};
}

partition_info shard::impl::info_of(const state::partition_key& of, const state::partition_row& row) const {
  return {of.partition, row.log_start, row.end, row.bytes};
}

topic_info shard::impl::info_of(topic_id id, bool with_partitions) const {
  topic_info info;
  const state::topic_row* topic = tables_.topics.find(id);
  if (topic == nullptr) return info;
  info.name = topic->name;
  info.id = id;
  info.created = topic->created;
  info.settings = topic->settings;
  const auto end = tables_.partitions.lower_bound({topic_id(id.value() + 1), partition_id(0)});
  for (auto at = tables_.partitions.lower_bound({id, partition_id(0)}); at != end; ++at) {
    const auto [key, row] = *at;
    info.bytes += row.bytes;
    info.records += row.end - row.log_start;
    if (with_partitions) info.partitions.push_back(info_of(key, row));
  }
  return info;
}

void shard::create_topic(std::string name, topic_settings settings, bool if_absent, topic_done done) {
  impl& self = *impl_;
  const auto tell = std::make_shared<topic_done>(std::move(done));
  failure why = self.check_settings(settings);
  if (!why) {
    const command create = create_topic_command{.name = std::move(name),
                                                .settings = settings,
                                                .if_absent = if_absent,
                                                .now = self.clock_.now(),
                                                .partitions_max = self.options_.partitions_max};
    why = self.propose(create, journal::urgency::normal, [&self, tell](effect made) {
      (*tell)(std::move(made.why), self.info_of(made.topic, true));
    });
  }
  if (why) self.post([tell, why](impl&) { (*tell)(why, {}); });
}

void shard::alter_topic(std::string_view name, topic_changes changes, topic_done done) {
  impl& self = *impl_;
  const auto tell = std::make_shared<topic_done>(std::move(done));
  failure why;
  if (const auto id = self.machine_.find(name)) {
    why = self.check_settings(changed(self.tables_.topics.find(*id)->settings, changes));
    // Altering may shorten retention, so it gets the room that is kept for what frees space.
    const command alter = alter_topic_command{*id, changes, self.options_.partitions_max};
    if (!why)
      why = self.propose(alter, journal::urgency::frees_space, [&self, tell](effect altered) {
        (*tell)(std::move(altered.why), self.info_of(altered.topic, true));
      });
  } else {
    why = {errc::unknown_topic, "there is no topic '" + std::string(name) + "'"};
  }
  if (why) self.post([tell, why](impl&) { (*tell)(why, {}); });
}

void shard::delete_topic(std::string_view name, std::function<void(failure)> done) {
  impl& self = *impl_;
  const auto tell = std::make_shared<std::function<void(failure)>>(std::move(done));
  failure why{errc::unknown_topic, "there is no topic '" + std::string(name) + "'"};
  if (const auto id = self.machine_.find(name)) {
    why = self.propose(delete_topic_command{*id}, journal::urgency::frees_space,
                       [tell](effect deleted) { (*tell)(std::move(deleted.why)); });
  }
  if (why) self.post([tell, why](impl&) { (*tell)(why); });
}

std::optional<topic_info> shard::describe_topic(std::string_view name) const {
  const auto id = impl_->machine_.find(name);
  return id ? std::optional(impl_->info_of(*id, true)) : std::nullopt;
}

std::vector<topic_info> shard::list_topics(std::string_view after, std::size_t limit, bool& more) const {
  std::vector<topic_info> listed;
  const auto& topics = impl_->machine_.topics_by_name();
  auto at = topics.upper_bound(after);
  for (; at != topics.end() && listed.size() < limit; ++at)
    listed.push_back(impl_->info_of(at->second, false));
  more = at != topics.end();
  return listed;
}

std::optional<shard::resolved_topic> shard::find_topic(std::string_view name) const {
  const auto id = impl_->machine_.find(name);
  if (!id) return std::nullopt;
  return resolved_topic{*id, impl_->tables_.topics.find(*id)->settings.partitions, std::string(name)};
}

std::vector<shard::resolved_topic> shard::find_topics(const protocol::topic_pattern& like) const {
  std::vector<resolved_topic> found;
  for (const auto& [name, id] : impl_->machine_.topics_by_name()) {
    if (like.matches(name)) found.push_back({id, impl_->tables_.topics.find(id)->settings.partitions, name});
  }
  return found;
}

void shard::watch_topics(std::function<void(const topic_change&)> tell) {
  impl_->topic_watcher_ = std::move(tell);
}

void shard::impl::note_topic_change(const command& what, const effect& done) {
  using kind = topic_change::kind;
  topic_change change{.what = kind::created, .topic = done.topic, .name = {}, .partitions = 0};
  if (std::holds_alternative<delete_topic_command>(what)) {
    change.what = kind::deleted;
  } else if (std::holds_alternative<alter_topic_command>(what)) {
    change.what = kind::grew;
  } else if (!std::holds_alternative<create_topic_command>(what)) {
    return;
  }
  if (const state::topic_row* topic = tables_.topics.find(done.topic)) {
    change.name = topic->name;
    change.partitions = topic->settings.partitions;
  }
  topic_changes_.push_back(std::move(change));
}

void shard::impl::tell_topic_changes() {
  for (const topic_change& one : std::exchange(topic_changes_, {})) {
    if (topic_watcher_) topic_watcher_(one);
  }
}

topic_info shard::topic(topic_id id) const {
  return impl_->info_of(id, false);
}

}  // namespace skald::shard
