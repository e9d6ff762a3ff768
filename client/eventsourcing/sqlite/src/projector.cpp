#include "client/eventsourcing/sqlite/src/projector.hpp"

#include <vector>

namespace skald::eventsourcing::detail {

namespace {

constexpr const char* checkpoint_schema =
    "CREATE TABLE IF NOT EXISTS skald_checkpoint (partition INTEGER PRIMARY KEY, next_offset INTEGER NOT "
    "NULL)";

}  // namespace

projector::projector(blocking_client& broker, std::filesystem::path file,
                     const projection_definition& definition)
    : broker_(broker), file_(std::move(file)), topic_(definition.topic), connection_(file_) {
  connection_.begin();
  try {
    outbox::execute_sqlite(connection_.connection(), checkpoint_schema);
    model_ = definition.make(connection_.connection());
    connection_.commit();
  } catch (...) {
    connection_.rollback();
    throw;
  }
  load_checkpoint();
}

void projector::load_checkpoint() {
  outbox::sqlite_statement select;
  select.on(connection_.connection(), "SELECT partition, next_offset FROM skald_checkpoint");
  const std::lock_guard lock(mutex_);
  applied_.clear();
  while (select.step())
    applied_[partition_id(static_cast<std::uint32_t>(select.integer(0)))] =
        offset(static_cast<std::uint64_t>(select.integer(1)));
}

void projector::open_subscription() {
  std::vector<partition_start> positions;
  for (const partition_info& each : broker_.describe_topic(topic_).partitions) {
    const auto at = applied_.find(each.partition);
    positions.push_back({.partition = each.partition,
                         .from = at == applied_.end() ? start_point(offset(0)) : start_point(at->second)});
  }
  subscription_ = broker_.subscribe(topic_, {.positions = positions});
}

std::uint64_t projector::run_once(milliseconds patience) {
  try {
    if (!subscription_) open_subscription();
    std::uint64_t applied = 0;
    for (milliseconds wait = patience;; wait = milliseconds(0)) {
      const std::optional<records> some = subscription_->receive_for(wait);
      if (!some) return applied;
      apply(*some);
      applied += some->size();
      // What comes without a pause would never end.
      if (wait.count() == 0) return applied;
    }
  } catch (...) {
    subscription_.reset();  // begins again at the checkpoint
    throw;
  }
}

void projector::apply(const records& some) {
  if (some.gap())
    throw error(errc::offset_out_of_range,
                "records " + std::to_string(some.gap()->from.value()) + " to " +
                    std::to_string(some.gap()->to.value()) + " of partition " +
                    std::to_string(some.partition().value()) + " of topic '" + topic_ +
                    "' were removed before they were projected: the read model would lack them");
  if (some.empty()) return;
  const offset next = some.end_offset();
  connection_.begin();
  try {
    for (const record& each : some) model_->apply(each);
    save_
        .on(connection_.connection(),
            "INSERT INTO skald_checkpoint (partition, next_offset) VALUES (?1, ?2) "
            "ON CONFLICT (partition) DO UPDATE SET next_offset = excluded.next_offset")
        .bind(1, some.partition().value())
        .bind(2, static_cast<std::int64_t>(next.value()))
        .run();
    connection_.commit();
  } catch (...) {
    connection_.rollback();
    throw;
  }
  const std::lock_guard lock(mutex_);
  applied_[some.partition()] = next;
}

checkpoint projector::ends() const {
  checkpoint result;
  for (const partition_offset& end : broker_.list_offsets(topic_, {.at = latest}))
    result[end.partition] = end.offset;
  return result;
}

checkpoint projector::applied() const {
  const std::lock_guard lock(mutex_);
  return applied_;
}

std::uint64_t records_between(const checkpoint& from, const checkpoint& to) {
  std::uint64_t result = 0;
  for (const auto& [partition, end] : to) {
    const auto at = from.find(partition);
    const offset begin = at == from.end() ? offset(0) : at->second;
    if (begin < end) result += end - begin;
  }
  return result;
}

}  // namespace skald::eventsourcing::detail
