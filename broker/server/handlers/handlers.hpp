// One function per request that is answered once; what lasts longer is in deliveries.hpp and fetches.hpp.
//
// Each reads its message in place, checks what verify_frame() leaves to it, asks the shard, and answers with
// the result or an Error that says what, where and what to do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "broker/base/buffer.hpp"
#include "broker/server/queue_port.hpp"
#include "broker/server/shard_port.hpp"
#include "protocol/wire.hpp"

namespace skald::server {
class session;
}

namespace skald::server::handlers {

void create_topic(session& of, std::uint64_t id, const wire::CreateTopic& message);
void alter_topic(session& of, std::uint64_t id, const wire::AlterTopic& message);
void delete_topic(session& of, std::uint64_t id, const wire::DeleteTopic& message);
void describe_topic(session& of, std::uint64_t id, const wire::DescribeTopic& message);
void list_topics(session& of, std::uint64_t id, const wire::ListTopics& message);

void init_producer(session& of, std::uint64_t id, const wire::InitProducer& message);
// `payload` shares in the received bytes, and so does what is handed to the journal.
void publish(session& of, std::uint64_t id, const wire::Publish& message, const slice& payload);

// All or nothing; `payload` as in publish().
void commit(session& of, std::uint64_t id, const wire::Commit& message, const slice& payload);

void read_key(session& of, std::uint64_t id, const wire::ReadKey& message);
void list_keys(session& of, std::uint64_t id, const wire::ListKeys& message);
void list_timers(session& of, std::uint64_t id, const wire::ListTimers& message);

void list_offsets(session& of, std::uint64_t id, const wire::ListOffsets& message);
void commit_offsets(session& of, std::uint64_t id, const wire::CommitOffsets& message);
void list_groups(session& of, std::uint64_t id, const wire::ListGroups& message);
void describe_group(session& of, std::uint64_t id, const wire::DescribeGroup& message);
void delete_group(session& of, std::uint64_t id, const wire::DeleteGroup& message);

void status(session& of, std::uint64_t id);

void create_queue(session& of, std::uint64_t id, const wire::CreateQueue& message);
void alter_queue(session& of, std::uint64_t id, const wire::AlterQueue& message);
void delete_queue(session& of, std::uint64_t id, const wire::DeleteQueue& message);
void describe_queue(session& of, std::uint64_t id, const wire::DescribeQueue& message);
void list_queues(session& of, std::uint64_t id, const wire::ListQueues& message);
void peek_queue(session& of, std::uint64_t id, const wire::PeekQueue& message);
void retry_queue(session& of, std::uint64_t id, const wire::RetryQueue& message);
void purge_queue(session& of, std::uint64_t id, const wire::PurgeQueue& message);
void settle_dead(session& of, std::uint64_t id, const wire::SettleDead& message);

// The queue that a request names.
template <class Message>
queue_name queue_named(const Message& message) {
  return {std::string(protocol::text(message.topic())), std::string(protocol::text(message.queue()))};
}
queue_changes read_settings(const wire::QueueSettings* from);
flatbuffers::Offset<wire::QueueSettings> write_settings(flatbuffers::FlatBufferBuilder& to,
                                                        const shard::queue_settings& is);

// A name from the network as it may appear in a message or a log: quoted, cut short, unprintable bytes
// escaped.
std::string shown(std::string_view name);

}  // namespace skald::server::handlers
