#include "broker/state/queue_rows.hpp"

#include "broker/state/encoding.hpp"

namespace skald::state {

// ---- keys ----

void encode(const queue_id& key, std::string& out) {
  encoder(out).number(key);
}
void encode(const queue_partition_key& key, std::string& out) {
  encoder(out).number(key.queue).number(key.partition);
}
void encode(const queue_record_key& key, std::string& out) {
  encoder(out).number(key.of.queue).number(key.of.partition).number(key.first);
}

void decode(std::string_view in, queue_id& key) {
  decoder(in).number(key).finish();
}
void decode(std::string_view in, queue_partition_key& key) {
  decoder(in).number(key.queue).number(key.partition).finish();
}
void decode(std::string_view in, queue_record_key& key) {
  decoder(in).number(key.of.queue).number(key.of.partition).number(key.first).finish();
}

// ---- values ----

void encode(const queue_row& row, std::string& out) {
  const queue_settings& with = row.settings;
  encoder(out)
      .text(row.name)
      .number(row.topic)
      .number(row.created)
      .number(with.lease_ms)
      .number(with.max_attempts)
      .number(with.backoff_min_ms)
      .number(with.backoff_max_ms)
      .number(static_cast<std::uint8_t>(with.ordered_by_key))
      .text(with.dead_letter);
}
void decode(std::string_view in, queue_row& row) {
  queue_settings& with = row.settings;
  std::uint8_t ordered = 0;
  decoder(in)
      .text(row.name)
      .number(row.topic)
      .number(row.created)
      .number(with.lease_ms)
      .number(with.max_attempts)
      .number(with.backoff_min_ms)
      .number(with.backoff_max_ms)
      .number(ordered)
      .text(with.dead_letter)
      .finish();
  with.ordered_by_key = ordered != 0;
}

void encode(const queue_partition_row& row, std::string& out) {
  encoder(out).number(row.floor).number(row.settled_above).number(row.ranges_above);
}
void decode(std::string_view in, queue_partition_row& row) {
  decoder(in).number(row.floor).number(row.settled_above).number(row.ranges_above).finish();
}

void encode(const queue_record_row& row, std::string& out) {
  encoder(out)
      .number(row.end)
      .number(static_cast<std::uint8_t>(row.settled))
      .number(row.attempts)
      .number(row.parked_until)
      .text(row.reason);
}
void decode(std::string_view in, queue_record_row& row) {
  std::uint8_t settled = 0;
  decoder(in)
      .number(row.end)
      .number(settled)
      .number(row.attempts)
      .number(row.parked_until)
      .text(row.reason)
      .finish();
  row.settled = settled != 0;
}

}  // namespace skald::state
