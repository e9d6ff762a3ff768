// Frame headers as FlatBuffers: verified before they are touched, read in place, written without a copy.
//
// Internal to skald: the generated code appears here and in no public header. Link skald::wire to use it.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <skald/protocol/frame.hpp>
#include <skald/protocol/result.hpp>
#include <skald/protocol/types.hpp>

#include "wire_generated.h"

namespace skald::protocol {

inline constexpr std::uint16_t protocol_version_min = 1;
inline constexpr std::uint16_t protocol_version_max = 1;

// The most elements a list may have. A topic with partitions_max of them can still be described within the
// limit of a header, 1 MiB.
inline constexpr std::size_t appends_max = 16'384;
inline constexpr std::size_t partitions_max = 16'384;
inline constexpr std::size_t topics_max = 16'384;
inline constexpr std::size_t groups_max = 4'096;  // also members in one description
// Of queues: settlements, runs, records shown.
inline constexpr std::size_t settled_max = 16'384;
// Why a record was refused.
inline constexpr std::size_t reason_bytes_max = 1024;
// Headers of a request or reply, metadata of an instance.
inline constexpr std::size_t properties_max = 128;
inline constexpr std::size_t instances_max = 16'384;
// The most records that a list of offsets may go with: half of a header.
inline constexpr std::size_t selected_max = 65'536;
// Records of one key, or keys of one partition, in one answer.
inline constexpr std::size_t keyed_records_max = 16'384;
inline constexpr std::size_t timers_max = 16'384;  // in one answer, or changed by one commit
inline constexpr std::size_t filter_headers_max = 16;

// Why a header was refused. With unsupported_version the frame is sound but its message unknown, and `id` is
// the request's, to be answered with an Error; otherwise the peer is broken, and the id is 0 if unreadable.
struct header_failure : failure {
  std::uint64_t id = 0;
};
template <class T>
using header_result = boost::system::result<T, header_failure>;

// Verifies a frame's header and that its payload fits it. The header must be 8-byte aligned (header_reader
// sees to that). Fails with protocol_error, or unsupported_version for a body this version does not know.
//
// Afterwards a handler may rely on the following, besides FlatBuffers' own guarantees, without a check:
//   all messages      body is there; enums have a known value; a Start of `offset` has a value >= 0. id is 0
//                     in what the broker pushes (is_pushed), anything in Credit, CancelRequest, Heartbeat and
//                     Respond, and not 0 in all others.
//   strings           a string field named below is there and at most string_bytes_max long; every other
//                     string may be null: text() reads it as "". Topic names are not yet checked.
//   vectors           one named below is there; every other may be null, which means empty: each().
//   payload           present only with Publish, Commit, FetchOk, ReadKeyOk, Delivery, Request, RequestAll,
//                     Reply, PartialReply, RequestDelivery, Respond, PeekQueueOk and QueueDelivery.
//   Hello             version_min <= version_max
//   HelloOk           broker_version, broker_id
//   Closing, Error    code is not 0
//   CreateTopic, AlterTopic, DeleteTopic, DescribeTopic    name
//   DescribeTopicOk   topic, and of it: name, settings
//   ListTopicsOk      at most topics_max topics, each with name and settings
//   Publish           appends (1 to appends_max), each with topic and batch_bytes > 0; their batch_bytes add
//                     up to the payload exactly
//   PublishOk         appended (1 to appends_max)
//   Commit            at most appends_max appends, as Publish's; at most timers_max timers, each with its
//                     name; at most groups_max positions, as CommitOffsets; at most settled_max settlements,
//                     each with a consumer and a count
//   ListTimersOk      at most timers_max timers, each with its name and topic
//   CommitRefused     code is not 0
//   ReadKeyOk         as many versions as offsets
//   ListOffsets, Fetch, ReadKey, ListKeys    topic
//   Subscribe         topic; subscription is not 0
//   Credit, Seek, Unsubscribe, Delivery, SubscriptionNotice, SubscriptionChanged, MemberHeartbeat,
//   ReleasePartitions    subscription is not 0
//   CommitOffsets, DescribeGroup, DeleteGroup    group
//   CommitOffsets     at least one offset
//   ListGroupsOk, DescribeGroupOk    at most groups_max groups or members; each group has a name
//   lists of topics   at most topics_max elements, each with name
//   lists of partitions   at most partitions_max elements
//   Request, RequestAll, Serve    subject
//   Serve, Unserve, Drain, Heartbeat, RequestDelivery, RequestCancelled, ResponderNotice    responder is not
//   0 CancelRequest, PartialReply    request is not 0 RequestDelivery, RequestCancelled, Respond correlation
//   is not 0 WatchServices, UnwatchServices, ServiceEvent    watch is not 0 ServeOk           instance_id
//   ListServicesOk    at most topics_max services, each with subject and statistics, and at most
//                     instances_max instances, each with instance_id and statistics
//   ServiceEvent      subject; instance, and of it: instance_id
//   CreateQueue, AlterQueue, DeleteQueue, DescribeQueue, PeekQueue, RetryQueue, PurgeQueue, SettleDead,
//   OpenQueue         topic, queue
//   DescribeQueueOk, ListQueuesOk    each queue, and of it: topic, queue, settings
//   OpenQueue, CloseQueue, Settle, QueueDelivery, QueueNotice    consumer is not 0
//   SettleDead        offsets; Settle settled; QueueDelivery runs: 1 to settled_max
//   OpenQueueOk       settings
//   QueueNotice       code is not 0
//   headers, metadata     at most properties_max elements, each with name
//   Fetch, Subscribe  a filter has at most filter_headers_max headers, each with name
//   FetchOk, Delivery     next_offset is 0 or at least offset. With offsets (at most selected_max) there is a
//                     payload, they rise strictly from offset on, and next_offset is beyond the last of them.
//                     Whether there are as many as records is for who decodes the payload.
header_result<const wire::Frame*> verify_frame(const frame_view& frame);

inline constexpr std::size_t string_bytes_max = 64 * 1024;

// Verifies headers wherever they lie: one that is not aligned for FlatBuffers is copied first.
class header_reader {
 public:
  // The Frame is valid until the next call, and no longer than the bytes of `frame`.
  header_result<const wire::Frame*> read(const frame_view& frame);

 private:
  std::vector<std::uint64_t> aligned_;
};

// A string field that may be absent.
inline std::string_view text(const flatbuffers::String* string) {
  return string == nullptr ? std::string_view() : std::string_view(string->data(), string->size());
}

// A vector field that may be absent, for range-for.
template <class T>
class each {
 public:
  explicit each(const flatbuffers::Vector<T>* vector) : vector_(vector) {}
  auto begin() const { return vector_ == nullptr ? iterator() : vector_->begin(); }
  auto end() const { return vector_ == nullptr ? iterator() : vector_->end(); }
  std::size_t size() const { return vector_ == nullptr ? 0 : vector_->size(); }
  bool empty() const { return size() == 0; }

 private:
  using iterator = typename flatbuffers::Vector<T>::const_iterator;
  const flatbuffers::Vector<T>* vector_;
};

// Whether clients send this message (all others are the broker's).
bool is_request(wire::Body type);

// Whether the broker sends this message without having been asked; its id is 0.
bool is_pushed(wire::Body type);

// Builds the front of a frame - both lengths and the header - in one reused buffer:
//
//   frame_writer writer;
//   auto& builder = writer.begin();
//   const auto front = writer.finish(id, wire::CreateFetchOk(builder, 5, 9, 0), payload.size());
//   // write front, then the payload
class frame_writer {
 public:
  // Starts a new header; what finish() returned before becomes invalid.
  flatbuffers::FlatBufferBuilder& begin() { return builder_.Clear(), builder_; }

  // The bytes to send before `payload_bytes` of payload; valid until the next begin(). The frame must not
  // exceed 4 GiB.
  template <class Message>
  std::span<const std::byte> finish(std::uint64_t id, flatbuffers::Offset<Message> body,
                                    std::size_t payload_bytes = 0) {
    return finish(id, wire::BodyTraits<Message>::enum_value, body.Union(), payload_bytes);
  }

 private:
  std::span<const std::byte> finish(std::uint64_t id, wire::Body type, flatbuffers::Offset<void> body,
                                    std::size_t payload_bytes);

  flatbuffers::FlatBufferBuilder builder_{256};
};

}  // namespace skald::protocol
