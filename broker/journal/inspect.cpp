#include "broker/journal/inspect.hpp"

#include <memory>
#include <utility>
#include <vector>

#include "broker/journal/segment.hpp"
#include "broker/journal/segment_reader.hpp"

namespace skald::journal {

namespace {

std::string sequences(std::uint64_t first, std::uint64_t last) {
  if (first >= last) return "sequence " + std::to_string(first);
  return "sequences " + std::to_string(first) + " to " + std::to_string(last);
}

class walk {
 public:
  walk(std::optional<replay_point> from, inspector& to, inspection& totals)
      : from_(from), to_(to), totals_(totals) {
    if (from_ && from_->segment.value() == 0) expected_ = from_->next.value();
  }

  void segment(file& content, const std::filesystem::path& path, generation id) {
    path_ = path;
    try {
      const segment_header header = read_segment_header(content, path, id.value());
      to_.on_segment(path, header);
      segment_reader reader(content, path, header);
      entries(reader, id);
    } catch (const error& failed) {
      report(0, failed.message());
      expected_.reset();
    }
  }

  void end() {
    if (from_ && from_->segment.value() != 0 && !met_replay_point_) {
      path_ = segment_name(from_->segment);
      report(from_->position, "the state has applied all before sequence " +
                                  std::to_string(from_->next.value()) + ", which is not there");
    }
  }

 private:
  // An entry that does not verify, at `position`; sequences from `sequence` on are affected.
  struct suspect {
    std::uint64_t position = 0;  // 0: there is none
    std::uint64_t sequence = 0;
    explicit operator bool() const { return position != 0; }
  };

  void entries(segment_reader& reader, generation id) {
    suspect doubtful;
    bool first = true;
    std::uint64_t position = segment_header_bytes;
    for (;;) {
      meet_replay_point(id, position);
      std::optional<entry_header> header = reader.header_at(position);
      if (!header) {
        const auto next = reader.find(position + entry_alignment);
        if (!next) break;
        if (!doubtful) doubtful = {position, first ? assumed_begin(next->header) : *expected_};
        position = next->position;
        header = next->header;
      }
      if (doubtful && header->durable >= doubtful.sequence) {
        const bool mark = header->kind == entry_kind::sync_mark;
        report(doubtful.position,
               "damaged; lost: " + sequences(doubtful.sequence, header->sequence - (mark ? 0 : 1)));
        doubtful = {};
        expected_ = header->sequence + (mark ? 1 : 0);
        first = false;
      }
      const std::uint64_t bytes = stored_bytes(header->payload_bytes);
      if (header->kind == entry_kind::sync_mark) {
        to_.on_entry(reader.path(), position, *header, {});
      } else if (doubtful) {
        totals_.torn_bytes += bytes;
      } else if (const auto payload = reader.payload_at(position, *header)) {
        if (std::exchange(first, false) ? follows_last_segment(id, *header) : true)
          check_order(position, *header);
        to_.on_entry(reader.path(), position, *header, *payload);
        totals_.entries += 1;
        totals_.entry_bytes += bytes;
        expected_ = header->sequence + 1;
      } else {
        if (std::exchange(first, false)) expected_ = header->sequence;
        doubtful = {position, header->sequence};
      }
      position += bytes;
    }
  }

  // Without its first entry, what a segment began with is guessed from the first one that verifies: if that
  // one begins a group, the damaged ones were durable; otherwise they may be of its group.
  static std::uint64_t assumed_begin(const entry_header& next) {
    const bool begins_group = next.sequence == next.durable + 1 || next.kind == entry_kind::sync_mark;
    return begins_group ? next.durable : next.durable + 1;
  }

  // Whether the first entry of this segment has to have the sequence expected.
  bool follows_last_segment(generation id, const entry_header& header) {
    const bool binding = from_ && id > from_->segment;
    if (!binding || !expected_) expected_ = header.sequence;
    return binding;
  }

  void check_order(std::uint64_t position, const entry_header& header) {
    if (expected_ && header.sequence > *expected_) {
      report(position, "missing before it: " + sequences(*expected_, header.sequence - 1));
    } else if (expected_ && header.sequence < *expected_) {
      report(position,
             "has sequence " + std::to_string(header.sequence) + " after " + std::to_string(*expected_ - 1));
    }
  }

  void meet_replay_point(generation id, std::uint64_t position) {
    if (!from_ || id != from_->segment || position != from_->position) return;
    met_replay_point_ = expected_ == from_->next.value();
  }

  void report(std::uint64_t position, std::string what) {
    ++totals_.defects;
    to_.on_defect({path_, position, std::move(what)});
  }

  std::optional<replay_point> from_;
  inspector& to_;
  inspection& totals_;
  std::filesystem::path path_;
  std::optional<std::uint64_t> expected_;  // the sequence of the next entry
  bool met_replay_point_ = false;
};

}  // namespace

inspection inspect(disk& on, const std::filesystem::path& directory, std::optional<replay_point> from,
                   inspector& to) {
  std::vector<std::string> names;
  if (const auto failed = on.list(directory, names)) {
    throw error(errc::storage_error, directory.string() + ": listing it: " + failed.message());
  }
  inspection totals;
  walk through(from, to, totals);
  for (const std::string& name : names) {
    const std::optional<parsed_name> parsed = parse_name(name);
    if (!parsed) continue;
    if (parsed->spare) {
      ++totals.spares;
      continue;
    }
    ++totals.segments;
    std::unique_ptr<file> content;
    const std::filesystem::path path = directory / name;
    if (const auto failed = on.open(path, disk::open_mode::read_only, content)) {
      ++totals.defects;
      to.on_defect({path, 0, "opening it: " + failed.message()});
      continue;
    }
    through.segment(*content, path, parsed->id);
  }
  through.end();
  return totals;
}

}  // namespace skald::journal
