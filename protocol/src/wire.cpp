#include "protocol/wire.hpp"

#include <cassert>
#include <string>

#include "protocol/aligned_list.hpp"
#include "protocol/src/bytes.hpp"
#include "protocol/src/wire_queues.hpp"

namespace skald::protocol {
namespace {

// Frame, body, elements of a list, their settings: nothing nests deeper.
constexpr flatbuffers::uoffset_t depth_max = 8;
// Lists are capped below; this bounds what tables that share their contents could make the verifier visit.
constexpr flatbuffers::uoffset_t tables_max = 262'144;

// Each function says what is wrong with one message, or nullptr.
using complaint = const char*;

template <class T>
bool is_over(const flatbuffers::Vector<T>* list, std::size_t elements_max) {
  return list != nullptr && list->size() > elements_max;
}

bool is_known(wire::Durability value) {
  return value <= wire::Durability::MAX;
}

complaint check_start(wire::Start start, std::int64_t value) {
  if (start > wire::Start::MAX) return "its start is unknown";
  if (start == wire::Start::offset && value < 0) return "its start offset is negative";
  return nullptr;
}

complaint check_starts(const flatbuffers::Vector<flatbuffers::Offset<wire::PartitionStart>>* starts) {
  if (is_over(starts, partitions_max)) return "it names too many partitions";
  for (const wire::PartitionStart* start : each(starts))
    if (const complaint wrong = check_start(start->start(), start->value())) return wrong;
  return nullptr;
}

using properties = flatbuffers::Vector<flatbuffers::Offset<wire::Property>>;

complaint check_properties(const properties* list) {
  if (is_over(list, properties_max)) return "it has too many headers, or too much metadata";
  for (const wire::Property* property : each(list))
    if (is_missing(property->name())) return "a header, or its metadata, lacks the name";
  return nullptr;
}

complaint check_instance(const wire::InstanceInfo& instance) {
  if (is_missing(instance.instance_id())) return "an instance lacks its id";
  if (instance.state() > wire::InstanceState::MAX) return "an instance's state is unknown";
  return check_properties(instance.metadata());
}

complaint check_settings(const wire::TopicSettings* settings) {
  if (settings == nullptr) return nullptr;
  if (const auto index = settings->index(); index.has_value() && index.value() > wire::Index::MAX)
    return "its index is unknown";
  if (const auto cleanup = settings->cleanup(); cleanup.has_value() && cleanup.value() > wire::Cleanup::MAX)
    return "its cleanup is unknown";
  return nullptr;
}

complaint check_topic(const wire::TopicInfo* topic) {
  if (topic == nullptr || is_missing(topic->name()) || topic->settings() == nullptr)
    return "it lacks the topic, its name or its settings";
  if (is_over(topic->partitions(), partitions_max)) return "it lists too many partitions";
  return check_settings(topic->settings());
}

complaint check_topics(const flatbuffers::Vector<flatbuffers::Offset<wire::TopicName>>* topics) {
  if (is_over(topics, topics_max)) return "it names too many topics";
  for (const wire::TopicName* topic : each(topics))
    if (is_missing(topic->name())) return "a topic of it has no name";
  return nullptr;
}

constexpr complaint too_many_partitions = "it lists too many partitions";
constexpr complaint no_group = "it has no group, or one whose name is too long";
constexpr complaint no_name = "it has no name, or one that is too long";
constexpr complaint no_topic = "it has no topic, or one whose name is too long";
constexpr complaint no_subscription = "its subscription is 0";
constexpr complaint no_subject = "it has no subject, or one that is too long";
constexpr complaint no_responder = "its responder is 0";
constexpr complaint no_correlation = "its correlation is 0";
constexpr complaint no_request = "its request is 0";
constexpr complaint no_watch = "its watch is 0";
constexpr complaint payload_mismatch = "its batch_bytes do not add up to the payload";

// ---- by message: those with nothing to check fall to the template --------------------------------------

using skald::protocol::check;  // of messages about queues; without this, the template would hide them

template <class Message>
complaint check(const Message&) {
  return nullptr;
}

complaint check(const wire::Hello& hello) {
  return hello.version_min() > hello.version_max() ? "its version_min exceeds its version_max" : nullptr;
}
complaint check(const wire::HelloOk& ok) {
  return is_missing(ok.broker_version()) || is_missing(ok.broker_id()) ? "it lacks the broker's version or id"
                                                                       : nullptr;
}
complaint check(const wire::Closing& closing) {
  return closing.code() == 0 ? "its code is 0" : nullptr;
}
complaint check(const wire::Error& error) {
  return error.code() == 0 ? "its code is 0" : nullptr;
}
complaint check(const wire::CreateTopic& create) {
  return is_missing(create.name()) ? no_name : check_settings(create.settings());
}
complaint check(const wire::AlterTopic& alter) {
  return is_missing(alter.name()) ? no_name : check_settings(alter.settings());
}
complaint check(const wire::DeleteTopic& remove) {
  return is_missing(remove.name()) ? no_name : nullptr;
}
complaint check(const wire::DescribeTopic& describe) {
  return is_missing(describe.name()) ? no_name : nullptr;
}
complaint check(const wire::DescribeTopicOk& ok) {
  return check_topic(ok.topic());
}
complaint check(const wire::ListTopicsOk& ok) {
  if (is_over(ok.topics(), topics_max)) return "it lists too many topics";
  for (const wire::TopicInfo* topic : each(ok.topics()))
    if (const complaint wrong = check_topic(topic)) return wrong;
  return nullptr;
}
complaint check(const wire::PublishOk& ok) {
  if (each(ok.appended()).empty() || is_over(ok.appended(), appends_max))
    return "it answers no append, or too many";
  return is_known(ok.durability()) ? nullptr : "its durability is unknown";
}
complaint check(const wire::CommitOk& ok) {
  return is_over(ok.appended(), appends_max) ? "it answers too many appends" : nullptr;
}
complaint check(const wire::CommitRefused& refused) {
  return refused.code() == 0 ? "its code is 0" : nullptr;
}
complaint check(const wire::ListTimers&) {
  return nullptr;
}
complaint check(const wire::ListTimersOk& ok) {
  if (is_over(ok.timers(), timers_max)) return "it lists too many timers";
  for (const wire::TimerInfo* timer : each(ok.timers()))
    if (is_missing(timer->name()) || is_missing(timer->topic())) return "a timer lacks its name or its topic";
  return nullptr;
}
complaint check(const wire::ReadKey& read) {
  if (is_missing(read.topic())) return no_topic;
  return is_over(read.key(), string_bytes_max) ? "its key is too long" : nullptr;
}
complaint check(const wire::ReadKeyOk& ok) {
  if (is_over(ok.versions(), keyed_records_max)) return "it has too many records";
  if (each(ok.versions()).size() != each(ok.offsets()).size()) return "its versions and offsets do not match";
  for (std::size_t i = 1; i < each(ok.offsets()).size(); ++i)
    if (ok.offsets()->Get(static_cast<flatbuffers::uoffset_t>(i)) <=
        ok.offsets()->Get(static_cast<flatbuffers::uoffset_t>(i - 1)))
      return "its offsets do not rise";
  return nullptr;
}
complaint check(const wire::ListKeys& list) {
  if (is_missing(list.topic())) return no_topic;
  return is_over(list.prefix(), string_bytes_max) || is_over(list.after(), string_bytes_max)
             ? "its prefix, or the key it goes on after, is too long"
             : nullptr;
}
complaint check(const wire::ListKeysOk& ok) {
  return is_over(ok.keys(), keyed_records_max) ? "it lists too many keys" : nullptr;
}
complaint check(const wire::ListOffsets& list) {
  if (is_missing(list.topic())) return no_topic;
  if (is_over(list.partitions(), partitions_max)) return "it names too many partitions";
  return check_start(list.start(), list.value());
}
complaint check(const wire::ListOffsetsOk& ok) {
  return is_over(ok.offsets(), partitions_max) ? "it lists too many partitions" : nullptr;
}
complaint check_filter(const wire::RecordFilter* filter) {
  if (filter == nullptr) return nullptr;
  if (is_over(filter->headers(), filter_headers_max)) return "its filter has too many headers";
  for (const wire::HeaderFilter* header : each(filter->headers()))
    if (is_missing(header->name())) return "a header of its filter has no name, or one that is too long";
  return nullptr;
}
complaint check(const wire::Fetch& fetch) {
  return is_missing(fetch.topic()) ? no_topic : check_filter(fetch.filter());
}
complaint check(const wire::Subscribe& subscribe) {
  if (is_missing(subscribe.topic())) return no_topic;
  if (subscribe.subscription() == 0) return no_subscription;
  if (const complaint wrong = check_start(subscribe.start(), subscribe.value())) return wrong;
  if (const complaint wrong = check_filter(subscribe.filter())) return wrong;
  return check_starts(subscribe.partitions());
}
complaint check(const wire::SubscribeOk& ok) {
  if (is_over(ok.offsets(), partitions_max)) return "it lists too many partitions";
  return check_topics(ok.topics());
}
complaint check(const wire::Credit& credit) {
  return credit.subscription() == 0 ? no_subscription : nullptr;
}
complaint check(const wire::Seek& seek) {
  return seek.subscription() == 0 ? no_subscription : check_starts(seek.partitions());
}
complaint check(const wire::SeekOk& ok) {
  return is_over(ok.offsets(), partitions_max) ? "it lists too many partitions" : nullptr;
}
complaint check(const wire::Unsubscribe& unsubscribe) {
  return unsubscribe.subscription() == 0 ? no_subscription : nullptr;
}
complaint check(const wire::SubscriptionNotice& notice) {
  return notice.subscription() == 0 ? no_subscription : nullptr;
}

complaint check(const wire::Request& request) {
  return is_missing(request.subject()) ? no_subject : check_properties(request.headers());
}
complaint check(const wire::RequestAll& request) {
  return is_missing(request.subject()) ? no_subject : check_properties(request.headers());
}
complaint check(const wire::Reply& reply) {
  return check_properties(reply.headers());
}
complaint check(const wire::PartialReply& reply) {
  return reply.request() == 0 ? no_request : check_properties(reply.headers());
}
complaint check(const wire::CancelRequest& cancel) {
  return cancel.request() == 0 ? no_request : nullptr;
}
complaint check(const wire::Serve& serve) {
  if (serve.responder() == 0) return no_responder;
  return is_missing(serve.subject()) ? no_subject : check_properties(serve.metadata());
}
complaint check(const wire::ServeOk& ok) {
  return is_missing(ok.instance_id()) ? "it has no instance id" : nullptr;
}
complaint check(const wire::Unserve& unserve) {
  return unserve.responder() == 0 ? no_responder : nullptr;
}
complaint check(const wire::Drain& drain) {
  return drain.responder() == 0 ? no_responder : nullptr;
}
complaint check(const wire::Heartbeat& heartbeat) {
  return heartbeat.responder() == 0 ? no_responder : nullptr;
}
complaint check(const wire::RequestDelivery& delivery) {
  if (delivery.responder() == 0) return no_responder;
  return delivery.correlation() == 0 ? no_correlation : check_properties(delivery.headers());
}
complaint check(const wire::RequestCancelled& cancelled) {
  if (cancelled.responder() == 0) return no_responder;
  return cancelled.correlation() == 0 ? no_correlation : nullptr;
}
complaint check(const wire::Respond& respond) {
  return respond.correlation() == 0 ? no_correlation : check_properties(respond.headers());
}
complaint check(const wire::ResponderNotice& notice) {
  return notice.responder() == 0 ? no_responder : nullptr;
}
complaint check(const wire::ListServicesOk& ok) {
  if (is_over(ok.services(), topics_max)) return "it lists too many services";
  for (const wire::ServiceInfo* service : each(ok.services())) {
    if (is_missing(service->subject()) || service->statistics() == nullptr)
      return "a service lacks its subject or statistics";
    if (is_over(service->instances(), instances_max)) return "it lists too many instances";
    for (const wire::InstanceInfo* instance : each(service->instances())) {
      if (const complaint wrong = check_instance(*instance)) return wrong;
      if (instance->statistics() == nullptr) return "an instance lacks its statistics";
    }
  }
  return nullptr;
}
complaint check(const wire::WatchServices& watch) {
  return watch.watch() == 0 ? no_watch : nullptr;
}
complaint check(const wire::UnwatchServices& unwatch) {
  return unwatch.watch() == 0 ? no_watch : nullptr;
}
complaint check(const wire::ServiceEvent& event) {
  if (event.watch() == 0) return no_watch;
  if (is_missing(event.subject()) || event.instance() == nullptr) return "it lacks the subject or instance";
  return check_instance(*event.instance());
}
complaint check(const wire::SubscriptionChanged& changed) {
  if (changed.subscription() == 0) return no_subscription;
  if (is_over(changed.joined(), partitions_max) || is_over(changed.left(), partitions_max) ||
      is_over(changed.revoked(), partitions_max))
    return too_many_partitions;
  return check_topics(changed.topics());
}
complaint check(const wire::MemberHeartbeat& heartbeat) {
  return heartbeat.subscription() == 0 ? no_subscription : nullptr;
}
complaint check(const wire::ReleasePartitions& release) {
  if (release.subscription() == 0) return no_subscription;
  return is_over(release.partitions(), partitions_max) ? too_many_partitions : nullptr;
}
complaint check(const wire::CommitOffsets& commit) {
  if (is_missing(commit.group())) return no_group;
  if (each(commit.offsets()).empty()) return "it commits nothing";
  return is_over(commit.offsets(), partitions_max) ? too_many_partitions : nullptr;
}
complaint check(const wire::ListGroupsOk& ok) {
  if (is_over(ok.groups(), groups_max)) return "it lists too many groups";
  for (const wire::GroupSummary* group : each(ok.groups()))
    if (is_missing(group->name())) return no_group;
  return nullptr;
}
complaint check(const wire::DescribeGroup& describe) {
  return is_missing(describe.group()) ? no_group : nullptr;
}
complaint check(const wire::DescribeGroupOk& ok) {
  if (is_over(ok.members(), groups_max)) return "it lists too many members";
  if (is_over(ok.partitions(), partitions_max)) return too_many_partitions;
  return check_topics(ok.topics());
}
complaint check(const wire::DeleteGroup& remove) {
  return is_missing(remove.group()) ? no_group : nullptr;
}

complaint check_appends(const flatbuffers::Vector<flatbuffers::Offset<wire::Append>>* appends,
                        std::size_t payload_bytes) {
  for (const wire::Append* append : each(appends)) {
    if (is_missing(append->topic())) return no_topic;
    if (append->batch_bytes() == 0 || append->batch_bytes() > payload_bytes) return payload_mismatch;
    payload_bytes -= append->batch_bytes();
  }
  return payload_bytes == 0 ? nullptr : payload_mismatch;
}

// What FetchOk and Delivery have in common.
template <class Reading>
complaint check_reading(const Reading& reading, std::size_t payload_bytes) {
  const std::uint64_t from = reading.offset();
  const std::uint64_t next = reading.next_offset();
  if (next != 0 && next < from) return "its next offset is before its offset";
  const each offsets(reading.offsets());
  if (offsets.empty()) return nullptr;
  if (offsets.size() > selected_max) return "it lists too many offsets";
  if (payload_bytes == 0) return "it lists offsets, but has no payload";
  std::uint64_t least = from;
  for (const std::uint64_t at : offsets) {
    if (at < least || at >= next) return "its offsets do not rise, or are out of its range";
    least = at + 1;
  }
  return nullptr;
}

complaint check_delivery(const wire::Delivery& delivery, std::size_t payload_bytes) {
  return delivery.subscription() == 0 ? no_subscription : check_reading(delivery, payload_bytes);
}

complaint check_commit(const wire::Commit& commit, std::size_t payload_bytes) {
  if (is_over(commit.appends(), appends_max)) return "it has too many appends";
  if (is_over(commit.timers(), timers_max)) return "it changes too many timers";
  for (const wire::TimerChange* change : each(commit.timers()))
    if (is_missing(change->name())) return "it changes a timer without a name";
  if (is_over(commit.positions(), groups_max)) return "it moves too many groups";
  for (const wire::CommitOffsets* moved : each(commit.positions()))
    if (const complaint wrong = check(*moved)) return wrong;
  if (commit.settlements() != nullptr && commit.settlements()->size() > settled_max)
    return "it settles too much";
  if (!is_aligned(commit.settlements())) return misaligned;
  if (commit.settlements() != nullptr)
    for (const wire::AckedRun* run : *commit.settlements())
      if (run->consumer() == 0 || run->count() == 0) return "it settles records of no consumer, or none";
  return check_appends(commit.appends(), payload_bytes);
}

complaint check_publish(const wire::Publish& publish, std::size_t payload_bytes) {
  if (each(publish.appends()).empty() || is_over(publish.appends(), appends_max))
    return "it has no appends, or too many";
  if (!is_known(publish.durability())) return "its durability is unknown";
  return check_appends(publish.appends(), payload_bytes);
}

complaint check_id(std::uint64_t id, wire::Body type) {
  switch (type) {
    case wire::Body::Credit:
    case wire::Body::CancelRequest:
    case wire::Body::Heartbeat:
    case wire::Body::Respond:
      return nullptr;
    default:
      if (is_pushed(type)) return id == 0 ? nullptr : "it is pushed, but has an id";
      return id != 0 ? nullptr : "its id is 0";
  }
}

template <class Message>
complaint check_as(const wire::Frame& frame) {
  return check(*static_cast<const Message*>(frame.body()));
}

complaint check_body(const wire::Frame& frame, std::size_t payload_bytes) {
  switch (frame.body_type()) {
    case wire::Body::NONE:
      return "it has no message";
    case wire::Body::Publish:
      return check_publish(*frame.body_as_Publish(), payload_bytes);
    case wire::Body::FetchOk:
      return check_reading(*frame.body_as_FetchOk(), payload_bytes);
    case wire::Body::Delivery:
      return check_delivery(*frame.body_as_Delivery(), payload_bytes);
    case wire::Body::Commit:
      return check_commit(*frame.body_as_Commit(), payload_bytes);
#define SKALD_MESSAGE(name) \
  case wire::Body::name:    \
    return check_as<wire::name>(frame);
      SKALD_MESSAGE(Hello)
      SKALD_MESSAGE(HelloOk)
      SKALD_MESSAGE(Ping)
      SKALD_MESSAGE(Pong)
      SKALD_MESSAGE(Closing)
      SKALD_MESSAGE(Error)
      SKALD_MESSAGE(Ok)
      SKALD_MESSAGE(CreateTopic)
      SKALD_MESSAGE(AlterTopic)
      SKALD_MESSAGE(DeleteTopic)
      SKALD_MESSAGE(DescribeTopic)
      SKALD_MESSAGE(DescribeTopicOk)
      SKALD_MESSAGE(ListTopics)
      SKALD_MESSAGE(ListTopicsOk)
      SKALD_MESSAGE(InitProducer)
      SKALD_MESSAGE(InitProducerOk)
      SKALD_MESSAGE(PublishOk)
      SKALD_MESSAGE(ListOffsets)
      SKALD_MESSAGE(ListOffsetsOk)
      SKALD_MESSAGE(Fetch)
      SKALD_MESSAGE(Subscribe)
      SKALD_MESSAGE(SubscribeOk)
      SKALD_MESSAGE(Credit)
      SKALD_MESSAGE(Seek)
      SKALD_MESSAGE(SeekOk)
      SKALD_MESSAGE(Unsubscribe)
      SKALD_MESSAGE(SubscriptionNotice)
      SKALD_MESSAGE(Status)
      SKALD_MESSAGE(StatusOk)
      SKALD_MESSAGE(Request)
      SKALD_MESSAGE(Reply)
      SKALD_MESSAGE(RequestAll)
      SKALD_MESSAGE(PartialReply)
      SKALD_MESSAGE(RequestAllOk)
      SKALD_MESSAGE(CancelRequest)
      SKALD_MESSAGE(Serve)
      SKALD_MESSAGE(ServeOk)
      SKALD_MESSAGE(Unserve)
      SKALD_MESSAGE(Drain)
      SKALD_MESSAGE(Heartbeat)
      SKALD_MESSAGE(RequestDelivery)
      SKALD_MESSAGE(RequestCancelled)
      SKALD_MESSAGE(Respond)
      SKALD_MESSAGE(ResponderNotice)
      SKALD_MESSAGE(ListServices)
      SKALD_MESSAGE(ListServicesOk)
      SKALD_MESSAGE(WatchServices)
      SKALD_MESSAGE(UnwatchServices)
      SKALD_MESSAGE(ServiceEvent)
      SKALD_MESSAGE(SubscriptionChanged)
      SKALD_MESSAGE(MemberHeartbeat)
      SKALD_MESSAGE(ReleasePartitions)
      SKALD_MESSAGE(CommitOffsets)
      SKALD_MESSAGE(ListGroups)
      SKALD_MESSAGE(ListGroupsOk)
      SKALD_MESSAGE(DescribeGroup)
      SKALD_MESSAGE(DescribeGroupOk)
      SKALD_MESSAGE(DeleteGroup)
      SKALD_MESSAGE(CommitOk)
      SKALD_MESSAGE(CommitRefused)
      SKALD_MESSAGE(ReadKey)
      SKALD_MESSAGE(ReadKeyOk)
      SKALD_MESSAGE(ListKeys)
      SKALD_MESSAGE(ListKeysOk)
      SKALD_MESSAGE(CreateQueue)
      SKALD_MESSAGE(AlterQueue)
      SKALD_MESSAGE(DeleteQueue)
      SKALD_MESSAGE(DescribeQueue)
      SKALD_MESSAGE(DescribeQueueOk)
      SKALD_MESSAGE(ListQueues)
      SKALD_MESSAGE(ListQueuesOk)
      SKALD_MESSAGE(PeekQueue)
      SKALD_MESSAGE(PeekQueueOk)
      SKALD_MESSAGE(RetryQueue)
      SKALD_MESSAGE(PurgeQueue)
      SKALD_MESSAGE(SettleDead)
      SKALD_MESSAGE(QueueChanged)
      SKALD_MESSAGE(OpenQueue)
      SKALD_MESSAGE(OpenQueueOk)
      SKALD_MESSAGE(CloseQueue)
      SKALD_MESSAGE(QueueDelivery)
      SKALD_MESSAGE(Settle)
      SKALD_MESSAGE(SettleOk)
      SKALD_MESSAGE(QueueNotice)
      SKALD_MESSAGE(ListTimers)
      SKALD_MESSAGE(ListTimersOk)
#undef SKALD_MESSAGE
  }
  return "it is unknown";
}

bool may_have_payload(wire::Body type) {
  switch (type) {
    case wire::Body::Publish:
    case wire::Body::Commit:
    case wire::Body::ReadKeyOk:
    case wire::Body::FetchOk:
    case wire::Body::Delivery:
    case wire::Body::Request:
    case wire::Body::Reply:
    case wire::Body::RequestAll:
    case wire::Body::PartialReply:
    case wire::Body::RequestDelivery:
    case wire::Body::Respond:
    case wire::Body::PeekQueueOk:
    case wire::Body::QueueDelivery:
      return true;
    default:
      return false;
  }
}

header_failure broken(std::uint64_t id, std::string message) {
  header_failure failed;
  failed.code = errc::protocol_error;
  failed.message = std::move(message);
  failed.id = id;
  return failed;
}

}  // namespace

header_result<const wire::Frame*> verify_frame(const frame_view& view) {
  assert(reinterpret_cast<std::uintptr_t>(view.header.data()) % alignof(std::uint64_t) == 0);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(view.header.data());
  flatbuffers::Verifier verifier(bytes, view.header.size(), depth_max, tables_max);
  if (!wire::VerifyFrameBuffer(verifier)) return broken(0, "the frame's header is not a valid FlatBuffer");

  const wire::Frame* frame = wire::GetFrame(bytes);
  const wire::Body type = frame->body_type();
  if (type > wire::Body::MAX) {
    header_failure unknown;
    unknown.code = errc::unsupported_version;
    unknown.message = "message type " + std::to_string(static_cast<unsigned>(type)) +
                      " is not known to this version of skald";
    unknown.id = frame->id();
    return unknown;
  }
  // An absent union passes FlatBuffers' verification.
  if (frame->body() == nullptr) return broken(frame->id(), "the frame has no message");
  const std::string name = wire::EnumNameBody(type);
  if (const complaint wrong = check_id(frame->id(), type))
    return broken(frame->id(), "malformed " + name + ": " + wrong);
  if (!view.payload.empty() && !may_have_payload(type))
    return broken(frame->id(), "malformed " + name + ": it has a payload");
  if (const complaint wrong = check_body(*frame, view.payload.size()))
    return broken(frame->id(), "malformed " + name + ": " + wrong);
  return frame;
}

header_result<const wire::Frame*> header_reader::read(const frame_view& frame) {
  if (reinterpret_cast<std::uintptr_t>(frame.header.data()) % alignof(std::uint64_t) == 0)
    return verify_frame(frame);
  aligned_.resize((frame.header.size() + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t));
  std::memcpy(aligned_.data(), frame.header.data(), frame.header.size());
  return verify_frame({std::as_bytes(std::span(aligned_)).first(frame.header.size()), frame.payload});
}

bool is_request(wire::Body type) {
  switch (type) {
    case wire::Body::Hello:
    case wire::Body::Ping:
    case wire::Body::CreateTopic:
    case wire::Body::AlterTopic:
    case wire::Body::DeleteTopic:
    case wire::Body::DescribeTopic:
    case wire::Body::ListTopics:
    case wire::Body::InitProducer:
    case wire::Body::Publish:
    case wire::Body::ListOffsets:
    case wire::Body::Fetch:
    case wire::Body::Subscribe:
    case wire::Body::Credit:
    case wire::Body::Seek:
    case wire::Body::Unsubscribe:
    case wire::Body::Status:
    case wire::Body::Request:
    case wire::Body::RequestAll:
    case wire::Body::CancelRequest:
    case wire::Body::Serve:
    case wire::Body::Unserve:
    case wire::Body::Drain:
    case wire::Body::Heartbeat:
    case wire::Body::Respond:
    case wire::Body::ListServices:
    case wire::Body::WatchServices:
    case wire::Body::UnwatchServices:
    case wire::Body::MemberHeartbeat:
    case wire::Body::ReleasePartitions:
    case wire::Body::CommitOffsets:
    case wire::Body::ListGroups:
    case wire::Body::DescribeGroup:
    case wire::Body::DeleteGroup:
    case wire::Body::Commit:
    case wire::Body::ReadKey:
    case wire::Body::ListKeys:
    case wire::Body::CreateQueue:
    case wire::Body::AlterQueue:
    case wire::Body::DeleteQueue:
    case wire::Body::DescribeQueue:
    case wire::Body::ListQueues:
    case wire::Body::PeekQueue:
    case wire::Body::RetryQueue:
    case wire::Body::PurgeQueue:
    case wire::Body::SettleDead:
    case wire::Body::OpenQueue:
    case wire::Body::CloseQueue:
    case wire::Body::Settle:
    case wire::Body::ListTimers:
      return true;
    default:
      return false;
  }
}

bool is_pushed(wire::Body type) {
  switch (type) {
    case wire::Body::Closing:
    case wire::Body::Delivery:
    case wire::Body::SubscriptionNotice:
    case wire::Body::PartialReply:
    case wire::Body::RequestDelivery:
    case wire::Body::RequestCancelled:
    case wire::Body::ResponderNotice:
    case wire::Body::ServiceEvent:
    case wire::Body::SubscriptionChanged:
    case wire::Body::QueueDelivery:
    case wire::Body::QueueNotice:
      return true;
    default:
      return false;
  }
}

std::span<const std::byte> frame_writer::finish(std::uint64_t id, wire::Body type,
                                                flatbuffers::Offset<void> body, std::size_t payload_bytes) {
  builder_.Finish(wire::CreateFrame(builder_, id, type, body));
  const auto header_length = static_cast<std::uint32_t>(builder_.GetSize());
  const std::size_t frame_length = sizeof header_length + header_length + payload_bytes;
  assert(frame_length <= std::numeric_limits<std::uint32_t>::max());

  std::byte prefix[frame_prefix_bytes];
  store_little_endian(prefix, static_cast<std::uint32_t>(frame_length));
  store_little_endian(prefix + sizeof header_length, header_length);
  // The builder grows downwards, so that the prefix can still go in front of the finished header.
  builder_.PushBytes(reinterpret_cast<const std::uint8_t*>(prefix), sizeof prefix);
  return {reinterpret_cast<const std::byte*>(builder_.GetBufferPointer()), builder_.GetSize()};
}

}  // namespace skald::protocol
