#include "broker/server/queue_host.hpp"

#include <algorithm>
#include <utility>

namespace skald::server {

namespace {

fetched_records decode(const shard::read_plan& plan, const batch_run& run, const slice& bytes) {
  fetched_records found;
  found.log_start = plan.log_start;
  found.next = after(plan, run);
  std::size_t position = 0;
  for (std::size_t i = run.first; i < run.first + run.count; ++i) {
    const std::size_t size = plan.batches[i].at.bytes;
    auto batch = stored_records::decode(bytes.sub(position, size));
    position += size;
    if (!batch) {
      found.why = {errc::storage_corrupt, "the batch at offset " +
                                              std::to_string(plan.batches[i].base_offset.value()) +
                                              " cannot be read: " + batch.error().message};
      return found;
    }
    found.batches.push_back(*std::move(batch));
  }
  return found;
}

fetched_records failed_to_read(std::error_code failed) {
  fetched_records none;
  none.why = {errc::storage_error, "cannot read the batches: " + failed.message()};
  return none;
}

}  // namespace

std::string dead_topic_of(const std::string& topic, const state::queue_row& queue) {
  return queue.settings.dead_letter.empty() ? topic + "." + queue.name + ".dead" : queue.settings.dead_letter;
}

std::optional<fetched_records> fetch_records(queue_host& from_host, partition_ref of, offset from,
                                             std::size_t bytes_max, fetched later) {
  // A queue settles every record, so that none may be missing; its records do not expire.
  auto plan = std::make_shared<const shard::read_plan>(from_host.shard->plan_read(
      of, from, std::max<std::size_t>(bytes_max, 1), shard::shard::expired::included));
  if (plan->why || plan->batches.empty()) return fetched_records{plan->why, plan->log_start, {}, plan->next};
  const batch_run run = choose_run(*plan, 0, bytes_max);
  auto read = from_host.reader->read(
      plan, run, [plan, run, later = std::move(later)](std::error_code failed, const slice& bytes) {
        later(failed ? failed_to_read(failed) : decode(*plan, run, bytes));
      });
  if (!read) return std::nullopt;
  return read->failed ? failed_to_read(read->failed) : decode(*plan, run, read->bytes);
}

}  // namespace skald::server
