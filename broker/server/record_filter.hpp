// Which records a reader is for. All that is given must hold; a filter without anything lets all through.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "broker/server/plan_reader.hpp"
#include "broker/server/record_selection.hpp"
#include "protocol/wire.hpp"
#include "skald/protocol/record_batch.hpp"

namespace skald::server {

struct record_filter {
  struct header {
    std::string name;
    std::optional<std::string> value;  // absent: a header without one
  };

  std::optional<std::string> key = {};  // "" is a key
  std::optional<std::string> key_prefix = {};
  std::vector<header> headers = {};  // of each, the record has one with that name and value

  bool operator()(const protocol::record_view& record) const;
};

// Nothing when there is no filter, or nothing in it. Fails (invalid_request) for one that is too large to
// keep, or that no record can match.
result<std::optional<record_filter>> read_filter(const wire::RecordFilter* filter);

// What of a run of stored batches matches, and where to go on.
struct filtered_run {
  selected_records what;
  offset next;
};

// Goes through the run's `bytes` from `from` on, until `bytes_max` are selected (a first record is in any
// case). A run that matches as a whole is given as it is stored, and so is a damaged batch: the reader is to
// find the damage, and may go on behind it.
filtered_run filter_run(const record_filter& filter, record_selection& selection,
                        const shard::read_plan& plan, const batch_run& run, const slice& bytes, offset from,
                        std::size_t bytes_max, block_pool& memory);

}  // namespace skald::server
