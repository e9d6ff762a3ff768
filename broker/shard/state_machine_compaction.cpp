// What compaction does to the state.
#include <limits>
#include <utility>
#include <vector>

#include "broker/shard/state_machine.hpp"

namespace skald::shard {

using state::batch_key;
using state::batch_row;

effect state_machine::on(const compacted_command& c, journal::place batch) {
  std::optional<batch_row> row = tables_.batches.get(c.batch);
  const state::partition_row* partition = tables_.partitions.find(c.batch.of);
  // It may have gone or moved since, or a queue was made that is to hand out what is there; then what was
  // written is dead on arrival.
  if (!row || row->labels == nullptr || state::place_key{row->at.segment, row->at.position} != c.from ||
      partition == nullptr || c.batch.base < partition->log_start ||
      c.batch.base + row->records > queues_.unsettled_from(c.batch.of))
    return {};
  if (c.kept.empty()) {
    drop_superseded(c.batch, std::move(*row));
    return {};
  }
  free_place(row->at);
  tables_.segments.edit_or_add(batch.segment).live_bytes += batch.bytes;
  tables_.places.put({batch.segment, batch.position}, {c.batch});
  row->at = batch;
  row->newest_record = c.newest;
  row->labels = index_.keep(c.batch, *row->labels, c.kept);
  tables_.batches.put(c.batch, *row);
  return {};
}

void state_machine::drop_superseded(const batch_key& batch, batch_row row) {
  index_.forget(batch, *row.labels);
  free_place(row.at);
  // The first row of a partition stays, so that the others have one to join.
  if (batch.base > tables_.partitions.find(batch.of)->log_start) {
    auto before = tables_.batches.at_or_before({batch.of, offset(batch.base.value() - 1)});
    constexpr auto most = std::numeric_limits<std::uint32_t>::max();
    if (before && before->first.of == batch.of && before->second.records <= most - row.records) {
      before->second.records += row.records;
      tables_.batches.put(before->first, before->second);
      tables_.batches.erase(batch);
      return;
    }
  }
  row.at = {};
  row.labels.reset();
  tables_.batches.put(batch, row);
}

effect state_machine::on(const expire_tombstones_command& c, journal::place) {
  for (const std::string& text : c.keys) {
    const state::text_key key{c.of, text};
    if (const auto newest = index_.tombstone_before(key, c.cutoff)) index_.forget_key(key, *newest);
  }
  return {};
}

}  // namespace skald::shard
