// Opening a journal: which files there are, what they hold, where writing goes on, and whether anything that
// had been durable is missing.
//
// The verdict on a place where the expected entry does not verify, in this order:
//   1. A later segment begins with exactly the expected entry: the journal goes on there. That is how every
//      full segment ends, and one that was cut and left (see 3).
//   2. An entry somewhere later knows (by `durable`) that the expected one had been fsynced: corruption. The
//      same if a later segment begins with a later entry: writing a segment starts after all before is
//      synced.
//   3. Otherwise a crash tore the last group commit, or there was none: the journal ends here. Writing goes
//   on
//      at this place, unless entries of the torn group lie behind it. A new entry could end by accident where
//      one of those begins, and after the next crash the old one would pass for its successor. So then the
//      segment is left as it is, and writing goes on in a new one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "broker/journal/journal.hpp"
#include "broker/journal/segment.hpp"

namespace skald::journal {

// A file to make a segment of. All of its blocks have been written.
struct spare_file {
  generation id;  // in its name
  std::unique_ptr<file> content;
};

struct recovered {
  journal_id id{};                                 // all zero: nothing is there yet
  std::vector<std::shared_ptr<segment>> segments;  // in use, oldest first
  std::vector<spare_file> spares;
  generation highest;  // in the name of any file, hence of all entries that any file holds
  // Where the entries of the last segment end. Absent when it is full, or when a later one was looked at,
  // which holds nothing after all. The next entry goes there, or else into a new segment.
  std::optional<std::uint32_t> position;
  bool append_to_last = false;
  // The last entry; 0, 0, 0 when there is none.
  sequence last;
  log_index last_index;
  term last_term;
};

// As journal's constructor says. It renames and removes files (making it durable) but writes to none.
recovered recover(disk& on, const options& with, replay_point from, const std::weak_ptr<segment_home>& home,
                  const std::function<void(const replayed_entry&)>& replay, recovery_report& report);

}  // namespace skald::journal
