// Looks inside a data directory that no broker uses: its tables as a start would find them, and its journal,
// row by row.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "broker/base/disk.hpp"
#include "broker/state/store.hpp"

namespace skald::shard {

// What can be dumped: "meta", "topics", "partitions", "batches", "producers", "named_producers", "segments",
// "garbage", "keys", "message_ids", "committers", "group_positions", "queues", "queue_partitions",
// "queue_records", "timers" and "journal".
std::span<const std::string_view> dump_sections();

struct dump_row {
  using value = std::variant<std::uint64_t, std::int64_t, bool, std::string>;
  std::string_view section;
  std::vector<std::pair<std::string_view, value>> fields;
};
std::string to_text(const dump_row& row);  // section name=value ...
std::string to_json(const dump_row& row);  // {"section":...,"name":value,...}

// Calls `out` with each row of the sections asked for (all, if none are), in the order of dump_sections().
// Throws skald::error as verify() does, and invalid_request for a section that there is not.
void dump(disk& on, const std::filesystem::path& directory, std::span<const std::string> sections,
          const std::function<void(const dump_row&)>& out);
void dump(disk& on, const std::filesystem::path& directory, state::store& flushed,
          std::span<const std::string> sections, const std::function<void(const dump_row&)>& out);

}  // namespace skald::shard
