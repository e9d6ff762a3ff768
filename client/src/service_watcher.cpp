#include "client/src/service_watcher.hpp"

#include <utility>

#include "client/src/requests.hpp"
#include "client/src/service_codec.hpp"

namespace skald::detail {

namespace {
// Whoever does not ask for events for so long is not interested in them.
constexpr std::size_t events_max = 100'000;
}  // namespace

void service_watcher::start(steady_time deadline, completion<service_watch> done) {
  auto& session = connection_->session();
  if (session.closed()) return done.fail(exception_of({errc::closed, "the client is closed"}));
  started_ = std::move(done);
  started_.on_cancel([weak = weak_from_this()] {
    if (const auto self = weak.lock())
      self->finish_start(failure{errc::cancelled, "watching services was cancelled"});
  });
  connection_->join(shared_from_this());
  start_give_up_ = session.give_up_at(deadline, "watching services", on_loss::repeat,
                                      [self = shared_from_this()](const result<incoming_frame>& answer) {
                                        self->start_give_up_ = 0;
                                        self->finish_start(answer.error());
                                      });
  if (session.ready()) watch();
  connection_->kick();
}

void service_watcher::ready() {
  watch();
}

void service_watcher::watch() {
  if (ended_) return;
  auto& session = connection_->session();
  const auto request_id = session.next_id();
  id_ = session.next_id();
  connection_->route(id_, [weak = weak_from_this()](const incoming_frame& frame) {
    const auto self = weak.lock();
    if (!self) return;
    if (self->events_.size() >= events_max)
      return self->end({errc::overloaded, "more events came than were received"});
    self->events_.push_back(decode(*frame.header->body_as_ServiceEvent()));
    self->hand_out();
  });
  auto frame = session.encode(request_id, [&](flatbuffers::FlatBufferBuilder& builder) {
    return wire::CreateWatchServices(builder, id_, builder.CreateString(subject_));
  });
  session.submit({request_id, std::move(frame), "watching services", on_loss::fail, false, {}},
                 [weak = weak_from_this()](const result<incoming_frame>& answer) {
                   const auto self = weak.lock();
                   if (!self) return;
                   if (answer) return self->finish_start({});
                   const errc code = answer.error().code;
                   if (code == errc::connection_lost || code == errc::closed) return;  // ready(), closed()
                   if (self->started_) return self->finish_start(answer.error());
                   self->end(answer.error());
                 });
  connection_->kick();
}

void service_watcher::finish_start(const std::optional<failure>& why) {
  connection_->session().forget(std::exchange(start_give_up_, 0));
  if (!started_) return;
  auto done = std::move(started_);
  if (!why) return done.succeed(service_watch(shared_from_this()));
  end(*why);
  done.fail(exception_of(*why));
}

void service_watcher::receive(std::optional<steady_time> deadline, completion<service_event> done) {
  if (receiver_)
    return done.fail(exception_of({errc::invalid_request, "another receive() is waiting on this watch"}));
  receiver_ = std::move(done);
  hand_out();
  if (!receiver_) return;
  receiver_.on_cancel([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || !self->receiver_) return;
    self->connection_->session().forget(std::exchange(self->receive_give_up_, 0));
    std::exchange(self->receiver_, {}).fail(exception_of({errc::cancelled, "receive() was cancelled"}));
  });
  if (!deadline) return;
  receive_give_up_ = connection_->session().give_up_at(
      *deadline, "", on_loss::repeat, [weak = weak_from_this()](const result<incoming_frame>& answer) {
        const auto self = weak.lock();
        if (!self || !self->receiver_) return;
        self->receive_give_up_ = 0;
        const failure why{answer.error().code == errc::closed ? errc::closed : errc::deadline_exceeded,
                          "no service has changed in time"};
        std::exchange(self->receiver_, {}).fail(exception_of(why));
      });
  connection_->kick();
}

void service_watcher::hand_out() {
  if (!receiver_ || (events_.empty() && !ended_)) return;
  connection_->session().forget(std::exchange(receive_give_up_, 0));
  auto done = std::exchange(receiver_, {});
  if (events_.empty()) return done.fail(exception_of(*ended_));
  service_event next = std::move(events_.front());
  events_.pop_front();
  done.succeed(std::move(next));
}

void service_watcher::lost() {
  if (id_ != 0) connection_->route(std::exchange(id_, 0), {});
}

void service_watcher::closed() {
  close();
}

void service_watcher::close() {
  const failure why{errc::closed, "the watch was closed"};
  end(why);
  if (started_) finish_start(why);
}

void service_watcher::end(const failure& why) {
  if (ended_) return;
  ended_ = why;
  if (id_ != 0) {
    auto& session = connection_->session();
    session.send(session.encode(session.next_id(),
                                [&](auto& builder) { return wire::CreateUnwatchServices(builder, id_); }));
    connection_->route(std::exchange(id_, 0), {});
    connection_->kick();
  }
  hand_out();
}

}  // namespace skald::detail
