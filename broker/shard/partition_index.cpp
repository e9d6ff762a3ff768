#include "broker/shard/partition_index.hpp"

#include <algorithm>
#include <string>

#include "skald/protocol/error.hpp"

namespace skald::shard {

using state::batch_key;
using state::batch_row;
using state::partition_key;
using state::partition_row;

namespace {

[[noreturn]] void corrupt(const partition_key& of, offset at) {
  throw error(errc::storage_corrupt, "the index of partition " + std::to_string(of.partition.value()) +
                                         " of the topic with the id " + std::to_string(of.topic.value()) +
                                         " lacks the batch that holds offset " + std::to_string(at.value()));
}

// Batches that have expired, passed over in one read.
constexpr std::size_t passed_over_max = 4096;

}  // namespace

indexed_batch batch_holding(const state::tables& in, const partition_key& of, offset at) {
  const auto found = in.batches.at_or_before({of, at});
  if (!found || found->first.of != of || at >= found->first.base + found->second.records) corrupt(of, at);
  return {found->first.base, found->second};
}

std::optional<indexed_batch> first_batch_where(const state::tables& in, const partition_key& of,
                                               const std::function<bool(const batch_row&)>& holds) {
  const partition_row* partition = in.partitions.find(of);
  if (partition == nullptr) return std::nullopt;
  std::optional<indexed_batch> first;
  // Bisects offsets: the answer, if it is not `first` already, begins in [low, high).
  offset low = partition->log_start;
  offset high = partition->end;
  while (low < high) {
    indexed_batch middle = batch_holding(in, of, low + (high - low) / 2);
    if (holds(middle.second)) {
      high = middle.first;
      first = std::move(middle);
    } else {
      low = middle.first + middle.second.records;
    }
  }
  return first;
}

std::vector<stored_batch> batches_from(const state::tables& in, const partition_key& of, offset from,
                                       std::uint64_t bytes_max, timestamp now, offset& next) {
  std::vector<stored_batch> batches;
  std::uint64_t bytes = 0;
  std::size_t passed_over = 0;
  offset expected = batch_holding(in, of, from).first;
  in.batches.scan({of, expected}, [&](const batch_key& key, const batch_row& row) {
    if (key.of != of) return false;
    if (key.base != expected) corrupt(of, expected);
    if (row.expires <= now) {
      expected += row.records;
      return ++passed_over < passed_over_max;
    }
    bytes += row.at.bytes;
    if (!batches.empty() && bytes > bytes_max) return false;
    if (row.at.bytes > 0) batches.push_back({key.base, row.records, row.leader_epoch, row.at});
    expected += row.records;
    return bytes < bytes_max;
  });
  next = expected;
  return batches;
}

std::optional<indexed_batch> first_batch_at(const state::tables& in, const partition_key& of, timestamp at) {
  const auto candidate =
      first_batch_where(in, of, [&](const batch_row& row) { return row.newest_record_so_far >= at; });
  if (!candidate) return std::nullopt;
  // The newest so far is that of the batch itself, unless it belongs to a batch that was trimmed since. Only
  // then is there anything to step over.
  std::optional<indexed_batch> first;
  in.batches.scan({of, candidate->first}, [&](const batch_key& key, const batch_row& row) {
    if (key.of != of) return false;
    if (row.at.bytes > 0 && row.newest_record >= at) first.emplace(key.base, row);
    return !first;
  });
  return first;
}

std::optional<offset> retention_start(const state::tables& in, const partition_key& of,
                                      const topic_settings& settings, timestamp now) {
  const partition_row* partition = in.partitions.find(of);
  if (partition == nullptr || partition->log_start == partition->end) return std::nullopt;
  offset start = partition->log_start;

  if (settings.retention_ms != unlimited) {
    const timestamp oldest_kept = now - std::chrono::milliseconds(settings.retention_ms);
    if (partition->newest_age < oldest_kept) return partition->end;
    const auto kept =
        first_batch_where(in, of, [&](const batch_row& row) { return row.age_from >= oldest_kept; });
    if (!kept) return partition->end;
    start = kept->first;
  }
  if (settings.retention_bytes != unlimited) {
    const auto bytes_kept = static_cast<std::uint64_t>(settings.retention_bytes);
    if (partition->bytes > bytes_kept) {
      const std::uint64_t trimmed_before = partition->bytes_appended - bytes_kept;
      const auto kept =
          first_batch_where(in, of, [&](const batch_row& row) { return row.bytes_before >= trimmed_before; });
      const auto newest = [&] { return batch_holding(in, of, offset(partition->end.value() - 1)); };
      start = std::max(start, kept ? kept->first : newest().first);
    }
  }
  return start > partition->log_start ? std::optional(start) : std::nullopt;
}

offset expired_until(const state::tables& in, const partition_key& of, offset from, timestamp now,
                     std::size_t batches_max, std::size_t& looked_at) {
  in.batches.scan({of, from}, [&](const batch_key& key, const batch_row& row) {
    if (key.of != of || row.expires > now) return false;
    from = key.base + row.records;
    return ++looked_at < batches_max;
  });
  return from;
}

}  // namespace skald::shard
