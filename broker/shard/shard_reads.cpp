#include <algorithm>
#include <utility>

#include "broker/shard/partition_index.hpp"
#include "broker/shard/shard_impl.hpp"

namespace skald::shard {

failure shard::impl::missing(const partition_ref& of) const {
  const state::topic_row* topic = tables_.topics.find(of.topic);
  if (topic == nullptr) return {errc::unknown_topic, "the topic has been deleted"};
  return {errc::unknown_partition,
          "topic '" + topic->name + "' has " + std::to_string(topic->settings.partitions) +
              " partitions; there is no partition " + std::to_string(of.partition.value())};
}

void shard::impl::pin_segments(read_plan& plan) const {
  for (const stored_batch& batch : plan.batches) {
    const auto pinned = [&](const auto& pin) { return pin.first == batch.at.segment; };
    if (std::any_of(plan.pins.rbegin(), plan.pins.rend(), pinned)) continue;
    journal::segment_pin pin = journal_.pin(batch.at.segment);
    if (pin == nullptr)
      throw error(errc::storage_corrupt, "journal segment " + std::to_string(batch.at.segment.value()) +
                                             " is gone, and batches are still in it");
    plan.pins.emplace_back(batch.at.segment, std::move(pin));
  }
}

std::optional<partition_info> shard::partition(partition_ref of) const {
  const state::partition_key key{of.topic, of.partition};
  const state::partition_row* row = impl_->tables_.partitions.find(key);
  return row == nullptr ? std::nullopt : std::optional(impl_->info_of(key, *row));
}

read_plan shard::plan_read(partition_ref of, offset from, std::uint64_t bytes_max, expired records) const {
  read_plan plan;
  const state::partition_key key{of.topic, of.partition};
  const state::partition_row* row = impl_->tables_.partitions.find(key);
  if (row == nullptr) {
    plan.why = impl_->missing(of);
    return plan;
  }
  plan.high_watermark = row->end;
  plan.log_start = row->log_start;
  plan.next = from;
  if (from < row->log_start || from > row->end) {
    plan.why = {errc::offset_out_of_range, "offset " + std::to_string(from.value()) + " is outside of " +
                                               std::to_string(row->log_start.value()) + " to " +
                                               std::to_string(row->end.value()) +
                                               ", which the partition holds"};
    return plan;
  }
  if (from == row->end) return plan;
  try {
    const timestamp now = records == expired::included ? timestamp::min() : impl_->clock_.now();
    plan.batches = batches_from(impl_->tables_, key, from, bytes_max, now, plan.next);
    impl_->pin_segments(plan);
  } catch (const error& failed) {
    plan = {};
    plan.why = {static_cast<errc>(failed.code().value()), failed.message()};
  }
  return plan;
}

read_plan shard::plan_find(partition_ref of, timestamp at) const {
  read_plan plan;
  const state::partition_key key{of.topic, of.partition};
  const state::partition_row* row = impl_->tables_.partitions.find(key);
  if (row == nullptr) {
    plan.why = impl_->missing(of);
    return plan;
  }
  plan.high_watermark = row->end;
  plan.log_start = row->log_start;
  try {
    if (const auto found = first_batch_at(impl_->tables_, key, at)) {
      const auto& [base, batch] = *found;
      plan.batches.push_back({base, batch.records, batch.leader_epoch, batch.at});
      impl_->pin_segments(plan);
    }
  } catch (const error& failed) {
    plan = {};
    plan.why = {static_cast<errc>(failed.code().value()), failed.message()};
  }
  return plan;
}

void shard::watch(partition_ref of, offset from, watcher& who) {
  const state::partition_key key{of.topic, of.partition};
  const state::partition_row* row = impl_->tables_.partitions.find(key);
  if (row != nullptr && from >= row->end) return impl_->watchers_.add(key, from, who);
  impl_->watchers_.add_due(who);
  impl_->post([](impl& self) { self.watchers_.tell(); });
}

void shard::unwatch(partition_ref of, watcher& who) {
  impl_->watchers_.remove({of.topic, of.partition}, who);
}

}  // namespace skald::shard
