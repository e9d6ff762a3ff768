#include "broker/shard/dump.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "broker/shard/offline_state.hpp"
#include "broker/shard/queue_inspection.hpp"
#include "broker/shard/shard.hpp"
#include "broker/state/lmdb_store.hpp"
#include "skald/protocol/error.hpp"

namespace skald::shard {

namespace {

constexpr std::array<std::string_view, 3> queue_sections = {"queues", "queue_partitions", "queue_records"};
constexpr std::array<std::string_view, 17> all_sections = {
    "meta",     "topics",           "partitions",    "batches",     "producers",  "named_producers",
    "segments", "garbage",          "keys",          "message_ids", "committers", "group_positions",
    "queues",   "queue_partitions", "queue_records", "timers",      "journal"};

std::uint64_t number(std::uint64_t value) {
  return value;
}

using fields = std::vector<std::pair<std::string_view, dump_row::value>>;

void add(fields& to, const state::partition_key& key) {
  to.emplace_back("topic_id", number(key.topic.value()));
  to.emplace_back("partition", number(key.partition.value()));
}
void add(fields& to, const journal::place& at) {
  to.emplace_back("segment", at.segment.value());
  to.emplace_back("position", number(at.position));
  to.emplace_back("bytes", number(at.bytes));
}

// ---- commands, as fields of a journal row ----

void describe(fields& to, const append_command& c) {
  to.emplace_back("command", "append");
  add(to, c.to);
  to.emplace_back("records", number(c.records));
  if (c.producer) {
    to.emplace_back("producer", c.producer->value());
    to.emplace_back("epoch", number(c.epoch.value()));
    to.emplace_back("base_sequence", std::int64_t{c.base_sequence});
  }
  if (waits(c)) to.emplace_back("due_ms", ms(*c.terms->due));
  to.emplace_back("now_ms", ms(c.now));
}
void describe(fields& to, const create_topic_command& c) {
  to.emplace_back("command", "create_topic");
  to.emplace_back("name", c.name);
  to.emplace_back("partitions", number(c.settings.partitions));
  to.emplace_back("now_ms", ms(c.now));
}
void describe(fields& to, const alter_topic_command& c) {
  to.emplace_back("command", "alter_topic");
  to.emplace_back("topic_id", number(c.topic.value()));
}
void describe(fields& to, const delete_topic_command& c) {
  to.emplace_back("command", "delete_topic");
  to.emplace_back("topic_id", number(c.topic.value()));
}
void describe(fields& to, const init_producer_command& c) {
  to.emplace_back("command", "init_producer");
  if (c.name.empty()) return;
  to.emplace_back("name", c.name);
  if (c.renews) {
    to.emplace_back("producer", c.renews->id.value());
    to.emplace_back("epoch", number(c.renews->epoch.value()));
  }
  to.emplace_back("now_ms", ms(c.now));
}
void describe(fields& to, const trim_command& c) {
  to.emplace_back("command", "trim");
  add(to, c.of);
  to.emplace_back("log_start", c.log_start.value());
}
void describe(fields& to, const expire_producers_command& c) {
  to.emplace_back("command", "expire_producers");
  to.emplace_back("cutoff_ms", ms(c.cutoff));
}
void describe(fields& to, const commit_command& c) {
  to.emplace_back("command", "commit");
  to.emplace_back("appends", number(c.appends.size()));
  to.emplace_back("timers", number(c.timers.size()));
  if (c.producer) {
    to.emplace_back("producer", c.producer->value());
    to.emplace_back("epoch", number(c.epoch.value()));
    to.emplace_back("commit_sequence", c.sequence);
  }
  describe_settled(to, c.settled);
  for (const group_positions& moved : c.positions) {
    to.emplace_back("group", moved.group);
    to.emplace_back("positions", number(moved.positions.size()));
  }
  to.emplace_back("now_ms", ms(c.now));
}
void describe(fields& to, const expire_committers_command& c) {
  to.emplace_back("command", "expire_committers");
  to.emplace_back("cutoff_ms", ms(c.cutoff));
}
void describe(fields& to, const expire_named_producers_command& c) {
  to.emplace_back("command", "expire_named_producers");
  to.emplace_back("cutoff_ms", ms(c.cutoff));
}
void describe(fields& to, const commit_positions_command& c) {
  to.emplace_back("command", "commit_positions");
  to.emplace_back("group", c.positions.group);
  to.emplace_back("positions", number(c.positions.positions.size()));
  to.emplace_back("now_ms", ms(c.now));
}
void describe(fields& to, const delete_group_command& c) {
  to.emplace_back("command", "delete_group");
  to.emplace_back("group", c.group);
}
void describe(fields& to, const fire_command& c) {
  to.emplace_back("command", "fire");
  to.emplace_back("timers", number(c.timers.size()));
  to.emplace_back("now_ms", ms(c.now));
}
void describe(fields& to, const relocated_command& c) {
  to.emplace_back("command", "relocated");
  if (const auto* timer = std::get_if<state::timer_key>(&c.moved.what)) {
    to.emplace_back("timer", timer->id);
  } else {
    const auto& batch = std::get<state::batch_key>(c.moved.what);
    add(to, batch.of);
    to.emplace_back("base_offset", batch.base.value());
  }
  to.emplace_back("from_segment", c.from.segment.value());
  to.emplace_back("from_position", number(c.from.position));
}

void describe(fields& to, const compacted_command& c) {
  to.emplace_back("command", "compacted");
  add(to, c.batch.of);
  to.emplace_back("base_offset", c.batch.base.value());
  to.emplace_back("records", number(c.kept.size()));
  to.emplace_back("from_segment", c.from.segment.value());
  to.emplace_back("from_position", number(c.from.position));
}
void describe(fields& to, const expire_tombstones_command& c) {
  to.emplace_back("command", "expire_tombstones");
  add(to, c.of);
  to.emplace_back("cutoff_ms", ms(c.cutoff));
  to.emplace_back("keys", number(c.keys.size()));
}

class dumper final : public offline_state::listener {
 public:
  dumper(disk& on, const std::filesystem::path& directory, state::store& flushed,
         std::span<const std::string> sections, const std::function<void(const dump_row&)>& out)
      : state_(on, directory / "journal", flushed),
        tables_(state_.tables()),
        sections_(sections),
        out_(out) {}

  void run() {
    // The tables are complete once the journal has been walked, but come before it.
    state_.walk(silent_);
    if (wants("meta")) meta();
    if (wants("topics")) topics();
    if (wants("partitions")) partitions();
    if (wants("batches")) batches();
    if (wants("producers")) producers();
    if (wants("named_producers")) named_producers();
    if (wants("segments")) segments();
    if (wants("garbage")) garbage();
    if (wants("group_positions")) group_positions();
    if (wants("keys")) keys();
    if (wants("message_ids")) message_ids();
    if (wants("committers")) committers();
    for (const std::string_view section : queue_sections)
      if (wants(section)) dump_queues(tables_, section, out_);
    if (wants("timers")) timers();
  }

  void on_entry(const offline_entry& entry) override {
    fields row{{"sequence", entry.header.sequence},
               {"index", entry.header.index},
               {"segment", entry.header.generation},
               {"position", entry.position},
               {"payload_bytes", number(entry.header.payload_bytes)},
               {"local", entry.header.kind == journal::entry_kind::local},
               {"flushed", !entry.replayed}};
    std::visit([&](const auto& c) { describe(row, c); }, entry.what);
    out_({"journal", std::move(row)});
  }
  void on_defect(const journal::defect& found) override {
    out_({"journal", {{"defect", found.what}, {"file", found.file.string()}, {"position", found.position}}});
  }

  bool wants(std::string_view section) const {
    return sections_.empty() || std::find(sections_.begin(), sections_.end(), section) != sections_.end();
  }

 private:
  void meta() {
    const state::meta_row& row = tables_.meta;
    out_({"meta",
          {{"schema", number(row.schema)},
           {"replay_from", row.replay_from.next.value()},
           {"replay_segment", row.replay_from.segment.value()},
           {"replay_position", number(row.replay_from.position)},
           {"applied_index", row.applied.value()},
           {"replayed", state_.replayed()},
           {"next_topic", number(row.next_topic.value())},
           {"next_producer", row.next_producer.value()},
           {"next_timer", row.next_timer}}});
  }
  void topics() {
    for (const auto& [id, row] : tables_.topics)
      out_({"topics",
            {{"topic_id", number(id.value())},
             {"name", row.name},
             {"created_ms", ms(row.created)},
             {"partitions", number(row.settings.partitions)},
             {"retention_bytes", row.settings.retention_bytes},
             {"retention_ms", row.settings.retention_ms},
             {"bytes_max", row.settings.bytes_max},
             {"record_bytes_max", number(row.settings.record_bytes_max)},
             {"batch_bytes_max", number(row.settings.batch_bytes_max)},
             {"index", row.settings.index == topic_index::key ? "key" : "none"},
             {"cleanup", row.settings.cleanup == topic_cleanup::compact ? "compact" : "delete"},
             {"compact_after_ms", row.settings.compact_after_ms},
             {"keep_tombstones_ms", row.settings.keep_tombstones_ms},
             {"compacted", row.compacted}}});
  }
  void partitions() {
    for (const auto& [key, row] : tables_.partitions) {
      fields f;
      add(f, key);
      f.emplace_back("log_start", row.log_start.value());
      f.emplace_back("end", row.end.value());
      f.emplace_back("bytes", row.bytes);
      f.emplace_back("bytes_appended", row.bytes_appended);
      f.emplace_back("newest_record_ms", ms(row.newest_record));
      f.emplace_back("waiting", row.waiting);
      out_({"partitions", std::move(f)});
    }
  }
  void batches() {
    tables_.batches.scan({}, [&](const state::batch_key& key, const state::batch_row& row) {
      fields f;
      add(f, key.of);
      f.emplace_back("base_offset", key.base.value());
      f.emplace_back("records", number(row.records));
      add(f, row.at);
      f.emplace_back("newest_record_ms", ms(row.newest_record));
      if (row.expires != state::never) f.emplace_back("expires_ms", ms(row.expires));
      out_({"batches", std::move(f)});
      return true;
    });
  }
  void producers() {
    tables_.producers.scan({}, [&](const state::producer_key& key, const state::producer_row& row) {
      fields f;
      add(f, key.on);
      f.emplace_back("producer", key.producer.value());
      f.emplace_back("epoch", number(row.epoch.value()));
      f.emplace_back("next_sequence", std::int64_t{row.next_sequence});
      f.emplace_back("last_seen_ms", ms(row.last_seen));
      out_({"producers", std::move(f)});
      return true;
    });
  }
  void named_producers() {
    for (const auto& [id, row] : tables_.named_producers)
      out_({"named_producers",
            {{"producer", id.value()},
             {"name", row.name},
             {"epoch", number(row.epoch.value())},
             {"last_seen_ms", ms(row.last_seen)}}});
  }
  void segments() {
    for (const auto& [segment, row] : tables_.segments)
      out_({"segments", {{"segment", segment.value()}, {"live_bytes", row.live_bytes}}});
  }
  void garbage() {
    for (const auto& [key, row] : tables_.garbage) {
      fields f;
      add(f, key);
      f.emplace_back("from", row.from.value());
      f.emplace_back("to", row.to.value());
      f.emplace_back("topic_deleted", row.topic_deleted);
      out_({"garbage", std::move(f)});
    }
  }

  void keys() {
    tables_.keys.scan({}, [&](const state::text_key& key, const state::key_row& row) {
      fields f;
      add(f, key.of);
      f.emplace_back("key", key.text);
      f.emplace_back("version", row.version);
      f.emplace_back("latest", row.latest.value());
      f.emplace_back("tombstone", row.tombstone);
      out_({"keys", std::move(f)});
      return true;
    });
  }
  void message_ids() {
    tables_.message_ids.scan({}, [&](const state::text_key& id, const state::offset_row& row) {
      fields f;
      add(f, id.of);
      f.emplace_back("message_id", id.text);
      if (row.at != state::not_yet) f.emplace_back("offset", row.at.value());
      out_({"message_ids", std::move(f)});
      return true;
    });
  }
  void committers() {
    tables_.committers.scan({}, [&](const producer_id& key, const state::committer_row& row) {
      out_({"committers",
            {{"producer", key.value()},
             {"epoch", number(row.epoch.value())},
             {"newest_commit", row.newest},
             {"last_seen_ms", ms(row.last_seen)}}});
      return true;
    });
  }

  void group_positions() {
    tables_.group_positions.scan(
        {}, [&](const state::group_position_key& key, const state::group_position_row& row) {
          fields f;
          f.emplace_back("group", key.group);
          add(f, key.of);
          f.emplace_back("next", row.next.value());
          f.emplace_back("committed_ms", ms(row.committed));
          out_({"group_positions", std::move(f)});
          return true;
        });
  }
  void timers() {
    tables_.timers.scan({}, [&](const state::timer_key& key, const state::timer_row& row) {
      fields f{{"due_ms", ms(key.due)}, {"timer", key.id}, {"owner", row.owner}, {"name", row.name}};
      add(f, row.to);
      add(f, row.at);
      out_({"timers", std::move(f)});
      return true;
    });
  }

  offline_state::listener silent_;
  offline_state state_;
  const state::tables& tables_;
  std::span<const std::string> sections_;
  const std::function<void(const dump_row&)>& out_;
};

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\', out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += escape;
    } else {
      out += c;
    }
  }
  return out += '"';
}

struct printer {
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(const std::string& value) const { return json_string(value); }
  template <class Number>
  std::string operator()(Number value) const {
    return std::to_string(value);
  }
};

}  // namespace

std::span<const std::string_view> dump_sections() {
  return all_sections;
}

std::string to_text(const dump_row& row) {
  std::string line(row.section);
  for (const auto& [name, value] : row.fields)
    (line += ' ').append(name) += '=' + std::visit(printer(), value);
  return line;
}

std::string to_json(const dump_row& row) {
  std::string line = "{\"section\":" + json_string(row.section);
  for (const auto& [name, value] : row.fields)
    line += ',' + json_string(name) + ':' + std::visit(printer(), value);
  return line += '}';
}

void dump(disk& on, const std::filesystem::path& directory, state::store& flushed,
          std::span<const std::string> sections, const std::function<void(const dump_row&)>& out) {
  for (const std::string& section : sections)
    if (std::find(all_sections.begin(), all_sections.end(), section) == all_sections.end())
      throw error(errc::invalid_request, "there is no section '" + section + "' to dump");
  dumper tables(on, directory, flushed, sections, out);
  tables.run();
  if (!tables.wants("journal")) return;
  offline_state again(on, directory / "journal", flushed);
  again.walk(tables);
}

void dump(disk& on, const std::filesystem::path& directory, std::span<const std::string> sections,
          const std::function<void(const dump_row&)>& out) {
  state::lmdb_store flushed(directory / "state", options().state_map_bytes,
                            state::lmdb_store::access::read_only);
  dump(on, directory, flushed, sections, out);
}

}  // namespace skald::shard
