#include "tests/client/fake_broker/fake_session.hpp"

#include <algorithm>
#include <boost/asio/write.hpp>

namespace skald::test {

using flatbuffers::FlatBufferBuilder;

void fake_session::close() {
  mute_ = true;
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void fake_session::read() {
  socket_.async_read_some(
      boost::asio::buffer(chunk_),
      [self = shared_from_this()](const boost::system::error_code& code, std::size_t bytes) {
        if (code || self->mute_) return;
        self->in_.insert(self->in_.end(), self->chunk_.begin(),
                         self->chunk_.begin() + static_cast<std::ptrdiff_t>(bytes));
        self->received();
        if (!self->mute_) self->read();
      });
}

void fake_session::received() {
  std::size_t used = 0;
  while (!mute_) {
    const std::span<const std::byte> rest = std::span(in_).subspan(used);
    const auto progress = protocol::parse_frame(rest, {.frame_bytes_max = broker_.frame_bytes_max});
    if (!progress) return close();
    if (!progress->complete() || rest.empty()) break;
    const auto header = reader_.read(progress->frame);
    if (!header) return close();
    used += progress->frame.size();
    handle(**header, progress->frame.payload);
  }
  in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(used));
}

void fake_session::handle(const wire::Frame& frame, std::span<const std::byte> payload) {
  ++broker_.requests[frame.body_type()];
  switch (broker_.script ? broker_.script(frame) : action::serve) {
    case action::serve:
      return serve(frame, payload);
    case action::ignore:
      return;
    case action::cut_before:
      return close();
    case action::cut_after:
      mute_ = true;
      serve(frame, payload);
      return close();
  }
}

void fake_session::write() {
  if (writing_ || out_.empty()) return;
  writing_ = true;
  boost::asio::async_write(socket_, boost::asio::buffer(out_.front()),
                           [self = shared_from_this()](const boost::system::error_code& code, std::size_t) {
                             self->writing_ = false;
                             if (code) return;
                             self->out_.pop_front();
                             self->write();
                           });
}

void fake_session::refuse(std::uint64_t id, errc code, const std::string& message) {
  answer(id, [&](FlatBufferBuilder& builder) {
    return wire::CreateError(builder, static_cast<std::uint16_t>(code), builder.CreateString(message));
  });
}

fake_topic* fake_session::topic_or_refuse(std::uint64_t id, const flatbuffers::String* name) {
  const auto found = broker_.topics.find(std::string(protocol::text(name)));
  if (found != broker_.topics.end()) return &found->second;
  refuse(id, errc::unknown_topic, "topic \"" + std::string(protocol::text(name)) + "\" does not exist");
  return nullptr;
}

void fake_session::serve(const wire::Frame& frame, std::span<const std::byte> payload) {
  const auto id = frame.id();
  switch (frame.body_type()) {
    case wire::Body::Hello:
      return answer(id, [&](FlatBufferBuilder& builder) {
        const auto text = builder.CreateString("fake");
        return wire::CreateHelloOk(builder, broker_.version, text, text, broker_.frame_bytes_max,
                                   broker_.idle_timeout_ms);
      });
    case wire::Body::Ping:
      return answer(id, [](FlatBufferBuilder& builder) { return wire::CreatePong(builder); });
    case wire::Body::InitProducer:
      return init_producer(id, *frame.body_as_InitProducer());
    case wire::Body::Commit:  // of timers only
      return answer(id, [](FlatBufferBuilder& builder) { return wire::CreateCommitOk(builder); });
    case wire::Body::Publish:
      return publish(id, *frame.body_as_Publish(), payload);
    case wire::Body::Status:
      return answer(id, [&](FlatBufferBuilder& builder) {
        const auto text = builder.CreateString("fake");
        return wire::CreateStatusOk(builder, text, text, 5'000, 1'000, 1, 2,
                                    static_cast<std::uint32_t>(broker_.topics.size()));
      });
    case wire::Body::CreateTopic:
    case wire::Body::AlterTopic:
    case wire::Body::DeleteTopic:
    case wire::Body::DescribeTopic:
    case wire::Body::ListTopics:
      return topics(frame);
    default:
      return reading(frame);
  }
}

void fake_session::init_producer(std::uint64_t id, const wire::InitProducer& message) {
  fake_broker::named_producer given;
  const std::string name(protocol::text(message.name()));
  const auto known = broker_.producers.find(name);
  if (name.empty() || known == broker_.producers.end()) {
    given.id = broker_.next_producer++;
  } else {
    given = {known->second.id, static_cast<std::uint16_t>(known->second.epoch + 1)};
  }
  if (!name.empty()) broker_.producers[name] = given;
  answer(id, [&](FlatBufferBuilder& builder) {
    return wire::CreateInitProducerOk(builder, given.id, given.epoch);
  });
}

bool fake_session::is_fenced(std::span<const std::byte> batch) const {
  const auto stamp = protocol::batch_view::parse(batch).value().producer();
  return stamp && std::ranges::any_of(broker_.producers, [&](const auto& one) {
           return one.second.id == stamp->id.value() && one.second.epoch != stamp->epoch.value();
         });
}

void fake_session::publish(std::uint64_t id, const wire::Publish& message,
                           std::span<const std::byte> payload) {
  std::vector<append_verdict> verdicts;
  std::vector<std::uint32_t> partitions;
  for (const auto* append : *message.appends()) {
    const auto bytes = payload.first(append->batch_bytes());
    payload = payload.subspan(append->batch_bytes());
    const auto found = broker_.topics.find(append->topic()->str());
    const errc refused = broker_.refuse_append ? broker_.refuse_append(*append) : errc::ok;
    append_verdict verdict;
    if (refused != errc::ok)
      verdict = {refused, "refused by the script"};
    else if (is_fenced(bytes))
      verdict = {errc::fenced_producer, "another producer has taken over the name"};
    else if (found == broker_.topics.end())
      verdict = {errc::unknown_topic, "topic \"" + append->topic()->str() + "\" does not exist"};
    else
      verdict = found->second.append(append->partition(), bytes);
    broker_.duplicates += verdict.duplicate;
    partitions.push_back(
        found == broker_.topics.end() ? 0 : static_cast<std::uint32_t>(found->second.partitions.size()));
    verdicts.push_back(std::move(verdict));
  }
  answer(id, [&](FlatBufferBuilder& builder) {
    std::vector<flatbuffers::Offset<wire::Appended>> appended;
    for (std::size_t i = 0; i < verdicts.size(); ++i)
      appended.push_back(wire::CreateAppended(builder, static_cast<std::uint16_t>(verdicts[i].code),
                                              builder.CreateString(verdicts[i].message), verdicts[i].base,
                                              verdicts[i].duplicate, partitions[i]));
    return wire::CreatePublishOk(builder, builder.CreateVector(appended), message.durability());
  });
  broker_.wake_subscriptions();
}

}  // namespace skald::test
