#include "broker/shard/verify.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/journal/segment.hpp"
#include "broker/shard/offline_state.hpp"
#include "broker/shard/queue_inspection.hpp"
#include "broker/shard/shard.hpp"
#include "broker/state/lmdb_store.hpp"
#include "skald/protocol/error.hpp"
#include "skald/protocol/record_batch.hpp"
#include "skald/protocol/topic_name.hpp"

namespace skald::shard {

namespace {

std::string name_of(const state::partition_key& key) {
  return "partition " + std::to_string(key.partition.value()) + " of topic id " +
         std::to_string(key.topic.value());
}
std::string name_of(const state::batch_key& key) {
  return name_of(key.of) + ", batch at offset " + std::to_string(key.base.value());
}

std::string name_of(const state::timer_key& key) {
  return "timer " + std::to_string(key.id);
}

class verifier final : public offline_state::listener {
 public:
  verifier(disk& on, const std::filesystem::path& directory, state::store& flushed,
           const std::function<void(const finding&)>& report)
      : disk_(on),
        journal_(directory / "journal"),
        state_(on, journal_, flushed),
        tables_(state_.tables()),
        report_(report) {}

  verification run() {
    const journal::inspection walked = state_.walk(*this);
    counts_.segments = walked.segments;
    counts_.entries = walked.entries;
    counts_.replayed = state_.replayed();
    if (walked.torn_bytes > 0)
      found(finding::severity::note, journal_.string(),
            std::to_string(walked.torn_bytes) + " bytes of group commits that a crash cut short");
    check_topics();
    check_partitions();
    check_producers();
    check_named_producers();
    check_group_positions();
    check_index();
    check_keys();
    check_message_ids();
    check_commits();
    check_timers();
    check_timer_names();
    check_places();
    check_segments();
    counts_.queues = check_queues(
        tables_, [this](std::string where, std::string what) { wrong(std::move(where), std::move(what)); });
    return counts_;
  }

 private:
  void on_defect(const journal::defect& defect) override {
    wrong(defect.file.string() + ":" + std::to_string(defect.position), defect.what);
  }
  void found(finding::severity is, std::string where, std::string what) {
    ++(is == finding::severity::error ? counts_.errors : counts_.notes);
    report_({is, std::move(where), std::move(what)});
  }
  void wrong(std::string where, std::string what) {
    found(finding::severity::error, std::move(where), std::move(what));
  }

  void check_topics() {
    for (const auto& [id, topic] : tables_.topics) {
      ++counts_.topics;
      const std::string where = "topic '" + topic.name + "'";
      if (id >= tables_.meta.next_topic) wrong(where, "its id is not below the next to be given");
      for (std::uint32_t p = 0; p < topic.settings.partitions; ++p)
        if (tables_.partitions.find({id, partition_id(p)}) == nullptr)
          wrong(where, "partition " + std::to_string(p) + " is missing");
    }
  }

  void check_partitions() {
    for (const auto& [key, row] : tables_.partitions) {
      ++counts_.partitions;
      counts_.records += row.end - row.log_start;
      const state::topic_row* topic = tables_.topics.find(key.topic);
      if (topic == nullptr || key.partition.value() >= topic->settings.partitions)
        wrong(name_of(key), "it belongs to no topic");
      check_batches_of(key, row);
    }
  }

  bool is_compacted(const state::partition_key& of) const {
    const state::topic_row* topic = tables_.topics.find(of.topic);
    return topic != nullptr && topic->compacted;
  }

  // The batches from log_start to end, one after the other.
  void check_batches_of(const state::partition_key& of, const state::partition_row& row) {
    const bool compacted = is_compacted(of);  // then what was appended counts, not what is left of it
    offset expected = row.log_start;
    std::uint64_t bytes = 0;
    timestamp newest{};
    tables_.batches.scan(
        {of, row.log_start}, [&](const state::batch_key& key, const state::batch_row& batch) {
          if (key.of != of) return false;
          if (key.base != expected)
            wrong(name_of(of), "offsets " + std::to_string(expected.value()) + " to " +
                                   std::to_string(key.base.value()) + " are in no batch, or in two");
          if (batch.records == 0) wrong(name_of(key), "it is indexed with no records");
          if (bytes > 0 && batch.newest_record_so_far < newest)
            wrong(name_of(key), "the running newest timestamp falls");
          if (batch.newest_record > batch.newest_record_so_far)
            wrong(name_of(key), "its newest timestamp is above the running one");
          if (!compacted && batch.bytes_before + row.bytes != row.bytes_appended + bytes)
            wrong(name_of(key), "the running total of bytes does not add up");
          newest = batch.newest_record_so_far;
          bytes += batch.at.bytes;
          expected = key.base + batch.records;
          return true;
        });
    if (expected != row.end)
      wrong(name_of(of), "its batches end at offset " + std::to_string(expected.value()) + ", it itself at " +
                             std::to_string(row.end.value()));
    if (!compacted && bytes != row.bytes)
      wrong(name_of(of), "its batches have " + std::to_string(bytes) + " bytes, it is said to have " +
                             std::to_string(row.bytes));
  }

  void check_producers() {
    tables_.producers.scan({}, [&](const state::producer_key& key, const state::producer_row& row) {
      ++counts_.producers;
      const std::string where = name_of(key.on) + ", producer " + std::to_string(key.producer.value());
      const state::garbage_row* garbage = tables_.garbage.find(key.on);
      const bool deleted = garbage != nullptr && garbage->topic_deleted;
      if (tables_.partitions.find(key.on) == nullptr && !deleted) wrong(where, "there is no such partition");
      if (row.batches.size() > state::producer_row::remembered_max)
        wrong(where, "too much is remembered of it");
      const state::named_producer_row* named = tables_.named_producers.find(key.producer);
      if (named != nullptr && row.epoch > named->epoch)
        wrong(where, "its epoch is above the newest of its name");
      return true;
    });
  }

  void check_named_producers() {
    std::set<std::string> names;
    for (const auto& [id, row] : tables_.named_producers) {
      ++counts_.named_producers;
      const std::string where = "producer " + std::to_string(id.value()) + ", named '" + row.name + "'";
      if (!protocol::check_producer_name(row.name)) wrong(where, "it cannot have that name");
      if (!names.insert(row.name).second) wrong(where, "another has the same name");
      if (id < state::first_named_producer ||
          id.value() - state::first_named_producer.value() >= tables_.meta.next_producer.value())
        wrong(where, "its id is not one that is given to names, or not below the next to be given");
    }
  }

  void check_group_positions() {
    tables_.group_positions.scan(
        {}, [&](const state::group_position_key& key, const state::group_position_row& row) {
          ++counts_.group_positions;
          const std::string where = name_of(key.of) + ", position of group '" + key.group + "'";
          if (const state::partition_row* const partition = tables_.partitions.find(key.of)) {
            if (row.next > partition->end)
              wrong(where, "it is at offset " + std::to_string(row.next.value()) + ", past the end");
          } else if (tables_.garbage.find({key.of.topic, partition_id(0)}) == nullptr) {
            wrong(where, "there is no such partition");
          }
          return true;
        });
  }

  // Every indexed batch, readable or garbage: that it has a right to be there, and its place.
  void check_index() {
    tables_.batches.scan({}, [&](const state::batch_key& key, const state::batch_row& row) {
      ++counts_.batches;
      counts_.batch_bytes += row.at.bytes;
      live_bytes_[row.at.segment] += row.at.bytes;
      const state::partition_row* partition = tables_.partitions.find(key.of);
      const bool readable = partition != nullptr && key.base >= partition->log_start;
      const state::garbage_row* garbage = tables_.garbage.find(key.of);
      const bool is_garbage = garbage != nullptr && key.base >= garbage->from && key.base < garbage->to;
      if (!readable && !is_garbage) wrong(name_of(key), "it is indexed, but nobody can read it");
      if (row.at.bytes == 0) {
        if (row.labels != nullptr || (readable && !is_compacted(key.of)))
          wrong(name_of(key), "it is indexed without a place");
        return true;
      }
      if (tables_.places.get({row.at.segment, row.at.position}) != state::place_row{key})
        wrong(name_of(key), "its place is not known as its own");
      if (readable && row.labels != nullptr) check_labels(key, row);
      return true;
    });
  }

  // That a readable batch can be found by its message id and by its records' keys.
  void check_labels(const state::batch_key& batch, const state::batch_row& row) {
    const state::batch_labels& labels = *row.labels;
    if (!labels.message_id.empty()) {
      const auto known = tables_.message_ids.get({batch.of, labels.message_id});
      if (!known || known->at != batch.base) wrong(name_of(batch), "its message id leads elsewhere");
    }
    const bool compacted = is_compacted(batch.of);
    if (!compacted && !labels.keys.empty() && labels.keys.size() != row.records)
      wrong(name_of(batch), "it does not have as many keys as records");
    for (const state::batch_labels::keyed& one : labels.keys) {
      const offset at = batch.base + one.delta;
      const auto known = tables_.key_records.get({{batch.of, one.key}, one.version});
      const auto newest = tables_.keys.get({batch.of, one.key});
      // Of superseded records nothing more needs to be known.
      if (compacted && (!newest || newest->latest != at)) continue;
      if (!known || known->at != at)
        wrong(name_of(batch), "version " + std::to_string(one.version) + " of a key leads elsewhere");
      if (!newest || newest->version < one.version ||
          (newest->version == one.version) != (newest->latest == at))
        wrong(name_of(batch), "a key's newest record is not what it should be");
    }
  }

  // Whether a row that speaks of this offset counts, and its record is there.
  bool is_kept(const state::partition_key& of, offset at) const {
    const state::partition_row* partition = tables_.partitions.find(of);
    return partition != nullptr && at >= partition->log_start;
  }
  bool is_stored(const state::partition_key& of, offset at) const {
    const auto batch = tables_.batches.at_or_before({of, at});
    if (!batch || batch->first.of != of || at >= batch->first.base + batch->second.records) return false;
    if (!is_compacted(of)) return true;
    return batch->second.labels != nullptr &&
           std::ranges::any_of(batch->second.labels->keys, [&](const state::batch_labels::keyed& one) {
             return batch->first.base + one.delta == at;
           });
  }

  void check_keys() {
    tables_.keys.scan({}, [&](const state::text_key& key, const state::key_row& row) {
      if (!is_kept(key.of, row.latest)) return true;
      ++counts_.keys;
      if (row.version == 0 || !is_stored(key.of, row.latest))
        wrong(name_of(key.of), "the newest record of a key, at offset " + std::to_string(row.latest.value()) +
                                   ", is not there");
      return true;
    });
  }

  void check_message_ids() {
    tables_.message_ids.scan({}, [&](const state::text_key& id, const state::offset_row& row) {
      if (row.at == state::not_yet) {
        waiting_ids_ += 1;
      } else if (is_kept(id.of, row.at) && !is_stored(id.of, row.at))
        wrong(name_of(id.of),
              "the record of a message id, at offset " + std::to_string(row.at.value()) + ", is not there");
      return true;
    });
  }

  void check_commits() {
    tables_.commits.scan({}, [&](const state::commit_key& key, const state::commit_row&) {
      const auto committer = tables_.committers.get(key.producer);
      if (!committer || key.sequence > committer->newest)
        wrong(
            "commit " + std::to_string(key.sequence) + " of producer " + std::to_string(key.producer.value()),
            "its producer is not known to have made it");
      return true;
    });
  }

  // Also that a name leads to each timer that has one: check_timer_names() sees that there are no more.
  void check_timers() {
    std::map<state::partition_key, std::pair<std::uint64_t, std::uint64_t>> waiting;
    tables_.timers.scan({}, [&](const state::timer_key& key, const state::timer_row& row) {
      ++counts_.timers;
      live_bytes_[row.at.segment] += row.at.bytes;
      const std::string where = name_of(key);
      auto& [timers, bytes] = waiting[row.to];
      timers += 1, bytes += row.at.bytes;
      const state::garbage_row* garbage = tables_.garbage.find({row.to.topic, partition_id(0)});
      const bool deleted = garbage != nullptr && garbage->topic_deleted && key >= garbage->timers_from;
      if (tables_.partitions.find(row.to) == nullptr && !deleted) wrong(where, "its partition is not there");
      if (key.id >= tables_.meta.next_timer) wrong(where, "its id is not below the next to be given");
      if (!row.name.empty() && tables_.timer_names.get({row.owner, row.name}) != state::timer_name_row{key})
        wrong(where, "its name leads elsewhere");
      if (!row.message_id.empty()) {
        waiting_ids_ -= 1;
        const auto known = tables_.message_ids.get({row.to, row.message_id});
        if (!known || known->at != state::not_yet) wrong(where, "its message id leads elsewhere");
      }
      if (tables_.places.get({row.at.segment, row.at.position}) != state::place_row{key})
        wrong(where, "its place is not known as its own");
      return true;
    });
    if (waiting_ids_ != 0) wrong("message ids", "some are of records that do not wait, and are not there");
    for (const auto& [key, row] : tables_.partitions) {
      const auto& [timers, bytes] = waiting[key];
      if (row.waiting != timers || row.waiting_bytes != bytes)
        wrong(name_of(key), "it is said to have " + std::to_string(row.waiting) + " records waiting, of " +
                                std::to_string(row.waiting_bytes) + " bytes; there are " +
                                std::to_string(timers) + ", of " + std::to_string(bytes));
    }
  }

  void check_timer_names() {
    tables_.timer_names.scan({}, [&](const state::timer_name_key& of, const state::timer_name_row& row) {
      const auto timer = tables_.timers.get(row.timer);
      if (!timer || timer->owner != of.owner || timer->name != of.name)
        wrong("timer '" + of.owner + "/" + of.name + "'", "it is not there");
      return true;
    });
  }

  // Every place, in the order of the files: that what lies there is indexed there, and is sound.
  void check_places() {
    tables_.places.scan({}, [&](const state::place_key& at, const state::place_row& lies) {
      if (const auto* timer = std::get_if<state::timer_key>(&lies.what)) {
        const auto row = tables_.timers.get(*timer);
        check_place(at, name_of(*timer), row ? std::optional(row->at) : std::nullopt, 1);
      } else {
        const auto& batch = std::get<state::batch_key>(lies.what);
        const auto row = tables_.batches.get(batch);
        check_place(at, name_of(batch), row ? std::optional(row->at) : std::nullopt,
                    row ? records_in(*row) : 0);
      }
      return true;
    });
  }

  // How many records its batch has: of the offsets it stands for, compaction may have left some out.
  static std::uint32_t records_in(const state::batch_row& row) {
    const bool labelled = row.labels != nullptr && !row.labels->keys.empty();
    return labelled ? static_cast<std::uint32_t>(row.labels->keys.size()) : row.records;
  }

  void check_place(const state::place_key& at, const std::string& what,
                   const std::optional<journal::place>& indexed, std::uint32_t records) {
    if (!indexed || indexed->segment != at.segment || indexed->position != at.position) {
      wrong("segment " + std::to_string(at.segment.value()) + ":" + std::to_string(at.position),
            "what is said to lie here (" + what + ") does not");
    } else if (const std::string damage = read_batch(*indexed, records); !damage.empty()) {
      wrong(what, damage);
    }
  }

  std::string read_batch(const journal::place& at, std::uint32_t records) {
    if (open_segment_ != at.segment) {
      open_segment_ = at.segment;
      file_.reset();
      const auto failed =
          disk_.open(journal_ / journal::segment_name(at.segment), disk::open_mode::read_only, file_);
      if (failed) file_.reset();
    }
    const std::string file = (journal_ / journal::segment_name(at.segment)).string();
    const std::string where = file + ":" + std::to_string(at.position);
    if (file_ == nullptr) return "its segment " + file + " cannot be opened";
    if (std::uint64_t{at.position} + at.bytes > file_->size())
      return "it lies beyond the end of its segment, at " + where;
    bytes_.resize(at.bytes);
    const iovec into{bytes_.data(), bytes_.size()};
    if (const auto failed = file_->read(at.position, {&into, 1}, file::blocking::allowed))
      return where + ": " + failed.message();
    const auto batch = protocol::batch_view::parse(bytes_);
    if (!batch) return "there is no batch at " + where;
    if (batch->size() != at.bytes)
      return "it has " + std::to_string(batch->size()) + " bytes at " + where + ", and is indexed with " +
             std::to_string(at.bytes);
    if (!batch->crc_matches()) return "its checksum does not match, at " + where;
    if (batch->record_count() != static_cast<std::int64_t>(records))
      return "it has " + std::to_string(batch->record_count()) + " records at " + where +
             ", and is indexed with " + std::to_string(records);
    return {};
  }

  void check_segments() {
    for (const auto& [segment, row] : tables_.segments) {
      const std::uint64_t live = std::exchange(live_bytes_[segment], 0);
      if (live != row.live_bytes)
        wrong("segment " + std::to_string(segment.value()),
              "it is said to have " + std::to_string(row.live_bytes) + " live bytes, its batches have " +
                  std::to_string(live));
    }
    for (const auto& [segment, live] : live_bytes_)
      if (live > 0)
        wrong("segment " + std::to_string(segment.value()),
              "it has " + std::to_string(live) + " live bytes and is not known");
  }

  disk& disk_;
  std::filesystem::path journal_;
  offline_state state_;
  const state::tables& tables_;
  const std::function<void(const finding&)>& report_;
  verification counts_;
  std::map<journal::generation, std::uint64_t> live_bytes_;
  std::uint64_t waiting_ids_ = 0;  // message ids of records that wait, less those whose timers have been seen
  std::optional<journal::generation> open_segment_;
  std::unique_ptr<file> file_;
  std::vector<std::byte> bytes_;
};

}  // namespace

std::string to_line(const finding& found) {
  return (found.is == finding::severity::error ? "error: " : "note: ") + found.where + ": " + found.what;
}

verification verify(disk& on, const std::filesystem::path& directory, state::store& flushed,
                    const std::function<void(const finding&)>& report) {
  return verifier(on, directory, flushed, report).run();
}

verification verify(disk& on, const std::filesystem::path& directory,
                    const std::function<void(const finding&)>& report) {
  state::lmdb_store flushed(directory / "state", options().state_map_bytes,
                            state::lmdb_store::access::read_only);
  return verify(on, directory, flushed, report);
}

}  // namespace skald::shard
