#include "broker/state/tables.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace skald::state {

namespace {

// meta has one row.
constexpr std::string_view meta_key{"\0", 1};

// Writes the changes of one table; `changed` is any range of (key, optional value), in order of key.
template <class Changes>
void write_changes(writer& to, table_id table, const Changes& changed, std::string& key, std::string& value) {
  for (const auto& [of, row] : changed) {
    encode(of, key);
    if (row) {
      encode(*row, value);
      to.put(table, key, value);
    } else {
      to.erase(table, key);
    }
  }
}

}  // namespace

meta_row load_meta(const store& from) {
  meta_row meta;
  if (const std::optional<std::string> stored = from.get(table_id::meta, meta_key)) decode(*stored, meta);
  return meta;
}

tables::tables(store& in)
    : meta(load_meta(in)),
      batches(in, table_id::batches),
      places(in, table_id::places),
      producers(in, table_id::producers),
      keys(in, table_id::keys),
      group_positions(in, table_id::group_positions),
      key_records(in, table_id::key_records),
      message_ids(in, table_id::message_ids),
      commits(in, table_id::commits),
      committers(in, table_id::committers),
      queue_records(in, table_id::queue_records),
      timers(in, table_id::timers),
      timer_names(in, table_id::timer_names) {
  topics.load(in);
  partitions.load(in);
  segments.load(in);
  garbage.load(in);
  queues.load(in);
  queue_partitions.load(in);
  named_producers.load(in);
}

frozen_tables tables::freeze() {
  meta.schema = schema_version;  // which it may be the first to be written as
  frozen_tables frozen{.meta = meta, .live_bytes = {}, .write = {}};
  for (const auto& [segment, row] : segments) frozen.live_bytes.emplace_back(segment, row.live_bytes);
  frozen.write = [meta = meta, topics = topics.freeze(), partitions = partitions.freeze(),
                  segments = segments.freeze(), garbage = garbage.freeze(), batches = batches.freeze(),
                  places = places.freeze(), producers = producers.freeze(), keys = keys.freeze(),
                  key_records = key_records.freeze(), message_ids = message_ids.freeze(),
                  commits = commits.freeze(), committers = committers.freeze(),
                  group_positions = group_positions.freeze(), queues = queues.freeze(),
                  queue_partitions = queue_partitions.freeze(), queue_records = queue_records.freeze(),
                  timers = timers.freeze(), timer_names = timer_names.freeze(),
                  named_producers = named_producers.freeze()](writer& to) {
    std::string key;
    std::string value;
    encode(meta, value);
    to.put(table_id::meta, meta_key, value);
    write_changes(to, table_id::topics, topics, key, value);
    write_changes(to, table_id::partitions, partitions, key, value);
    write_changes(to, table_id::segments, segments, key, value);
    write_changes(to, table_id::garbage, garbage, key, value);
    write_changes(to, table_id::batches, *batches, key, value);
    write_changes(to, table_id::places, *places, key, value);
    write_changes(to, table_id::producers, *producers, key, value);
    write_changes(to, table_id::group_positions, *group_positions, key, value);
    write_changes(to, table_id::keys, *keys, key, value);
    write_changes(to, table_id::key_records, *key_records, key, value);
    write_changes(to, table_id::message_ids, *message_ids, key, value);
    write_changes(to, table_id::commits, *commits, key, value);
    write_changes(to, table_id::committers, *committers, key, value);
    write_changes(to, table_id::queues, queues, key, value);
    write_changes(to, table_id::queue_partitions, queue_partitions, key, value);
    write_changes(to, table_id::queue_records, *queue_records, key, value);
    write_changes(to, table_id::timers, *timers, key, value);
    write_changes(to, table_id::timer_names, *timer_names, key, value);
    write_changes(to, table_id::named_producers, named_producers, key, value);
  };
  return frozen;
}

void tables::thaw() {
  batches.thaw();
  places.thaw();
  producers.thaw();
  group_positions.thaw();
  keys.thaw();
  key_records.thaw();
  message_ids.thaw();
  commits.thaw();
  committers.thaw();
  queue_records.thaw();
  timers.thaw();
  timer_names.thaw();
}

std::size_t tables::changed_rows() const {
  return topics.changed_rows() + partitions.changed_rows() + segments.changed_rows() +
         garbage.changed_rows() + batches.changed_rows() + places.changed_rows() + producers.changed_rows() +
         keys.changed_rows() + key_records.changed_rows() + message_ids.changed_rows() +
         commits.changed_rows() + committers.changed_rows() + group_positions.changed_rows() +
         queues.changed_rows() + queue_partitions.changed_rows() + queue_records.changed_rows() +
         timers.changed_rows() + timer_names.changed_rows() + named_producers.changed_rows();
}

}  // namespace skald::state
