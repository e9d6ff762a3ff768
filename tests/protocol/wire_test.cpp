#include "protocol/wire.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <string>

#include "tests/protocol/bytes.hpp"

namespace skald::protocol {
namespace {

using test::byte_string;

// A frame as a peer sends it.
class sent_frame {
 public:
  template <class Message>
  void write(std::uint64_t id,
             const std::function<flatbuffers::Offset<Message>(flatbuffers::FlatBufferBuilder&)>& build,
             std::size_t payload_bytes = 0) {
    frame_writer writer;
    auto& builder = writer.begin();
    const auto front = writer.finish(id, build(builder), payload_bytes);
    bytes_.assign(front.begin(), front.end());
    bytes_.resize(bytes_.size() + payload_bytes);
  }
  header_result<const wire::Frame*> read() {
    const auto progress = parse_frame(bytes_, {});
    REQUIRE(progress.has_value());
    REQUIRE(progress->complete());
    REQUIRE(progress->frame.size() == bytes_.size());
    return reader_.read(progress->frame);
  }
  byte_string& bytes() { return bytes_; }

 private:
  byte_string bytes_;
  header_reader reader_;
};

// What the reader says of one message; empty when it is accepted.
template <class Build>
std::string complaint(std::uint64_t id, Build build, std::size_t payload_bytes = 0) {
  frame_writer writer;
  auto& builder = writer.begin();
  const auto front = writer.finish(id, build(builder), payload_bytes);
  byte_string bytes(front.begin(), front.end());
  bytes.resize(bytes.size() + payload_bytes);
  const auto progress = parse_frame(bytes, {});
  REQUIRE(progress.has_value());
  header_reader reader;
  const auto frame = reader.read(progress->frame);
  if (frame) return "";
  CHECK(frame.error().code == errc::protocol_error);
  CHECK(frame.error().id == id);
  return frame.error().message;
}

using builder = flatbuffers::FlatBufferBuilder;

TEST_CASE("a written frame reads back") {
  sent_frame frame;
  frame.write<wire::Hello>(7, [](builder& b) { return wire::CreateHelloDirect(b, 1, 3, "tester"); });
  const auto read = frame.read();
  REQUIRE_MESSAGE(read.has_value(), read.error().message);
  CHECK((*read)->id() == 7);
  const wire::Hello* hello = (*read)->body_as_Hello();
  REQUIRE(hello != nullptr);
  CHECK(hello->version_min() == 1);
  CHECK(hello->version_max() == 3);
  CHECK(text(hello->client_name()) == "tester");
}

TEST_CASE("one writer writes frame after frame into the same buffer") {
  frame_writer writer;
  byte_string first, third;
  for (int i = 0; i < 3; ++i) {
    auto& b = writer.begin();
    const auto front = writer.finish(9, wire::CreatePing(b));
    if (i == 0) first.assign(front.begin(), front.end());
    if (i == 2) third.assign(front.begin(), front.end());
  }
  CHECK(first == third);
}

TEST_CASE("headers are read at any alignment") {
  sent_frame frame;
  frame.write<wire::InitProducerOk>(3,
                                    [](builder& b) { return wire::CreateInitProducerOk(b, 1ull << 40, 2); });
  for (std::size_t shift = 0; shift < 8; ++shift) {
    byte_string shifted(shift);
    shifted.insert(shifted.end(), frame.bytes().begin(), frame.bytes().end());
    header_reader reader;
    const auto progress = parse_frame(std::span(shifted).subspan(shift), {});
    const auto read = reader.read(progress->frame);
    REQUIRE(read.has_value());
    CHECK((*read)->body_as_InitProducerOk()->producer_id() == 1ull << 40);
  }
}

TEST_CASE("no header with a flipped bit or a missing end is read out of bounds") {
  sent_frame frame;
  frame.write<wire::Subscribe>(5, [](builder& b) {
    const auto starts = b.CreateVector(std::vector{wire::CreatePartitionStart(b, 1, wire::Start::offset, 5),
                                                   wire::CreatePartitionStart(b, 2)});
    return wire::CreateSubscribe(b, 1, b.CreateString("orders"), starts, wire::Start::latest, 0, 100, 100);
  });
  const byte_string sound = frame.bytes();
  header_reader reader;
  int accepted = 0;
  for (std::size_t bit = 8 * frame_prefix_bytes; bit < 8 * sound.size(); ++bit) {
    byte_string bytes = sound;
    bytes[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    const auto read = reader.read({std::span<const std::byte>(bytes).subspan(frame_prefix_bytes), {}});
    if (!read) continue;
    ++accepted;
    if (const auto* subscribe = (*read)->body_as_Subscribe()) {
      CHECK(text(subscribe->topic()).size() <= bytes.size());
      CHECK(each(subscribe->partitions()).size() <= bytes.size());
    }
  }
  CHECK(accepted > 0);  // flipping a bit of the credit, for one, is no error that could be seen
  for (std::size_t size = 0; size + frame_prefix_bytes < sound.size(); ++size) {
    const auto part = std::span<const std::byte>(sound).subspan(frame_prefix_bytes, size);
    (void)reader.read({part, {}});
  }
}

TEST_CASE("a message of a newer version is unsupported, with the id to answer to") {
  frame_writer writer;
  auto& b = writer.begin();
  const auto body = wire::CreatePing(b);
  b.Finish(wire::CreateFrame(b, 77, static_cast<wire::Body>(200), body.Union()));
  const auto header = std::as_bytes(std::span(b.GetBufferPointer(), b.GetSize()));
  header_reader reader;
  const auto read = reader.read({header, {}});
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().code == errc::unsupported_version);
  CHECK(read.error().id == 77);
}

TEST_CASE("a frame without a message is refused") {
  for (const wire::Body type : {wire::Body::NONE, wire::Body::Hello}) {
    builder b;
    b.Finish(wire::CreateFrame(b, 1, type, 0));
    header_reader reader;
    const auto read = reader.read({std::as_bytes(std::span(b.GetBufferPointer(), b.GetSize())), {}});
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().code == errc::protocol_error);
  }
}

TEST_CASE("requests and answers have an id, pushed messages have none") {
  CHECK(complaint(1, [](builder& b) { return wire::CreatePing(b); }) == "");
  CHECK(complaint(0, [](builder& b) { return wire::CreatePing(b); }) == "malformed Ping: its id is 0");
  CHECK(complaint(0, [](builder& b) { return wire::CreateOk(b); }) == "malformed Ok: its id is 0");
  CHECK(complaint(0, [](builder& b) { return wire::CreateDelivery(b, 1); }) == "");
  CHECK(complaint(3, [](builder& b) { return wire::CreateDelivery(b, 1); }) ==
        "malformed Delivery: it is pushed, but has an id");
  CHECK(complaint(0, [](builder& b) { return wire::CreateCredit(b, 1, 5); }) == "");
  CHECK(complaint(8, [](builder& b) { return wire::CreateCredit(b, 1, 5); }) == "");
}

TEST_CASE("required strings must be there and of a sane length") {
  CHECK(complaint(1, [](builder& b) { return wire::CreateDeleteTopic(b); }) ==
        "malformed DeleteTopic: it has no name, or one that is too long");
  const std::string longest(string_bytes_max, 'x'), longer(string_bytes_max + 1, 'x');
  CHECK(complaint(1, [&](builder& b) { return wire::CreateDeleteTopicDirect(b, longest.c_str()); }) == "");
  CHECK(complaint(1, [&](builder& b) { return wire::CreateDeleteTopicDirect(b, longer.c_str()); }) != "");
  CHECK(complaint(1, [](builder& b) { return wire::CreateCreateTopic(b); }) != "");
  CHECK(complaint(1, [](builder& b) { return wire::CreateAlterTopic(b); }) != "");
  CHECK(complaint(1, [](builder& b) { return wire::CreateDescribeTopic(b); }) != "");
  CHECK(complaint(1, [](builder& b) { return wire::CreateHelloOk(b); }) != "");
  CHECK(complaint(1, [](builder& b) { return wire::CreateFetch(b); }) != "");
  CHECK(complaint(1, [](builder& b) { return wire::CreateListOffsets(b); }) != "");
  CHECK(complaint(1, [](builder& b) { return wire::CreateSubscribe(b, 1); }) != "");
}

TEST_CASE("optional strings and vectors may be absent and read as empty") {
  CHECK(complaint(1, [](builder& b) { return wire::CreateHello(b, 1, 1); }) == "");
  CHECK(complaint(1, [](builder& b) { return wire::CreateListTopicsOk(b); }) == "");
  CHECK(text(nullptr).empty());
  CHECK(each<std::uint32_t>(nullptr).empty());
  for (const std::uint32_t never : each<std::uint32_t>(nullptr)) FAIL_CHECK(never);
}

TEST_CASE("enums outside their range are refused") {
  constexpr auto bad_start = static_cast<wire::Start>(4);
  CHECK(complaint(1, [](builder& b) { return wire::CreateListOffsetsDirect(b, "t", nullptr, bad_start); }) ==
        "malformed ListOffsets: its start is unknown");
  CHECK(complaint(1, [](builder& b) {
          return wire::CreateListOffsetsDirect(b, "t", nullptr, wire::Start::offset, -1);
        }) == "malformed ListOffsets: its start offset is negative");
  CHECK(complaint(1, [](builder& b) {
          const std::vector starts = {wire::CreatePartitionStart(b, 0, bad_start)};
          return wire::CreateSeekDirect(b, 1, 1, &starts);
        }) == "malformed Seek: its start is unknown");
  CHECK(complaint(1, [](builder& b) {
          const std::vector appended = {wire::CreateAppended(b)};
          return wire::CreatePublishOkDirect(b, &appended, static_cast<wire::Durability>(3));
        }) == "malformed PublishOk: its durability is unknown");
}

TEST_CASE("a hello's versions, a failure's code and a subscription's number are sane") {
  CHECK(complaint(1, [](builder& b) { return wire::CreateHello(b, 2, 1); }) != "");
  CHECK(complaint(1, [](builder& b) { return wire::CreateError(b, 0); }) == "malformed Error: its code is 0");
  CHECK(complaint(0, [](builder& b) { return wire::CreateClosing(b, 0); }) ==
        "malformed Closing: its code is 0");
  CHECK(complaint(1, [](builder& b) { return wire::CreateUnsubscribe(b, 0); }) ==
        "malformed Unsubscribe: its subscription is 0");
  CHECK(complaint(0, [](builder& b) { return wire::CreateCredit(b, 0, 1); }) != "");
  CHECK(complaint(0, [](builder& b) { return wire::CreateSubscriptionNotice(b, 0); }) != "");
  CHECK(complaint(1, [](builder& b) { return wire::CreateSeek(b, 0); }) != "");
  CHECK(complaint(1, [](builder& b) { return wire::CreateSubscribeDirect(b, 0, "t"); }) != "");
}

TEST_CASE("a publish's appends add up to its payload exactly") {
  const auto publish = [](std::vector<std::uint32_t> sizes) {
    return [sizes](builder& b) {
      std::vector<flatbuffers::Offset<wire::Append>> appends;
      for (const auto size : sizes) appends.push_back(wire::CreateAppendDirect(b, "t", 0, size));
      return wire::CreatePublishDirect(b, &appends);
    };
  };
  const std::string mismatch = "malformed Publish: its batch_bytes do not add up to the payload";
  CHECK(complaint(1, publish({70, 30}), 100) == "");
  CHECK(complaint(1, publish({70, 29}), 100) == mismatch);
  CHECK(complaint(1, publish({70, 31}), 100) == mismatch);
  CHECK(complaint(1, publish({100, 0}), 100) == mismatch);
  CHECK(complaint(1, publish({0xffffffff, 101}), 100) == mismatch);
  CHECK(complaint(1, publish({}), 0) == "malformed Publish: it has no appends, or too many");
  CHECK(complaint(1, publish(std::vector<std::uint32_t>(appends_max, 1)), appends_max) == "");
  CHECK(complaint(1, publish(std::vector<std::uint32_t>(appends_max + 1, 1)), appends_max + 1) != "");
}

TEST_CASE("an append without a topic is refused") {
  CHECK(complaint(
            1,
            [](builder& b) {
              const std::vector appends = {wire::CreateAppend(b, 0, 0, 5)};
              return wire::CreatePublishDirect(b, &appends);
            },
            5) == "malformed Publish: it has no topic, or one whose name is too long");
}

TEST_CASE("only messages that carry batches or bodies may have a payload") {
  CHECK(
      complaint(1, [](builder& b) { return wire::CreatePing(b); }, 1) == "malformed Ping: it has a payload");
  CHECK(complaint(
            1, [](builder& b) { return wire::CreateServeDirect(b, 1, "s"); }, 1) ==
        "malformed Serve: it has a payload");
  CHECK(complaint(1, [](builder& b) { return wire::CreateRequestDirect(b, "s"); }, 1) == "");
  CHECK(complaint(0, [](builder& b) { return wire::CreateRespond(b, 1); }, 1) == "");
  CHECK(complaint(1, [](builder& b) { return wire::CreateFetchOk(b); }, 1) == "");
  CHECK(complaint(0, [](builder& b) { return wire::CreateDelivery(b, 1); }, 1) == "");
}

TEST_CASE("requests and responders say whom they are about") {
  CHECK(complaint(1, [](builder& b) { return wire::CreateRequest(b); }) ==
        "malformed Request: it has no subject, or one that is too long");
  CHECK(complaint(1, [](builder& b) { return wire::CreateRequestAll(b); }) != "");
  CHECK(complaint(1, [](builder& b) { return wire::CreateServe(b, 1); }) != "");
  CHECK(complaint(1, [](builder& b) { return wire::CreateServeDirect(b, 0, "s"); }) ==
        "malformed Serve: its responder is 0");
  CHECK(complaint(1, [](builder& b) { return wire::CreateServeOk(b); }) != "");
  CHECK(complaint(1, [](builder& b) { return wire::CreateUnserve(b); }) != "");
  CHECK(complaint(1, [](builder& b) { return wire::CreateDrain(b); }) != "");
  CHECK(complaint(0, [](builder& b) { return wire::CreateHeartbeat(b); }) != "");
  CHECK(complaint(0, [](builder& b) { return wire::CreateCancelRequest(b); }) ==
        "malformed CancelRequest: its request is 0");
  CHECK(complaint(0, [](builder& b) { return wire::CreateRespond(b); }) ==
        "malformed Respond: its correlation is 0");
  CHECK(complaint(0, [](builder& b) { return wire::CreateRequestDelivery(b, 1); }) != "");
  CHECK(complaint(0, [](builder& b) { return wire::CreateRequestDelivery(b, 0, 1); }) != "");
  CHECK(complaint(0, [](builder& b) { return wire::CreateRequestCancelled(b, 1); }) != "");
  CHECK(complaint(0, [](builder& b) { return wire::CreateResponderNotice(b); }) != "");
  CHECK(complaint(0, [](builder& b) { return wire::CreatePartialReply(b); }) != "");
  CHECK(complaint(1, [](builder& b) { return wire::CreateWatchServices(b); }) ==
        "malformed WatchServices: its watch is 0");
  CHECK(complaint(1, [](builder& b) { return wire::CreateUnwatchServices(b); }) != "");
}

TEST_CASE("headers have names, and there are not too many") {
  const auto request = [](std::size_t headers, const char* name) {
    return [=](builder& b) {
      const std::vector list(
          headers, name == nullptr ? wire::CreateProperty(b) : wire::CreatePropertyDirect(b, name, "value"));
      return wire::CreateRequestDirect(b, "s", &list);
    };
  };
  CHECK(complaint(1, request(properties_max, "name")) == "");
  CHECK(complaint(1, request(properties_max + 1, "name")) ==
        "malformed Request: it has too many headers, or too much metadata");
  CHECK(complaint(1, request(1, nullptr)) == "malformed Request: a header, or its metadata, lacks the name");
}

TEST_CASE("what is told of services is whole") {
  const auto event = [](wire::InstanceState state) {
    return [state](builder& b) {
      const auto instance = wire::CreateInstanceInfoDirect(b, "one", "", nullptr, state);
      return wire::CreateServiceEventDirect(b, 1, "s", instance);
    };
  };
  CHECK(complaint(0, event(wire::InstanceState::left)) == "");
  CHECK(complaint(0, event(static_cast<wire::InstanceState>(4))) ==
        "malformed ServiceEvent: an instance's state is unknown");
  CHECK(complaint(0, [](builder& b) { return wire::CreateServiceEventDirect(b, 1, "s"); }) != "");
  CHECK(complaint(1, [](builder& b) {
          const std::vector services = {wire::CreateServiceInfoDirect(b, "s")};
          return wire::CreateListServicesOkDirect(b, &services);
        }) == "malformed ListServicesOk: a service lacks its subject or statistics");
  CHECK(complaint(1, [](builder& b) {
          const std::vector instances = {wire::CreateInstanceInfoDirect(b, "one")};
          const std::vector services = {
              wire::CreateServiceInfoDirect(b, "s", wire::CreateServiceStatistics(b), &instances)};
          return wire::CreateListServicesOkDirect(b, &services);
        }) == "malformed ListServicesOk: an instance lacks its statistics");
}

TEST_CASE("offsets of selected records rise within what a delivery covers") {
  const auto deliver = [](const std::vector<std::uint64_t>& offsets, std::uint64_t from, std::uint64_t next) {
    return [=](builder& b) { return wire::CreateDeliveryDirect(b, 1, 0, 0, from, 100, 0, &offsets, next); };
  };
  const std::string disorder = "malformed Delivery: its offsets do not rise, or are out of its range";
  CHECK(complaint(0, deliver({}, 10, 0)) == "");
  CHECK(complaint(0, deliver({}, 10, 10)) == "");
  CHECK(complaint(0, deliver({}, 10, 20)) == "");
  CHECK(complaint(0, deliver({}, 10, 9)) == "malformed Delivery: its next offset is before its offset");
  CHECK(complaint(0, deliver({10, 11, 19}, 10, 20), 70) == "");
  CHECK(complaint(0, deliver({10, 11, 19}, 10, 19), 70) == disorder);
  CHECK(complaint(0, deliver({10, 11, 19}, 10, 0), 70) == disorder);
  CHECK(complaint(0, deliver({9, 11}, 10, 20), 70) == disorder);
  CHECK(complaint(0, deliver({11, 11}, 10, 20), 70) == disorder);
  CHECK(complaint(0, deliver({12, 11}, 10, 20), 70) == disorder);
  CHECK(complaint(0, deliver({~0ull}, 10, ~0ull), 70) == disorder);
  CHECK(complaint(0, deliver({10}, 10, 11)) == "malformed Delivery: it lists offsets, but has no payload");
  const auto fetched = [](std::uint64_t at) {
    return [at](builder& b) {
      const std::vector offsets{at};
      return wire::CreateFetchOkDirect(b, 10, 100, 0, &offsets, 20);
    };
  };
  CHECK(complaint(1, fetched(10), 70) == "");
  CHECK(complaint(1, fetched(20), 70) ==
        "malformed FetchOk: its offsets do not rise, or are out of its range");
}

TEST_CASE("the longest list of offsets fits a header, and no longer one is taken") {
  const auto deliver = [](std::size_t count) {
    return [count](builder& b) {
      std::vector<std::uint64_t> offsets(count);
      for (std::size_t i = 0; i < count; ++i) offsets[i] = i;
      return wire::CreateDeliveryDirect(b, 1, 0, 0, 0, 0, 0, &offsets, count);
    };
  };
  CHECK(complaint(0, deliver(selected_max), 1) == "");
  CHECK(complaint(0, deliver(selected_max + 1), 1) == "malformed Delivery: it lists too many offsets");
}

TEST_CASE("the inputs of a commit name a group and what to commit, or a consumer and how many records") {
  const auto moving = [](const char* group, bool any) {
    return [=](builder& b) {
      std::vector<flatbuffers::Offset<wire::PartitionOffset>> offsets;
      if (any) offsets.push_back(wire::CreatePartitionOffset(b, 0, 5, 1));
      std::vector positions{wire::CreateCommitOffsetsDirect(b, group, 7, 1, &offsets)};
      return wire::CreateCommitDirect(b, nullptr, flatbuffers::nullopt, 0, 0, nullptr, &positions);
    };
  };
  CHECK(complaint(1, moving("g", true)) == "");
  CHECK(complaint(1, moving(nullptr, true)) ==
        "malformed Commit: it has no group, or one whose name is too long");
  CHECK(complaint(1, moving("g", false)) == "malformed Commit: it commits nothing");
  const auto settling = [](std::uint64_t consumer, std::uint32_t count, std::size_t runs = 1) {
    return [=](builder& b) {
      const std::vector<wire::AckedRun> settled(runs, wire::AckedRun(consumer, 5, 6, count));
      return wire::CreateCommitDirect(b, nullptr, flatbuffers::nullopt, 0, 0, nullptr, nullptr, &settled);
    };
  };
  CHECK(complaint(1, settling(3, 2)) == "");
  CHECK(complaint(1, settling(0, 2)) == "malformed Commit: it settles records of no consumer, or none");
  CHECK(complaint(1, settling(3, 0)) == "malformed Commit: it settles records of no consumer, or none");
  CHECK(complaint(1, settling(3, 1, settled_max + 1)) == "malformed Commit: it settles too much");
}

TEST_CASE("what is about a group names it, and a commit has something to commit") {
  CHECK(complaint(1, [](builder& b) { return wire::CreateCommitOffsets(b); }) ==
        "malformed CommitOffsets: it has no group, or one whose name is too long");
  CHECK(complaint(1, [](builder& b) { return wire::CreateCommitOffsetsDirect(b, "g"); }) ==
        "malformed CommitOffsets: it commits nothing");
  CHECK(complaint(1, [](builder& b) { return wire::CreateDescribeGroup(b); }) != "");
  CHECK(complaint(1, [](builder& b) { return wire::CreateDeleteGroup(b); }) != "");
  CHECK(complaint(1, [](builder& b) { return wire::CreateMemberHeartbeat(b); }) ==
        "malformed MemberHeartbeat: its subscription is 0");
  CHECK(complaint(1, [](builder& b) { return wire::CreateReleasePartitions(b); }) != "");
  CHECK(complaint(1, [](builder& b) {
          const std::vector groups = {wire::CreateGroupSummary(b)};
          return wire::CreateListGroupsOkDirect(b, &groups);
        }) != "");
}

TEST_CASE("topics of a subscription have names") {
  CHECK(complaint(0, [](builder& b) {
          const std::vector topics = {wire::CreateTopicName(b, 1)};
          return wire::CreateSubscriptionChangedDirect(b, 1, &topics);
        }) == "malformed SubscriptionChanged: a topic of it has no name");
  CHECK(complaint(0, [](builder& b) { return wire::CreateSubscriptionChanged(b); }) ==
        "malformed SubscriptionChanged: its subscription is 0");
}

TEST_CASE("a filter's headers are capped, and have names") {
  const auto subscribe = [](std::size_t headers, const char* name) {
    return [=](builder& b) {
      std::vector<flatbuffers::Offset<wire::HeaderFilter>> list;
      for (std::size_t i = 0; i < headers; ++i) list.push_back(wire::CreateHeaderFilterDirect(b, name));
      const auto filter = wire::CreateRecordFilterDirect(b, nullptr, nullptr, &list);
      const auto topic = b.CreateString("t");
      wire::SubscribeBuilder message(b);
      message.add_subscription(1);
      message.add_topic(topic);
      message.add_filter(filter);
      return message.Finish();
    };
  };
  CHECK(complaint(1, subscribe(0, "")) == "");
  CHECK(complaint(1, subscribe(filter_headers_max, "")) == "");
  CHECK(complaint(1, subscribe(filter_headers_max + 1, "a")) ==
        "malformed Subscribe: its filter has too many headers");
  CHECK(complaint(1, subscribe(1, nullptr)) ==
        "malformed Subscribe: a header of its filter has no name, or one that is too long");
}

TEST_CASE("settings that are not known are refused") {
  const auto create = [](wire::Index index, wire::Cleanup cleanup) {
    return [=](builder& b) {
      const auto name = b.CreateString("t");
      wire::TopicSettingsBuilder settings(b);
      settings.add_index(index);
      settings.add_cleanup(cleanup);
      return wire::CreateCreateTopic(b, name, settings.Finish());
    };
  };
  CHECK(complaint(1, create(wire::Index::key, wire::Cleanup::compact)) == "");
  CHECK(complaint(1, create(wire::Index{9}, wire::Cleanup::compact)) ==
        "malformed CreateTopic: its index is unknown");
  CHECK(complaint(1, create(wire::Index::key, wire::Cleanup{9})) ==
        "malformed CreateTopic: its cleanup is unknown");
}

TEST_CASE("lists of partitions are capped") {
  const auto seek = [](std::size_t partitions) {
    return [partitions](builder& b) {
      const std::vector starts(partitions, wire::CreatePartitionStart(b));
      return wire::CreateSeekDirect(b, 1, 1, &starts);
    };
  };
  CHECK(complaint(1, seek(partitions_max)) == "");
  CHECK(complaint(1, seek(partitions_max + 1)) == "malformed Seek: it names too many partitions");
}

TEST_CASE("a header that makes the verifier visit the same tables over and over is refused") {
  builder b;
  const auto partition = wire::CreatePartitionInfo(b);
  const auto partitions = b.CreateVector(std::vector(partitions_max, partition));
  const auto topic =
      wire::CreateTopicInfo(b, b.CreateString("t"), 0, 0, wire::CreateTopicSettings(b), partitions);
  const auto topics = b.CreateVector(std::vector(topics_max, topic));
  b.Finish(wire::CreateFrame(b, 1, wire::Body::ListTopicsOk, wire::CreateListTopicsOk(b, topics).Union()));
  REQUIRE(b.GetSize() < frame_limits{}.header_bytes_max);
  header_reader reader;
  const auto read = reader.read({std::as_bytes(std::span(b.GetBufferPointer(), b.GetSize())), {}});
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().code == errc::protocol_error);
}

TEST_CASE("the largest topic can be described within the limit of a header") {
  frame_writer writer;
  auto& b = writer.begin();
  std::vector<flatbuffers::Offset<wire::PartitionInfo>> partitions;
  for (std::uint32_t i = 0; i < partitions_max; ++i)
    partitions.push_back(wire::CreatePartitionInfo(b, i, ~0ull, ~0ull, ~0ull));
  const std::string name(249, 'x');
  const auto topic =
      wire::CreateTopicInfoDirect(b, name.c_str(), 1, 1, wire::CreateTopicSettings(b, 1), &partitions);
  const auto front = writer.finish(1, wire::CreateDescribeTopicOk(b, topic));
  CHECK(front.size() < frame_limits{}.header_bytes_max);
}

TEST_CASE("every message is either a request or an answer") {
  int requests = 0;
  for (const wire::Body type : wire::EnumValuesBody()) requests += is_request(type) ? 1 : 0;
  CHECK(requests == 49);
  CHECK(is_request(wire::Body::Publish));
  CHECK_FALSE(is_request(wire::Body::PublishOk));
}

}  // namespace
}  // namespace skald::protocol
