#include "broker/journal/recovery.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "broker/journal/segment_reader.hpp"

namespace skald::journal {

namespace {

constexpr std::size_t walk_block_bytes = 256u << 10;  // for headers alone
constexpr std::size_t replay_block_bytes = 4u << 20;

[[noreturn]] void fail(const std::filesystem::path& path, std::string_view doing, std::error_code why) {
  throw error(errc::storage_error, path.string() + ": " + std::string(doing) + ": " + why.message());
}

struct candidate {
  std::filesystem::path path;
  segment_header header;
  std::unique_ptr<file> content;
};

// Sorts the files of the directory into segments and spares. Spares of another size or without a sound header
// are removed: nobody knows what their stale bytes would read as.
class directory_survey {
 public:
  directory_survey(disk& on, const options& with, recovered& into) : on_(on), with_(with), into_(into) {}

  std::vector<candidate> run() {
    if (const auto failed = on_.make_directory(with_.directory)) fail(with_.directory, "creating it", failed);
    std::vector<std::string> names;
    if (const auto failed = on_.list(with_.directory, names)) fail(with_.directory, "listing it", failed);
    std::vector<candidate> segments;
    for (const std::string& name : names) {
      const std::optional<parsed_name> parsed = parse_name(name);
      if (!parsed) continue;
      into_.highest = std::max(into_.highest, parsed->id);
      if (parsed->spare) {
        take_spare(with_.directory / name, parsed->id);
      } else {
        segments.push_back(open_segment(with_.directory / name, parsed->id));
      }
    }
    for (const candidate& each : segments) {
      if (each.header.id != segments.front().header.id) {
        throw error(errc::storage_corrupt, each.path.string() + ": belongs to another journal than " +
                                               segments.front().path.filename().string());
      }
    }
    if (!segments.empty()) into_.id = segments.front().header.id;
    return segments;
  }

 private:
  candidate open_segment(const std::filesystem::path& path, generation id) {
    candidate opened{path, {}, nullptr};
    if (const auto failed = on_.open(path, disk::open_mode::existing, opened.content)) {
      fail(path, "opening it", failed);
    }
    opened.header = read_segment_header(*opened.content, path, id.value());
    return opened;
  }

  void take_spare(const std::filesystem::path& path, generation id) {
    spare_file spare{id, nullptr};
    if (const auto failed = on_.open(path, disk::open_mode::existing, spare.content)) {
      fail(path, "opening it", failed);
    }
    std::array<std::byte, segment_header_bytes> bytes;
    const iovec part{bytes.data(), bytes.size()};
    segment_header header;
    if (spare.content->size() >= bytes.size() &&
        !spare.content->read(0, {&part, 1}, file::blocking::allowed) && decode(bytes, header) == errc::ok) {
      if (header.segment_bytes == with_.segment_bytes && spare.content->size() == with_.segment_bytes) {
        into_.spares.push_back(std::move(spare));
        return;
      }
    }
    if (const auto failed = on_.remove(path)) fail(path, "removing it", failed);
  }

  disk& on_;
  const options& with_;
  recovered& into_;
};

class scan {
 public:
  scan(std::vector<candidate>& segments, replay_point from,
       const std::function<void(const replayed_entry&)>& replay, recovered& into, recovery_report& report)
      : segments_(segments), replay_(replay), into_(into), report_(report) {
    place_at(from);
  }

  // Afterwards the journal ends in segment at(), at position(); remnants() of a torn group follow or not.
  void run() {
    if (segments_.empty()) return;
    for (;;) {
      replay_segment();
      const std::optional<std::size_t> next = successor();
      if (!next) break;
      at_ = *next;
      position_ = segment_header_bytes;
    }
    search_for_damage();
  }

  std::size_t at() const { return at_; }
  std::uint32_t position() const { return static_cast<std::uint32_t>(position_); }
  bool remnants() const { return remnants_; }

 private:
  void place_at(replay_point from) {
    const std::uint64_t before = from.next.value() - 1;
    if (from.segment.value() == 0) {
      if (segments_.empty() && before > 0) missing(from, "there is no journal");
      into_.last = sequence(before);
      return;
    }
    const auto found = std::ranges::find(segments_, from.segment.value(),
                                         [](const candidate& each) { return each.header.generation; });
    if (found == segments_.end()) missing(from, segment_name(from.segment) + " is missing");
    at_ = static_cast<std::size_t>(found - segments_.begin());
    walk_to(from);
  }

  // Follows the headers up to the replay point: that the state is not ahead of the journal is worth more than
  // the milliseconds it takes, and the entry before the point has the index to count on from.
  void walk_to(replay_point from) {
    segment_reader reader(*segments_[at_].content, segments_[at_].path, segments_[at_].header,
                          walk_block_bytes);
    position_ = segment_header_bytes;
    std::optional<entry_header> last;
    while (position_ < from.position) {
      const std::optional<entry_header> header = reader.header_at(position_);
      if (!header || header->kind == entry_kind::sync_mark ||
          (last && header->sequence != last->sequence + 1)) {
        throw error(errc::storage_corrupt,
                    reader.path().string() + ": no sound entry at position " + std::to_string(position_) +
                        ", although the state has applied all before sequence " +
                        std::to_string(from.next.value()) + " (position " + std::to_string(from.position) +
                        "); the file is damaged or older than the state");
      }
      last = header;
      position_ += stored_bytes(header->payload_bytes);
    }
    if (position_ != from.position || !last || last->sequence + 1 != from.next.value()) {
      throw error(errc::storage_corrupt,
                  reader.path().string() + ": the state says that sequence " +
                      std::to_string(from.next.value()) + " comes at position " +
                      std::to_string(from.position) +
                      ", where the journal has no such entry; they do not belong together");
    }
    into_.last = sequence(last->sequence);
    into_.last_index = log_index(last->index);
    into_.last_term = term(last->term);
  }

  [[noreturn]] void missing(replay_point from, const std::string& what) const {
    throw error(errc::storage_corrupt, what + ", although the state has applied all before sequence " +
                                           std::to_string(from.next.value()) +
                                           "; restore the directory as a whole from a copy");
  }

  std::uint64_t expected() const { return into_.last.value() + 1; }

  void replay_segment() {
    const candidate& from = segments_[at_];
    segment_reader reader(*from.content, from.path, from.header, replay_block_bytes);
    while (const std::optional<entry_header> header = reader.header_at(position_)) {
      if (header->kind == entry_kind::sync_mark || header->sequence != expected()) return;
      const auto payload = reader.payload_at(position_, *header);
      if (!payload) return;
      const std::uint64_t index = into_.last_index.value() + (header->kind == entry_kind::command ? 1 : 0);
      if (header->index != index) {
        throw error(errc::storage_corrupt, from.path.string() + ": the entry at position " +
                                               std::to_string(position_) + " has index " +
                                               std::to_string(header->index) + " instead of " +
                                               std::to_string(index));
      }
      into_.last = sequence(header->sequence);
      into_.last_index = log_index(index);
      into_.last_term = term(header->term);
      const place where{generation(from.header.generation),
                        static_cast<std::uint32_t>(position_ + entry_header_bytes), header->payload_bytes};
      replay_({header->kind, into_.last, into_.last_index, into_.last_term, where, *payload});
      position_ += stored_bytes(header->payload_bytes);
      report_.entries += 1;
      report_.bytes += stored_bytes(header->payload_bytes);
    }
  }

  // The segment that begins with the expected entry.
  std::optional<std::size_t> successor() const {
    for (std::size_t later = at_ + 1; later < segments_.size(); ++later) {
      const candidate& each = segments_[later];
      segment_reader reader(*each.content, each.path, each.header, segment_header_bytes);
      const std::optional<entry_header> first = reader.header_at(segment_header_bytes);
      if (first && first->kind != entry_kind::sync_mark && first->sequence == expected()) return later;
    }
    return {};
  }

  void search_for_damage() {
    std::uint64_t torn_end = position_;
    for (std::size_t later = at_; later < segments_.size(); ++later) {
      const candidate& each = segments_[later];
      segment_reader reader(*each.content, each.path, each.header, replay_block_bytes);
      const std::uint64_t begin = later == at_ ? position_ : segment_header_bytes;
      std::optional<segment_reader::found> found = reader.find(begin);
      for (; found; found = reader.find(found->position + entry_alignment)) {
        if (found->header.durable >= expected()) refuse(reader, *found);
        // The mark of what was found so far is no remnant: the next entry takes its place.
        if (found->header.kind == entry_kind::sync_mark && found->position == begin) continue;
        const std::uint64_t end = found->position + stored_bytes(found->header.payload_bytes);
        report_.torn_bytes += later == at_ ? end - std::min(end, torn_end) : end - found->position;
        if (later == at_) {
          remnants_ = true;
          torn_end = std::max(torn_end, end);
        }
      }
    }
  }

  [[noreturn]] void refuse(segment_reader& witness, const segment_reader::found& found) const {
    // A mark repeats the sequence of the entry before it.
    const bool mark = found.header.kind == entry_kind::sync_mark;
    const std::uint64_t lost_to = mark ? found.header.sequence : found.header.sequence - 1;
    const std::string range = lost_to == expected() ? "sequence " + std::to_string(expected())
                                                    : "sequences " + std::to_string(expected()) + " to " +
                                                          std::to_string(std::max(lost_to, expected()));
    throw error(errc::storage_corrupt,
                segments_[at_].path.string() + ": damaged or incomplete at position " +
                    std::to_string(position_) + "; lost: " + range + ", which had been durable as " +
                    witness.path().filename().string() + " shows at position " +
                    std::to_string(found.position) + "; restore the directory as a whole from a copy");
  }

  std::vector<candidate>& segments_;
  const std::function<void(const replayed_entry&)>& replay_;
  recovered& into_;
  recovery_report& report_;
  std::size_t at_ = 0;
  std::uint64_t position_ = segment_header_bytes;
  bool remnants_ = false;
};

}  // namespace

recovered recover(disk& on, const options& with, replay_point from, const std::weak_ptr<segment_home>& home,
                  const std::function<void(const replayed_entry&)>& replay, recovery_report& report) {
  recovered found;
  std::vector<candidate> segments = directory_survey(on, with, found).run();
  scan entries(segments, from, replay, found, report);
  entries.run();

  // What is beyond the end was prepared for entries that never came to be, or only torn: it is spare again,
  // and the next use has another generation.
  for (std::size_t i = 0; i < segments.size(); ++i) {
    candidate& each = segments[i];
    const generation id(each.header.generation);
    const bool empty = i == entries.at() && entries.position() == segment_header_bytes;
    if (i < entries.at() || (i == entries.at() && !empty)) {
      found.segments.push_back(
          std::make_shared<segment>(id, std::move(each.content), each.header.segment_bytes, true, home));
      continue;
    }
    if (each.header.segment_bytes != with.segment_bytes) {
      if (const auto failed = on.remove(each.path)) fail(each.path, "removing it", failed);
      continue;
    }
    if (const auto failed = on.rename(each.path, with.directory / spare_name(id))) {
      fail(each.path, "making it spare", failed);
    }
    found.spares.push_back({id, std::move(each.content)});
  }
  if (const auto failed = on.sync_directory(with.directory)) fail(with.directory, "syncing it", failed);
  const bool ends_in_last = !found.segments.empty() && entries.position() > segment_header_bytes;
  // An entry never leaves less room than this; what a stranger wrote might.
  if (ends_in_last && entries.position() <= entries_end(found.segments.back()->bytes())) {
    found.position = entries.position();
    found.append_to_last = !entries.remnants();
  }
  if (report.torn_bytes > 0) {
    report.note = "cut off " + std::to_string(report.torn_bytes) + " bytes of a torn tail after sequence " +
                  std::to_string(found.last.value());
  }
  return found;
}

}  // namespace skald::journal
