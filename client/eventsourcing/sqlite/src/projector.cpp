#include "client/eventsourcing/sqlite/src/projector.hpp"

#include <skald/protocol/topic_pattern.hpp>

namespace skald::eventsourcing::detail {

namespace {

constexpr const char* checkpoint_schema =
    "CREATE TABLE IF NOT EXISTS skald_checkpoint (topic TEXT NOT NULL, partition INTEGER NOT NULL, "
    "next_offset INTEGER NOT NULL, PRIMARY KEY (topic, partition)) WITHOUT ROWID";

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
  select.on(connection_.connection(), "SELECT topic, partition, next_offset FROM skald_checkpoint");
  const std::lock_guard lock(mutex_);
  applied_.clear();
  while (select.step())
    applied_[{select.bytes(0), partition_id(static_cast<std::uint32_t>(select.integer(1)))}] =
        offset(static_cast<std::uint64_t>(select.integer(2)));
}

void projector::open_subscription() {
  subscription_ = broker_.subscribe(topic_, {.from = earliest});
  // Partitions that come later begin at their first record by themselves. Those that are there begin where
  // their first record was, so that records which are not kept any more are missed.
  const std::vector<std::string> all = topics();
  std::vector<partition_start> positions;
  for (const std::string& topic : all)
    for (const partition_info& each : broker_.describe_topic(topic).partitions) {
      const auto at = applied_.find({topic, each.partition});
      positions.push_back({.partition = each.partition,
                           .from = at == applied_.end() ? start_point(offset(0)) : start_point(at->second),
                           .topic = topic});
    }
  if (!positions.empty()) subscription_->seek(positions);
}

std::vector<std::string> projector::topics() const {
  if (!protocol::is_pattern(topic_)) return {topic_};
  const protocol::topic_pattern wanted = protocol::topic_pattern::parse(topic_).value();
  std::vector<std::string> all;
  for (const topic_info& each : broker_.list_topics())
    if (wanted.matches(each.name)) all.push_back(each.name);
  return all;
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
  const std::string topic(some.topic());
  if (some.gap())
    throw error(errc::offset_out_of_range,
                "records " + std::to_string(some.gap()->from.value()) + " to " +
                    std::to_string(some.gap()->to.value()) + " of partition " +
                    std::to_string(some.partition().value()) + " of topic '" + topic +
                    "' were removed before they were projected: the read model would lack them");
  if (some.empty()) return;
  const offset next = some.end_offset();
  connection_.begin();
  try {
    for (const record& each : some) model_->apply(each);
    save_
        .on(connection_.connection(),
            "INSERT INTO skald_checkpoint (topic, partition, next_offset) VALUES (?1, ?2, ?3) "
            "ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset")
        .bind_text(1, topic)
        .bind(2, some.partition().value())
        .bind(3, static_cast<std::int64_t>(next.value()))
        .run();
    connection_.commit();
  } catch (...) {
    connection_.rollback();
    throw;
  }
  const std::lock_guard lock(mutex_);
  applied_[{topic, some.partition()}] = next;
}

checkpoint projector::ends() const {
  checkpoint result;
  for (const std::string& topic : topics())
    for (const partition_offset& end : broker_.list_offsets(topic, {.at = latest}))
      result[{topic, end.partition}] = end.offset;
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
