#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "broker/server/handlers/handlers.hpp"
#include "broker/server/session.hpp"

namespace skald::server::handlers {

namespace {

using builder = flatbuffers::FlatBufferBuilder;

flatbuffers::Offset<wire::QueueInfo> write_queue(builder& to, const queue_info& queue) {
  const auto topic = to.CreateString(queue.name.topic);
  const auto name = to.CreateString(queue.name.queue);
  std::vector<flatbuffers::Offset<wire::QueuePartition>> partitions;
  partitions.reserve(queue.partitions.size());
  for (const queue_partition_info& one : queue.partitions)
    partitions.push_back(wire::CreateQueuePartition(to, one.partition.value(), one.floor.value(),
                                                    one.end.value(), one.settled_above));
  const auto list = to.CreateVector(partitions);
  return wire::CreateQueueInfo(to, topic, name, queue.created.time_since_epoch().count(),
                               write_settings(to, queue.settings), queue.consumers, queue.ready, queue.leased,
                               queue.parked, queue.dead, list);
}

queue_port::finished answer_finished(pending_request request) {
  return [request = std::move(request)](const shard::failure& why) {
    if (why) return request.fail(why.code, why.message);
    request.answer([](builder& to) { return wire::CreateOk(to); });
  };
}

queue_port::records_told answer_counted(pending_request request) {
  return [request = std::move(request)](const shard::failure& why, std::uint64_t records) {
    if (why) return request.fail(why.code, why.message);
    request.answer([records](builder& to) { return wire::CreateQueueChanged(to, records); });
  };
}

}  // namespace

queue_changes read_settings(const wire::QueueSettings* from) {
  if (from == nullptr) return {};
  queue_changes changes{from->lease_ms(),       from->max_attempts(),   from->backoff_min_ms(),
                        from->backoff_max_ms(), from->ordered_by_key(), {}};
  if (from->dead_letter() != nullptr) changes.dead_letter = from->dead_letter()->str();
  return changes;
}

flatbuffers::Offset<wire::QueueSettings> write_settings(builder& to, const shard::queue_settings& is) {
  return wire::CreateQueueSettings(to, is.lease_ms, is.max_attempts, is.backoff_min_ms, is.backoff_max_ms,
                                   is.ordered_by_key, to.CreateString(is.dead_letter));
}

void create_queue(session& of, std::uint64_t id, const wire::CreateQueue& message) {
  of.host().queues->create_queue(queue_named(message), read_settings(message.settings()), message.if_absent(),
                                 message.latest(), answer_finished(of.open(id)));
}

void alter_queue(session& of, std::uint64_t id, const wire::AlterQueue& message) {
  of.host().queues->alter_queue(queue_named(message), read_settings(message.settings()),
                                answer_finished(of.open(id)));
}

void delete_queue(session& of, std::uint64_t id, const wire::DeleteQueue& message) {
  of.host().queues->delete_queue(queue_named(message), answer_finished(of.open(id)));
}

void describe_queue(session& of, std::uint64_t id, const wire::DescribeQueue& message) {
  of.host().queues->describe_queue(
      queue_named(message), [request = of.open(id)](const shard::failure& why, const queue_info& queue) {
        if (why) return request.fail(why.code, why.message);
        request.answer([&](builder& to) { return wire::CreateDescribeQueueOk(to, write_queue(to, queue)); });
      });
}

void list_queues(session& of, std::uint64_t id, const wire::ListQueues& message) {
  constexpr std::uint32_t page_max = 1000;
  const std::uint32_t limit = message.limit() == 0 ? page_max : std::min(message.limit(), page_max);
  const auto text = [](const flatbuffers::String* of_field) { return std::string(protocol::text(of_field)); };
  of.host().queues->list_queues(text(message.topic()),
                                {text(message.after_topic()), text(message.after_queue())}, limit,
                                [request = of.open(id)](const std::vector<queue_info>& queues, bool more) {
                                  request.answer([&](builder& to) {
                                    std::vector<flatbuffers::Offset<wire::QueueInfo>> list;
                                    list.reserve(queues.size());
                                    for (const queue_info& queue : queues)
                                      list.push_back(write_queue(to, queue));
                                    return wire::CreateListQueuesOk(to, to.CreateVector(list), more);
                                  });
                                });
}

void peek_queue(session& of, std::uint64_t id, const wire::PeekQueue& message) {
  constexpr std::uint32_t peeked_max = 1000;
  const std::uint32_t limit = message.limit() == 0 ? peeked_max : std::min(message.limit(), peeked_max);
  of.host().queues->peek_queue(
      queue_named(message), partition_id(message.partition()), offset(message.offset()), limit,
      [request = of.open(id)](const queue_peek& seen) {
        if (seen.why) return request.fail(seen.why.code, seen.why.message);
        request.answer(
            [&](builder& to) {
              std::vector<flatbuffers::Offset<wire::PeekedRecord>> records;
              records.reserve(seen.records.size());
              for (const peeked_record& one : seen.records) {
                const std::int64_t due = one.due ? one.due->time_since_epoch().count() : 0;
                records.push_back(wire::CreatePeekedRecord(to, one.at.value(), one.attempts, due,
                                                           to.CreateString(one.reason)));
              }
              return wire::CreatePeekQueueOk(to, to.CreateVector(records), seen.next.value(), seen.more);
            },
            seen.batch);
      });
}

void retry_queue(session& of, std::uint64_t id, const wire::RetryQueue& message) {
  of.host().queues->retry_queue(queue_named(message), answer_counted(of.open(id)));
}

void purge_queue(session& of, std::uint64_t id, const wire::PurgeQueue& message) {
  of.host().queues->purge_queue(queue_named(message), message.dry_run(), answer_counted(of.open(id)));
}

void settle_dead(session& of, std::uint64_t id, const wire::SettleDead& message) {
  std::vector<offset> records;
  records.reserve(message.offsets()->size());
  for (const std::uint64_t at : *message.offsets()) records.emplace_back(at);
  of.host().queues->settle_dead(queue_named(message), partition_id(message.partition()), std::move(records),
                                message.drop(), answer_counted(of.open(id)));
}

}  // namespace skald::server::handlers
