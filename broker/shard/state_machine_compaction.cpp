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
  // It may have gone or moved since, and what was written is dead on arrival.
  if (!row || row->labels == nullptr || state::place_key{row->at.segment, row->at.position} != c.from)
    return {};
  if (c.kept.empty()) {
    drop_superseded(c.batch, std::move(*row));
    return {};
  }
  free_place(row->at);
  tables_.segments.edit_or_add(batch.segment).live_bytes += batch.bytes;
  tables_.places.put({batch.segment, batch.position}, c.batch);
  row->at = batch;
  row->labels = index_.keep(c.batch, *row->labels, c.kept);
  tables_.batches.put(c.batch, *row);
  return {};
}

void state_machine::drop_superseded(const batch_key& batch, batch_row row) {
  index_.forget(batch, *row.labels);
  free_place(row.at);
  if (batch.base > offset(0)) {
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
    const auto row = tables_.keys.get(key);
    if (row && row->tombstone && index_.age_of(c.of, row->latest) < c.cutoff) index_.forget_key(key);
  }
  return {};
}

}  // namespace skald::shard
