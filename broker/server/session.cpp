#include "broker/server/session.hpp"

#include <fmt/format.h>

#include "broker/server/handlers/handlers.hpp"

namespace skald::server {

void pending_request::fail(errc code, std::string_view message) const {
  const auto asked = asked_.lock();
  if (!asked) return;
  asked->send_error(id_, code, message);
  asked->close(publish_bytes_);
}

session::session(session_host& host, edge& bytes)
    : host_(host), edge_(bytes), deliveries_(*this), fetches_(*this), services_(*this), queues_(*this) {}

session::~session() = default;

void session::send_error(std::uint64_t id, errc code, std::string_view message) {
  send(id, [&](auto& builder) {
    const auto text = builder.CreateString(message.data(), message.size());
    return wire::CreateError(builder, static_cast<std::uint16_t>(code), text);
  });
}

void session::hang_up(errc code, std::string_view why) {
  if (state_ == state::finished) return;
  send(0, [&](auto& builder) {
    const auto text = builder.CreateString(why.data(), why.size());
    return wire::CreateClosing(builder, static_cast<std::uint16_t>(code), text);
  });
  state_ = state::finished;
  farewell_ = why;
  deliveries_.clear();
  fetches_.clear();
  services_.clear();
  queues_.clear(true);
}

void session::stop() {
  if (state_ != state::open) return;
  state_ = state::stopping;
  deliveries_.clear();
  queues_.clear(false);
  fetches_.cancel(errc::shutting_down, "the broker is shutting down; fetch again when it is back");
  services_.stop();
  finish_stop();
}

void session::finish_stop() {
  if (state_ == state::stopping && requests_open_ == 0) {
    hang_up(errc::shutting_down, "the broker is shutting down; connect again when it is back");
  }
}

pending_request session::open(std::uint64_t id, std::size_t publish_bytes) {
  ++requests_open_;
  publish_bytes_open_ += publish_bytes;
  return {weak_from_this(), id, publish_bytes};
}

void session::close(std::size_t publish_bytes) {
  --requests_open_;
  publish_bytes_open_ -= publish_bytes;
  finish_stop();
  if (wants_input()) edge_.input_wanted();
}

bool session::wants_input() const {
  return state_ == state::open && publish_bytes_open_ < host_.settings.publish_window_bytes &&
         requests_open_ < host_.settings.requests_in_flight_max &&
         output_.bytes() < 2 * host_.settings.output_bytes_max;
}

bool session::has_output_room(std::size_t bytes_coming) const {
  return output_.bytes() + bytes_coming < host_.settings.output_bytes_max;
}

void session::output_sent() {
  if (state_ == state::open) {
    fetches_.pump();
    deliveries_.pump();
    queues_.pump();
  }
  if (wants_input()) edge_.input_wanted();
}

void session::sweep() {
  deliveries_.sweep();
}

void session::receive(const protocol::frame_view& frame, const std::shared_ptr<const void>& owner) {
  if (state_ != state::open) return;
  const auto verified = host_.headers.read(frame);
  if (!verified) {
    const protocol::header_failure& failed = verified.error();
    if (failed.code == errc::unsupported_version && failed.id != 0 && greeted_) {
      return send_error(failed.id, failed.code, failed.message);
    }
    return hang_up(failed.code, failed.message);
  }
  const wire::Frame& message = **verified;
  if (!protocol::is_request(message.body_type())) {
    return hang_up(errc::protocol_error, fmt::format("{} is the broker's to send, not a client's",
                                                     wire::EnumNameBody(message.body_type())));
  }
  if (greeted_) {
    dispatch(message, frame, owner);
  } else {
    greeted_ = greet(message);
  }
}

bool session::greet(const wire::Frame& frame) {
  const wire::Hello* const hello = frame.body_as_Hello();
  if (hello == nullptr) {
    hang_up(errc::invalid_request, fmt::format("the first message of a connection must be Hello, not {}",
                                               wire::EnumNameBody(frame.body_type())));
    return false;
  }
  constexpr auto oldest = protocol::protocol_version_min;
  constexpr auto newest = protocol::protocol_version_max;
  if (hello->version_max() < oldest || hello->version_min() > newest) {
    const std::string why = fmt::format(
        "this broker speaks protocol versions {} to {}, the client {} to {}; upgrade the older one", oldest,
        newest, hello->version_min(), hello->version_max());
    send_error(frame.id(), errc::unsupported_version, why);
    hang_up(errc::unsupported_version, why);
    return false;
  }
  const session_settings& settings = host_.settings;
  send(frame.id(), [&](auto& builder) {
    const auto version = builder.CreateString(settings.broker_version);
    const auto id = builder.CreateString(settings.broker_id);
    return wire::CreateHelloOk(builder, std::min(newest, hello->version_max()), version, id,
                               settings.frames.frame_bytes_max,
                               static_cast<std::uint32_t>(settings.idle_timeout.count()));
  });
  return true;
}

void session::dispatch(const wire::Frame& frame, const protocol::frame_view& bytes,
                       const std::shared_ptr<const void>& owner) {
  const std::uint64_t id = frame.id();
  using wire::Body;
  switch (frame.body_type()) {
    case Body::Hello:
      return send_error(id, errc::invalid_request, "Hello was already said; it opens a connection once");
    case Body::Ping:
      return send(id, [](auto& builder) { return wire::CreatePong(builder); });
    case Body::CreateTopic:
      return handlers::create_topic(*this, id, *frame.body_as_CreateTopic());
    case Body::AlterTopic:
      return handlers::alter_topic(*this, id, *frame.body_as_AlterTopic());
    case Body::DeleteTopic:
      return handlers::delete_topic(*this, id, *frame.body_as_DeleteTopic());
    case Body::DescribeTopic:
      return handlers::describe_topic(*this, id, *frame.body_as_DescribeTopic());
    case Body::ListTopics:
      return handlers::list_topics(*this, id, *frame.body_as_ListTopics());
    case Body::InitProducer:
      return handlers::init_producer(*this, id, *frame.body_as_InitProducer());
    case Body::Publish:
      return handlers::publish(*this, id, *frame.body_as_Publish(), slice(owner, bytes.payload));
    case Body::Commit:
      return handlers::commit(*this, id, *frame.body_as_Commit(), slice(owner, bytes.payload));
    case Body::ReadKey:
      return handlers::read_key(*this, id, *frame.body_as_ReadKey());
    case Body::ListKeys:
      return handlers::list_keys(*this, id, *frame.body_as_ListKeys());
    case Body::ListTimers:
      return handlers::list_timers(*this, id, *frame.body_as_ListTimers());
    case Body::ListOffsets:
      return handlers::list_offsets(*this, id, *frame.body_as_ListOffsets());
    case Body::Fetch:
      return fetches_.begin(open(id), *frame.body_as_Fetch());
    case Body::Subscribe:
      return deliveries_.subscribe(id, *frame.body_as_Subscribe());
    case Body::Credit:
      return deliveries_.credit(*frame.body_as_Credit());
    case Body::Seek:
      return deliveries_.seek(id, *frame.body_as_Seek());
    case Body::Unsubscribe:
      return deliveries_.unsubscribe(id, *frame.body_as_Unsubscribe());
    case Body::MemberHeartbeat:
      return deliveries_.heartbeat(id, *frame.body_as_MemberHeartbeat());
    case Body::ReleasePartitions:
      return deliveries_.release(id, *frame.body_as_ReleasePartitions());
    case Body::CommitOffsets:
      return handlers::commit_offsets(*this, id, *frame.body_as_CommitOffsets());
    case Body::ListGroups:
      return handlers::list_groups(*this, id, *frame.body_as_ListGroups());
    case Body::DescribeGroup:
      return handlers::describe_group(*this, id, *frame.body_as_DescribeGroup());
    case Body::DeleteGroup:
      return handlers::delete_group(*this, id, *frame.body_as_DeleteGroup());
    case Body::Status:
      return handlers::status(*this, id);
    case Body::CreateQueue:
      return handlers::create_queue(*this, id, *frame.body_as_CreateQueue());
    case Body::AlterQueue:
      return handlers::alter_queue(*this, id, *frame.body_as_AlterQueue());
    case Body::DeleteQueue:
      return handlers::delete_queue(*this, id, *frame.body_as_DeleteQueue());
    case Body::DescribeQueue:
      return handlers::describe_queue(*this, id, *frame.body_as_DescribeQueue());
    case Body::ListQueues:
      return handlers::list_queues(*this, id, *frame.body_as_ListQueues());
    case Body::PeekQueue:
      return handlers::peek_queue(*this, id, *frame.body_as_PeekQueue());
    case Body::RetryQueue:
      return handlers::retry_queue(*this, id, *frame.body_as_RetryQueue());
    case Body::PurgeQueue:
      return handlers::purge_queue(*this, id, *frame.body_as_PurgeQueue());
    case Body::SettleDead:
      return handlers::settle_dead(*this, id, *frame.body_as_SettleDead());
    case Body::OpenQueue:
      return queues_.open(id, *frame.body_as_OpenQueue());
    case Body::CloseQueue:
      return queues_.close(id, *frame.body_as_CloseQueue());
    case Body::Settle:
      return queues_.settle(id, *frame.body_as_Settle());
    default:
      return dispatch_service(frame, bytes, owner);
  }
}

void session::dispatch_service(const wire::Frame& frame, const protocol::frame_view& bytes,
                               const std::shared_ptr<const void>& owner) {
  const std::uint64_t id = frame.id();
  using wire::Body;
  switch (frame.body_type()) {
    case Body::Request:
      return services_.request(id, *frame.body_as_Request(), slice(owner, bytes.payload));
    case Body::RequestAll:
      return services_.request_all(id, *frame.body_as_RequestAll(), slice(owner, bytes.payload));
    case Body::CancelRequest:
      return services_.cancel(*frame.body_as_CancelRequest());
    case Body::Respond:
      return services_.respond(id, *frame.body_as_Respond(), slice(owner, bytes.payload));
    case Body::Serve:
      return services_.serve(id, *frame.body_as_Serve());
    case Body::Unserve:
      return services_.unserve(id, *frame.body_as_Unserve());
    case Body::Drain:
      return services_.drain(id, *frame.body_as_Drain());
    case Body::Heartbeat:
      return services_.heartbeat(*frame.body_as_Heartbeat());
    case Body::ListServices:
      return services_.list(id, *frame.body_as_ListServices());
    case Body::WatchServices:
      return services_.watch(id, *frame.body_as_WatchServices());
    case Body::UnwatchServices:
      return services_.unwatch(id, *frame.body_as_UnwatchServices());
    default:
      return send_error(id, errc::unsupported_version, "this broker does not know that message");
  }
}

}  // namespace skald::server
