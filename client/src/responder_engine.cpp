#include "client/src/responder_engine.hpp"

#include <algorithm>
#include <boost/asio/dispatch.hpp>
#include <utility>

#include "client/src/attaching.hpp"
#include "client/src/requests.hpp"
#include "client/src/service_codec.hpp"

namespace skald::detail {

namespace {

std::vector<std::pair<std::string, std::string>> owned(std::span<const header> headers) {
  check_count(headers);
  std::vector<std::pair<std::string, std::string>> kept;
  kept.reserve(headers.size());
  for (const header& one : headers) kept.emplace_back(one.key, one.value.value_or(std::string_view()));
  return kept;
}

std::vector<header> views(const std::vector<std::pair<std::string, std::string>>& kept) {
  std::vector<header> headers;
  headers.reserve(kept.size());
  for (const auto& [name, value] : kept) headers.push_back({name, value});
  return headers;
}

}  // namespace

responder_engine::responder_engine(std::shared_ptr<detail::connection> through, std::string_view subject,
                                   const serve_options& options)
    : connection_(std::move(through)),
      subject_(std::make_shared<const std::string>(subject)),
      instance_(options.instance),
      version_(options.version),
      metadata_(owned(options.metadata)),
      window_(options.window),
      heartbeat_wanted_(options.heartbeat),
      heart_(connection_->get_executor()),
      retry_timer_(connection_->get_executor()) {}

// ---- serving ---------------------------------------------------------------------------------------------

void responder_engine::start(steady_time deadline, completion<responder> done) {
  auto& session = connection_->session();
  if (session.closed()) return done.fail(exception_of({errc::closed, "the client is closed: " + what()}));
  started_ = std::move(done);
  started_.on_cancel([weak = weak_from_this()] {
    if (const auto self = weak.lock())
      self->finish_start(failure{errc::cancelled, self->what() + " was cancelled"});
  });
  connection_->join(shared_from_this());
  start_give_up_ = session.give_up_at(deadline, what(), on_loss::repeat,
                                      [self = shared_from_this()](const result<incoming_frame>& answer) {
                                        self->start_give_up_ = 0;
                                        self->finish_start(answer.error());
                                      });
  if (session.ready()) serve();
  connection_->kick();
}

void responder_engine::ready() {
  serve();
}

void responder_engine::serve() {
  if (closed_ || ended_ || draining_) return;
  auto& session = connection_->session();
  const auto request_id = session.next_id();
  id_ = session.next_id();
  connection_->route(id_, [weak = weak_from_this()](const incoming_frame& frame) {
    if (const auto self = weak.lock()) self->on_pushed(frame);
  });
  auto frame = session.encode(request_id, [&](flatbuffers::FlatBufferBuilder& builder) {
    const auto subject = builder.CreateString(*subject_);
    const auto instance = builder.CreateString(instance_);
    const auto version = builder.CreateString(version_);
    const auto metadata = encode(builder, views(metadata_));
    return wire::CreateServe(builder, id_, subject, instance, version, metadata, window_,
                             static_cast<std::uint32_t>(heartbeat_wanted_.count()));
  });
  session.submit({request_id, std::move(frame), what(), on_loss::fail, false, {}},
                 [weak = weak_from_this(), attempt = ++attempt_](const result<incoming_frame>& answer) {
                   const auto self = weak.lock();
                   if (self && attempt == self->attempt_) self->on_serving(answer);
                 });
  connection_->kick();
}

void responder_engine::on_serving(const result<incoming_frame>& answer) {
  if (!answer) return serve_failed(answer.error());
  const auto* ok = answer->header->body_as_ServeOk();
  if (ok == nullptr) return serve_failed(unexpected_answer("expected ServeOk"));
  // Others may be reading it; and it stays what it was once it has been chosen.
  if (instance_.empty()) instance_ = protocol::text(ok->instance_id());
  heartbeat_ = milliseconds(std::max(ok->heartbeat_ms(), 1u));
  finish_start({});
  beat();
}

void responder_engine::serve_failed(const failure& why) {
  if (id_ != 0) connection_->route(std::exchange(id_, 0), {});
  if (why.code == errc::connection_lost || why.code == errc::closed) return;  // ready() or closed() follows
  if (may_attach_later(why.code)) return retry_later();
  if (started_) return finish_start(why);
  end(why);
}

void responder_engine::retry_later() {
  retry_timer_.expires_after(attach_again_after);
  retry_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& code) {
    const auto self = weak.lock();
    if (!code && self && self->id_ == 0 && self->connection_->session().ready()) self->serve();
  });
}

void responder_engine::finish_start(const std::optional<failure>& why) {
  connection_->session().forget(std::exchange(start_give_up_, 0));
  if (!started_) return;
  auto done = std::move(started_);
  if (!why) return done.succeed(responder(shared_from_this()));
  close();
  done.fail(exception_of(*why));
}

void responder_engine::beat() {
  heart_.expires_after(heartbeat_);
  heart_.async_wait([weak = weak_from_this()](const boost::system::error_code& code) {
    const auto self = weak.lock();
    if (code || !self || self->id_ == 0) return;
    auto& session = self->connection_->session();
    session.send(session.encode(session.next_id(),
                                [&](auto& builder) { return wire::CreateHeartbeat(builder, self->id_); }));
    self->connection_->kick();
    self->beat();
  });
}

// ---- requests --------------------------------------------------------------------------------------------

void responder_engine::on_pushed(const incoming_frame& frame) {
  if (closed_) return;
  if (const auto* delivery = frame.header->body_as_RequestDelivery()) return on_request(frame, *delivery);
  if (const auto* cancelled = frame.header->body_as_RequestCancelled())
    return on_cancelled(cancelled->correlation());
  if (const auto* notice = frame.header->body_as_ResponderNotice()) return on_notice(*notice);
}

void responder_engine::on_request(const incoming_frame& frame, const wire::RequestDelivery& delivery) {
  if (delivery.ping()) {
    send_respond(delivery.correlation(), {}, {}, false, 0, {});
    return connection_->kick();
  }
  auto one = std::make_shared<received_request>();
  one->engine = weak_from_this();
  one->subject = subject_;
  one->correlation = delivery.correlation();
  one->connection = connection_->connections();
  one->body = text_of(frame.payload);
  if (delivery.headers() != nullptr) one->headers = decode(delivery.headers());
  one->deadline = std::chrono::steady_clock::now() + milliseconds(delivery.timeout_ms());
  received_.push_back(std::move(one));
  hand_out();
}

void responder_engine::on_cancelled(std::uint64_t correlation) {
  const auto waiting =
      std::ranges::find_if(received_, [&](const auto& one) { return one->correlation == correlation; });
  if (waiting != received_.end()) {
    received_.erase(waiting);
    send_respond(correlation, {}, {}, true, 0, "cancelled before it was begun");
    return connection_->kick();
  }
  const auto found = handed_out_.find(correlation);
  if (found == handed_out_.end()) return;
  if (const auto one = found->second.lock()) one->cancelled = true;
}

void responder_engine::on_notice(const wire::ResponderNotice& notice) {
  const auto code = static_cast<errc>(notice.code());
  connection_->route(std::exchange(id_, 0), {});
  heart_.cancel();
  abandon_received();
  if (code == errc::responder_lost) return retry_later();
  end({code, std::string(protocol::text(notice.message()))});
}

void responder_engine::receive(std::optional<steady_time> deadline, completion<service_request> done) {
  const std::uint64_t number = ++last_receiver_;
  receivers_.push_back({number, std::move(done)});
  hand_out();
  if (receivers_.empty() || receivers_.back().number != number) return;
  waiting_receiver& waits = receivers_.back();
  waits.done.on_cancel([weak = weak_from_this(), number] {
    if (const auto self = weak.lock())
      self->fail_receiver(number, {errc::cancelled, "receive() was cancelled"});
  });
  if (!deadline) return;
  waits.give_up = connection_->session().give_up_at(
      *deadline, "", on_loss::repeat,
      [weak = weak_from_this(), number](const result<incoming_frame>& answer) {
        const auto self = weak.lock();
        if (!self) return;
        const bool closed = answer.error().code == errc::closed;
        self->fail_receiver(number, {closed ? errc::closed : errc::deadline_exceeded,
                                     "no request for \"" + *self->subject_ + "\" came in time"});
      });
  connection_->kick();
}

void responder_engine::fail_receiver(std::uint64_t number, const failure& why) {
  const auto found = std::ranges::find(receivers_, number, &waiting_receiver::number);
  if (found == receivers_.end()) return;
  connection_->session().forget(found->give_up);
  auto done = std::move(found->done);
  receivers_.erase(found);
  done.fail(exception_of(why));
}

// Nobody waits for what has expired here; its place at the broker is free once it is answered.
bool responder_engine::drop_if_expired(const received_request& one) {
  if (std::chrono::steady_clock::now() < one.deadline) return false;
  send_respond(one.correlation, {}, {}, true, 0, "expired before it was begun");
  connection_->kick();
  return true;
}

void responder_engine::hand_out() {
  while (!receivers_.empty() && !received_.empty()) {
    auto next = std::move(received_.front());
    received_.pop_front();
    if (drop_if_expired(*next)) continue;
    handed_out_.insert_or_assign(next->correlation, next);
    connection_->session().forget(receivers_.front().give_up);
    auto done = std::move(receivers_.front().done);
    receivers_.pop_front();
    done.succeed(service_request(std::move(next)));
  }
  while (ended_ && !receivers_.empty()) fail_receiver(receivers_.front().number, *ended_);
}

// ---- answers ---------------------------------------------------------------------------------------------

void responder_engine::reply(const received_request& to, std::string_view body,
                             std::span<const header> headers) {
  respond(to, {std::string(body), owned(headers), false, 0, {}});
}

void responder_engine::fail(const received_request& to, int code, std::string_view message) {
  respond(to, {{}, {}, true, code, std::string(message)});
}

void responder_engine::respond(const received_request& to, owned_response what) {
  asio::dispatch(get_executor(),
                 [self = shared_from_this(), correlation = to.correlation, connection = to.connection,
                  what = std::move(what)] { self->answer(correlation, connection, what); });
}

void responder_engine::answer(std::uint64_t correlation, std::uint64_t connection,
                              const owned_response& what) {
  if (connection != connection_->connections() || id_ == 0) return;
  handed_out_.erase(correlation);
  send_respond(correlation, what.body, views(what.headers), what.failed, what.code, what.message);
  connection_->kick();
}

void responder_engine::send_respond(std::uint64_t correlation, std::string_view body,
                                    std::span<const header> headers, bool failed, int code,
                                    std::string_view message) {
  auto& session = connection_->session();
  // For a larger one the broker would close the connection, and lose what others wait for.
  if (body.size() > session.frame_bytes_max() / 2)
    return send_respond(correlation, {}, {}, true, 1,
                        "a reply of " + std::to_string(body.size()) + " bytes is over what the broker takes");
  session.send(session.encode_copy(
      0,
      [&](flatbuffers::FlatBufferBuilder& builder) {
        const auto list = encode(builder, headers);
        const auto text =
            message.empty() ? flatbuffers::Offset<flatbuffers::String>() : builder.CreateString(message);
        return wire::CreateRespond(builder, correlation, list, failed, code, text);
      },
      body));
}

// ---- the end ---------------------------------------------------------------------------------------------

void responder_engine::drain(steady_time deadline, completion<> done) {
  if (draining_) return done.fail(exception_of({errc::invalid_request, "the responder is draining already"}));
  draining_ = true;
  drained_ = std::move(done);
  retry_timer_.cancel();
  if (id_ == 0) return finish_drain({});
  drained_.on_cancel([weak = weak_from_this()] {
    if (const auto self = weak.lock())
      self->finish_drain(
          failure{errc::cancelled, "drain() was cancelled; the responder drains all the same"});
  });
  auto& session = connection_->session();
  const auto id = session.next_id();
  auto frame = session.encode(id, [&](auto& builder) { return wire::CreateDrain(builder, id_); });
  drain_give_up_ = session.give_up_at(deadline, "draining \"" + *subject_ + "\"", on_loss::fail,
                                      [weak = weak_from_this()](const result<incoming_frame>& answer) {
                                        if (const auto self = weak.lock()) self->finish_drain(answer.error());
                                      });
  session.submit({id, std::move(frame), "draining", on_loss::fail, false, {}},
                 [weak = weak_from_this()](const result<incoming_frame>& answer) {
                   const auto self = weak.lock();
                   if (!self) return;
                   // Without its connection, or its place, it has nothing left to finish.
                   const bool gone = !answer && (answer.error().code == errc::connection_lost ||
                                                 answer.error().code == errc::unknown_responder);
                   self->finish_drain(answer || gone ? std::nullopt : std::optional(answer.error()));
                   self->end({errc::closed, "the responder was drained"});
                 });
  connection_->kick();
}

void responder_engine::finish_drain(const std::optional<failure>& why) {
  connection_->session().forget(std::exchange(drain_give_up_, 0));
  if (!why) end({errc::closed, "the responder was drained"});
  if (!drained_) return;
  auto done = std::move(drained_);
  if (why)
    done.fail(exception_of(*why));
  else
    done.succeed();
}

void responder_engine::end(const failure& why) {
  if (!ended_) ended_ = why;
  heart_.cancel();
  retry_timer_.cancel();
  if (id_ != 0) connection_->route(std::exchange(id_, 0), {});
  hand_out();
}

// What came by a connection, or a registration, that is gone is lost to its callers.
void responder_engine::abandon_received() {
  received_.clear();
  for (const auto& [correlation, waits] : handed_out_)
    if (const auto one = waits.lock()) one->cancelled = true;
  handed_out_.clear();
}

void responder_engine::lost() {
  ++attempt_;
  heart_.cancel();
  abandon_received();
  if (id_ != 0) connection_->route(std::exchange(id_, 0), {});
}

void responder_engine::closed() {
  close();
}

void responder_engine::close() {
  if (std::exchange(closed_, true)) return;
  ++attempt_;
  auto& session = connection_->session();
  if (id_ != 0) {
    session.send(
        session.encode(session.next_id(), [&](auto& builder) { return wire::CreateUnserve(builder, id_); }));
    connection_->kick();
  }
  abandon_received();
  const failure why{errc::closed, "the responder was closed"};
  end(why);
  finish_drain(why);
  if (started_) finish_start(why);
}

}  // namespace skald::detail
