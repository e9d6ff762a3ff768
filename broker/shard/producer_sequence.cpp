#include "broker/shard/producer_sequence.hpp"

#include "skald/protocol/record_batch.hpp"

namespace skald::shard {

sequence_verdict judge_sequence(const state::producer_row* known, const append_command& batch) {
  using kind = sequence_verdict::kind;
  if (known == nullptr) return {kind::next, {}};
  if (batch.epoch < known->epoch) return {kind::fenced, {}};
  if (batch.epoch > known->epoch) return {batch.base_sequence == 0 ? kind::next : kind::out_of_order, {}};
  // A duplicate is looked for first: with few, large batches a wrapped sequence could otherwise pass as next.
  for (const state::producer_row::sent& sent : known->batches)
    if (sent.base_sequence == batch.base_sequence && sent.records == batch.records)
      return {kind::duplicate, sent.base_offset};
  return {batch.base_sequence == known->next_sequence ? kind::next : kind::out_of_order, {}};
}

void remember_batch(state::producer_row& producer, const append_command& batch, offset base_offset) {
  if (batch.epoch != producer.epoch) producer.batches.clear();
  if (producer.batches.size() == state::producer_row::remembered_max)
    producer.batches.erase(producer.batches.begin());
  producer.epoch = batch.epoch;
  producer.next_sequence = protocol::sequence_after(batch.base_sequence, batch.records);
  producer.last_seen = batch.now;
  producer.batches.push_back({batch.base_sequence, batch.records, base_offset});
}

state::producer_row introduce(const append_command& refused) {
  return {.epoch = refused.epoch,
          .next_sequence = refused.base_sequence,
          .last_seen = refused.now,
          .batches = {}};
}

}  // namespace skald::shard
