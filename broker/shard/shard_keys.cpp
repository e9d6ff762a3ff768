// Reading by key.
#include <algorithm>
#include <utility>

#include "broker/shard/partition_index.hpp"
#include "broker/shard/shard_impl.hpp"

namespace skald::shard {

failure shard::impl::not_indexed(const partition_ref& of) const {
  const state::topic_row* topic = tables_.topics.find(of.topic);
  if (topic == nullptr || of.partition.value() >= topic->settings.partitions) return missing(of);
  if (topic->settings.index == topic_index::key) return {};
  return {errc::not_indexed, "topic '" + topic->name + "' has no index of keys; create one with index = key"};
}

key_plan shard::plan_key(partition_ref of, std::string_view key, std::uint64_t from_version,
                         std::size_t limit) const {
  const impl& self = *impl_;
  key_plan found;
  found.plan.why = self.not_indexed(of);
  if (found.plan.why) return found;
  const state::text_key wanted{{of.topic, of.partition}, std::string(key)};
  const auto newest = self.machine_.index().find_key(wanted);
  if (!newest) {
    found.plan.why = {errc::unknown_key, "no record has this key"};
    return found;
  }
  const state::partition_row& partition = *self.tables_.partitions.find(wanted.of);
  found.version = newest->version;
  found.plan.high_watermark = partition.end;
  found.plan.log_start = partition.log_start;
  if (limit == 0) {
    found.records.push_back({newest->version, newest->latest});
  } else {
    const state::key_record_key from{wanted, from_version};
    self.tables_.key_records.scan(from, [&](const state::key_record_key& at, const state::offset_row& row) {
      if (at.of != wanted || at.version > newest->version) return false;
      if (row.at >= partition.log_start) found.records.push_back({at.version, row.at});
      return found.records.size() < limit;
    });
  }
  const timestamp now = self.clock_.now();
  try {
    std::erase_if(found.records, [&](key_plan::record& record) {
      std::vector<stored_batch>& batches = found.plan.batches;
      const bool in_last =
          !batches.empty() && record.at < batches.back().base_offset + batches.back().records;
      if (!in_last) {
        const auto& [base, row] = batch_holding(self.tables_, wanted.of, record.at);
        if (row.expires <= now) return true;
        batches.push_back({base, row.records, row.leader_epoch, row.at});
      }
      record.batch = batches.size() - 1;
      return false;
    });
    self.pin_segments(found.plan);
    if (limit == 0 && found.records.empty())
      found.plan.why = {errc::unknown_key, "the newest record with this key has expired"};
  } catch (const error& failed) {
    found = {};
    found.plan.why = {static_cast<errc>(failed.code().value()), failed.message()};
  }
  return found;
}

key_listing shard::list_keys(partition_ref of, std::string_view prefix, std::string_view after,
                             std::size_t limit) const {
  const impl& self = *impl_;
  key_listing listing;
  listing.why = self.not_indexed(of);
  if (listing.why) return listing;
  const state::text_key from{{of.topic, of.partition}, std::string(std::max(prefix, after))};
  const state::partition_row& partition = *self.tables_.partitions.find(from.of);
  const timestamp now = self.clock_.now();
  const auto has_expired = [&](offset at) {
    return partition.may_expire && batch_holding(self.tables_, from.of, at).second.expires <= now;
  };
  self.tables_.keys.scan(from, [&](const state::text_key& key, const state::key_row& row) {
    if (key.of != from.of || !key.text.starts_with(prefix)) return false;
    if (row.tombstone || row.latest < partition.log_start || (!after.empty() && key.text == after))
      return true;
    if (has_expired(row.latest)) return true;
    listing.more = listing.keys.size() == limit;
    if (!listing.more) listing.keys.push_back({key.text, row.version, row.latest});
    return !listing.more;
  });
  return listing;
}

}  // namespace skald::shard
