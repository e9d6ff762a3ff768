// Frames and their headers: whatever the bytes, bounds are found safely, and what the reader of headers
// accepts has everything that protocol/wire.hpp promises to handlers.
#include <algorithm>
#include <cstring>
#include <vector>

#include "protocol/wire.hpp"
#include "tests/fuzz/fuzzer.hpp"

using namespace skald::protocol;
using skald::fuzz::require;
using skald::fuzz::touch;
namespace wire = skald::wire;

namespace {

std::size_t length(const flatbuffers::String* required) {
  require(required->size() <= string_bytes_max, "a required string is there and of a sane length");
  require(required->c_str()[required->size()] == '\0', "a string is terminated");
  return required->size();
}

template <class List>
void touch_starts(const List* starts) {
  require(each(starts).size() <= partitions_max, "a list of partitions is capped");
  for (const wire::PartitionStart* start : each(starts)) {
    require(start->start() <= wire::Start::MAX, "a start is known");
    require(start->start() != wire::Start::offset || start->value() >= 0, "an offset is not negative");
  }
}

void touch_filter(const wire::RecordFilter* filter) {
  if (filter == nullptr) return;
  require(each(filter->headers()).size() <= filter_headers_max, "the headers of a filter are capped");
  for (const wire::HeaderFilter* header : each(filter->headers()))
    touch(length(header->name()) + each(header->value()).size());
  touch(each(filter->key()).size() + each(filter->key_prefix()).size());
}

void touch_offsets(const flatbuffers::Vector<flatbuffers::Offset<wire::PartitionOffset>>* offsets) {
  require(each(offsets).size() <= partitions_max, "a list of offsets is capped");
  for (const wire::PartitionOffset* at : each(offsets)) touch(at->offset());
}

void touch_topic(const wire::TopicInfo* topic) {
  length(topic->name());
  touch(topic->settings()->retention_ms());
  require(topic->settings()->cleanup().value_or(wire::Cleanup::MIN) <= wire::Cleanup::MAX,
          "a cleanup is known");
  for (const wire::PartitionInfo* partition : each(topic->partitions())) touch(partition->end());
}

void touch_publish(const wire::Publish& publish, std::size_t payload_bytes) {
  require(publish.durability() <= wire::Durability::MAX, "a durability is known");
  require(publish.appends()->size() >= 1 && publish.appends()->size() <= appends_max, "appends are capped");
  std::size_t sum = 0;
  for (const wire::Append* append : *publish.appends()) {
    length(append->topic());
    require(append->batch_bytes() > 0, "an append has bytes");
    sum += append->batch_bytes();
  }
  require(sum == payload_bytes, "appends add up to the payload");
}

void touch_properties(const flatbuffers::Vector<flatbuffers::Offset<wire::Property>>* list) {
  require(each(list).size() <= properties_max, "headers are capped");
  for (const wire::Property* property : each(list))
    touch(length(property->name()) + text(property->value()).size());
}

void touch_instance(const wire::InstanceInfo& instance) {
  length(instance.instance_id());
  require(instance.state() <= wire::InstanceState::MAX, "a state is known");
  touch_properties(instance.metadata());
}

void touch_services(const wire::ListServicesOk& ok) {
  for (const wire::ServiceInfo* service : each(ok.services())) {
    length(service->subject());
    touch(service->statistics()->requests());
    for (const wire::InstanceInfo* instance : each(service->instances())) {
      touch_instance(*instance);
      touch(instance->statistics()->late());
    }
  }
}

// The messages of callers and responders.
void touch_service_message(const wire::Frame& frame) {
  switch (frame.body_type()) {
    case wire::Body::Request:
      length(frame.body_as_Request()->subject());
      touch_properties(frame.body_as_Request()->headers());
      break;
    case wire::Body::RequestAll:
      length(frame.body_as_RequestAll()->subject());
      touch_properties(frame.body_as_RequestAll()->headers());
      break;
    case wire::Body::Reply:
      touch(text(frame.body_as_Reply()->message()));
      touch_properties(frame.body_as_Reply()->headers());
      break;
    case wire::Body::PartialReply:
      require(frame.body_as_PartialReply()->request() != 0, "a partial reply names its request");
      touch_properties(frame.body_as_PartialReply()->headers());
      break;
    case wire::Body::Serve:
      require(frame.body_as_Serve()->responder() != 0, "a responder has a number");
      length(frame.body_as_Serve()->subject());
      touch_properties(frame.body_as_Serve()->metadata());
      break;
    case wire::Body::ServeOk:
      length(frame.body_as_ServeOk()->instance_id());
      break;
    case wire::Body::RequestDelivery:
      require(frame.body_as_RequestDelivery()->correlation() != 0, "a delivery can be answered");
      touch_properties(frame.body_as_RequestDelivery()->headers());
      break;
    case wire::Body::Respond:
      require(frame.body_as_Respond()->correlation() != 0, "a response has a request");
      touch_properties(frame.body_as_Respond()->headers());
      break;
    case wire::Body::ListServicesOk:
      touch_services(*frame.body_as_ListServicesOk());
      break;
    case wire::Body::ServiceEvent:
      length(frame.body_as_ServiceEvent()->subject());
      touch_instance(*frame.body_as_ServiceEvent()->instance());
      break;
    default:
      break;
  }
}

template <class Reading>
void touch_reading(const Reading& reading, std::size_t payload_bytes) {
  std::uint64_t least = reading.offset();
  require(reading.next_offset() == 0 || reading.next_offset() >= least, "reading goes on, not back");
  const each offsets(reading.offsets());
  require(offsets.size() <= selected_max, "a list of selected offsets is capped");
  require(offsets.empty() || payload_bytes > 0, "selected records have a payload");
  for (const std::uint64_t at : offsets) {
    require(at >= least && at < reading.next_offset(), "offsets rise, within what is covered");
    least = at + 1;
  }
}

void touch_topics(const flatbuffers::Vector<flatbuffers::Offset<wire::TopicName>>* topics) {
  require(each(topics).size() <= topics_max, "topics are capped");
  for (const wire::TopicName* topic : each(topics)) length(topic->name());
}

// The messages of subscriptions whose partitions change, and of consumer groups.
void touch_group_message(const wire::Frame& frame) {
  switch (frame.body_type()) {
    case wire::Body::SubscriptionChanged:
      require(frame.body_as_SubscriptionChanged()->subscription() != 0, "a change has a subscription");
      touch_topics(frame.body_as_SubscriptionChanged()->topics());
      for (const wire::TopicPartition* one : each(frame.body_as_SubscriptionChanged()->revoked()))
        touch(one->partition());
      break;
    case wire::Body::CommitOffsets:
      length(frame.body_as_CommitOffsets()->group());
      require(!each(frame.body_as_CommitOffsets()->offsets()).empty(), "a commit commits something");
      break;
    case wire::Body::DescribeGroup:
      length(frame.body_as_DescribeGroup()->group());
      break;
    case wire::Body::DescribeGroupOk:
      touch_topics(frame.body_as_DescribeGroupOk()->topics());
      for (const wire::GroupMember* member : each(frame.body_as_DescribeGroupOk()->members()))
        touch(text(member->subscription()));
      break;
    case wire::Body::ListGroupsOk:
      for (const wire::GroupSummary* group : each(frame.body_as_ListGroupsOk()->groups()))
        length(group->name());
      break;
    case wire::Body::DeleteGroup:
      length(frame.body_as_DeleteGroup()->group());
      break;
    default:
      break;
  }
}

void touch_appends(const flatbuffers::Vector<flatbuffers::Offset<wire::Append>>* appends,
                   std::size_t payload_bytes) {
  std::size_t sum = 0;
  for (const wire::Append* append : each(appends)) {
    length(append->topic());
    touch(text(append->message_id()));
    sum += append->batch_bytes();
  }
  require(sum == payload_bytes, "the batches of all appends are the payload");
}

// The messages about units of work and keys.
void touch_keyed_message(const wire::Frame& frame, std::size_t payload_bytes) {
  switch (frame.body_type()) {
    case wire::Body::Commit:
      touch_appends(frame.body_as_Commit()->appends(), payload_bytes);
      for (const wire::TimerChange* one : each(frame.body_as_Commit()->timers()))
        touch(length(one->name()) + text(one->owner()).size());
      for (const wire::CommitOffsets* one : each(frame.body_as_Commit()->positions())) {
        length(one->group());
        require(!each(one->offsets()).empty(), "a position is of some partition");
        for (const wire::PartitionOffset* at : *one->offsets()) touch(at->offset());
      }
      if (frame.body_as_Commit()->settlements() != nullptr)
        for (const wire::AckedRun* one : *frame.body_as_Commit()->settlements())
          require(one->consumer() != 0 && one->count() != 0, "a run is of some consumer, and not empty");
      break;
    case wire::Body::CommitRefused:
      require(frame.body_as_CommitRefused()->code() != 0, "a refusal has a code");
      touch(text(frame.body_as_CommitRefused()->message()));
      break;
    case wire::Body::ReadKey:
      length(frame.body_as_ReadKey()->topic());
      break;
    case wire::Body::ReadKeyOk:
      require(each(frame.body_as_ReadKeyOk()->versions()).size() ==
                  each(frame.body_as_ReadKeyOk()->offsets()).size(),
              "each record has a version");
      break;
    case wire::Body::ListKeysOk:
      for (const wire::KeyInfo* one : each(frame.body_as_ListKeysOk()->keys())) touch(one->version());
      break;
    case wire::Body::ListTimersOk:
      for (const wire::TimerInfo* one : each(frame.body_as_ListTimersOk()->timers()))
        touch(length(one->name()) + length(one->topic()));
      break;
    default:
      break;
  }
}

// Reads what a handler may read without a check.
void touch_body(const wire::Frame& frame, std::size_t payload_bytes) {
  require(frame.body() != nullptr, "a frame has a body");
  switch (frame.body_type()) {
    case wire::Body::Hello:
      touch(text(frame.body_as_Hello()->client_name()));
      break;
    case wire::Body::HelloOk:
      touch(length(frame.body_as_HelloOk()->broker_version()));
      break;
    case wire::Body::Closing:
      require(frame.body_as_Closing()->code() != 0, "closing has a code");
      break;
    case wire::Body::Error:
      require(frame.body_as_Error()->code() != 0, "an error has a code");
      break;
    case wire::Body::CreateTopic:
      touch(length(frame.body_as_CreateTopic()->name()));
      break;
    case wire::Body::AlterTopic:
      touch(length(frame.body_as_AlterTopic()->name()));
      break;
    case wire::Body::DeleteTopic:
      touch(length(frame.body_as_DeleteTopic()->name()));
      break;
    case wire::Body::DescribeTopic:
      touch(length(frame.body_as_DescribeTopic()->name()));
      break;
    case wire::Body::DescribeTopicOk:
      touch_topic(frame.body_as_DescribeTopicOk()->topic());
      break;
    case wire::Body::ListTopicsOk:
      for (const wire::TopicInfo* topic : each(frame.body_as_ListTopicsOk()->topics())) touch_topic(topic);
      break;
    case wire::Body::Publish:
      touch_publish(*frame.body_as_Publish(), payload_bytes);
      break;
    case wire::Body::PublishOk:
      for (const wire::Appended* one : *frame.body_as_PublishOk()->appended()) touch(text(one->message()));
      break;
    case wire::Body::ListOffsets:
      length(frame.body_as_ListOffsets()->topic());
      for (const std::uint32_t partition : each(frame.body_as_ListOffsets()->partitions())) touch(partition);
      break;
    case wire::Body::ListOffsetsOk:
      touch_offsets(frame.body_as_ListOffsetsOk()->offsets());
      break;
    case wire::Body::Fetch:
      touch(length(frame.body_as_Fetch()->topic()));
      touch_filter(frame.body_as_Fetch()->filter());
      break;
    case wire::Body::Subscribe:
      length(frame.body_as_Subscribe()->topic());
      touch_starts(frame.body_as_Subscribe()->partitions());
      touch_filter(frame.body_as_Subscribe()->filter());
      break;
    case wire::Body::FetchOk:
      touch_reading(*frame.body_as_FetchOk(), payload_bytes);
      break;
    case wire::Body::Delivery:
      touch_reading(*frame.body_as_Delivery(), payload_bytes);
      break;
    case wire::Body::SubscribeOk:
      touch_offsets(frame.body_as_SubscribeOk()->offsets());
      break;
    case wire::Body::Seek:
      touch_starts(frame.body_as_Seek()->partitions());
      break;
    case wire::Body::SeekOk:
      touch_offsets(frame.body_as_SeekOk()->offsets());
      break;
    case wire::Body::SubscriptionNotice:
      touch(text(frame.body_as_SubscriptionNotice()->message()));
      break;
    case wire::Body::StatusOk:
      touch(text(frame.body_as_StatusOk()->broker_id()));
      break;
    default:
      touch_service_message(frame);
      touch_keyed_message(frame, payload_bytes);
      touch_group_message(frame);
      break;
  }
}

void read_header(const frame_view& frame) {
  static header_reader reader;
  const auto read = reader.read(frame);
  if (!read) return require(!read.error().message.empty(), "a refusal has a message");
  touch_body(**read, frame.payload.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const frame_limits limits{.frame_bytes_max = 1u << 20, .header_bytes_max = 1u << 16};
  auto rest = std::as_bytes(std::span(data, size));
  for (;;) {
    const auto progress = parse_frame(rest, limits);
    if (!progress || !progress->complete()) break;
    require(progress->frame.size() <= rest.size(), "a frame lies within the input");
    require(!parse_frame(rest.first(progress->frame.size() - 1), limits)->complete(),
            "a frame is not found before its last byte");
    read_header(progress->frame);
    rest = rest.subspan(progress->frame.size());
  }
  // The input as a bare header, whatever its first bytes say about lengths.
  const auto header = std::as_bytes(std::span(data, size));
  read_header({header, {}});
  return 0;
}
