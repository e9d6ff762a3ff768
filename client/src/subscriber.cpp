#include "client/src/subscriber.hpp"

#include <utility>

#include <skald/protocol/error.hpp>
#include "client/src/attaching.hpp"
#include "client/src/reading_codec.hpp"
#include "client/src/requests.hpp"
#include "client/src/subscription_codec.hpp"

namespace skald::detail {

subscriber::subscriber(std::shared_ptr<detail::connection> through, std::string_view topic,
                       const subscribe_options& options)
    : connection_(std::move(through)),
      core_(topic, options),
      filter_(options.filter),
      retry_timer_(connection_->get_executor()),
      group_(options.group),
      instance_(options.instance),
      commit_mode_(options.commit),
      session_timeout_(options.session_timeout),
      release_timeout_(options.release_timeout),
      heartbeat_timer_(connection_->get_executor()) {}

// ---- attaching -------------------------------------------------------------------------------------------

void subscriber::start(steady_time deadline, completion<subscription> done) {
  if (connection_->session().closed())
    return done.fail(exception_of({errc::closed, "the client is closed: " + what()}));
  started_ = std::move(done);
  started_.on_cancel([weak = weak_from_this()] {
    if (const auto self = weak.lock())
      self->finish_start(failure{errc::cancelled, self->what() + " was cancelled"});
  });
  connection_->join(shared_from_this());
  start_give_up_ = connection_->session().give_up_at(
      deadline, what(), on_loss::repeat, [self = shared_from_this()](const result<incoming_frame>& answer) {
        self->start_give_up_ = 0;
        self->finish_start(answer.error());
      });
  if (connection_->session().ready()) attach();
  connection_->kick();
}

void subscriber::ready() {
  attach();
}

void subscriber::attach() {
  if (closed_ || core_.over()) return;
  auto& session = connection_->session();
  const auto request_id = session.next_id();
  id_ = session.next_id();
  connection_->route(id_, [weak = weak_from_this()](const incoming_frame& frame) {
    if (const auto self = weak.lock()) self->on_pushed(frame);
  });
  auto frame = session.encode(request_id, [&](flatbuffers::FlatBufferBuilder& builder) {
    const auto topic = builder.CreateString(*core_.topic());
    const auto order = core_.begin_attach();
    const auto positions = encode_starts(builder, order.positions);
    const auto group = builder.CreateString(group_);
    const auto instance = builder.CreateString(instance_);
    const auto filter = filter_.encode(builder);
    return wire::CreateSubscribe(builder, id_, topic, positions, static_cast<wire::Start>(order.start.what()),
                                 order.start.value(), order.credit, core_.delivery_bytes_max(), order.others,
                                 group, instance, member_, epoch_,
                                 static_cast<std::uint32_t>(session_timeout_.count()),
                                 static_cast<std::uint32_t>(release_timeout_.count()), filter);
  });
  session.submit({request_id, std::move(frame), what(), on_loss::fail, false, {}},
                 [weak = weak_from_this(), attempt = ++attempt_](const result<incoming_frame>& answer) {
                   const auto self = weak.lock();
                   if (self && attempt == self->attempt_) self->on_subscribed(answer);
                 });
  connection_->kick();
}

void subscriber::on_subscribed(const result<incoming_frame>& answer) {
  if (!answer) return attach_failed(answer.error());
  const auto* ok = answer->header->body_as_SubscribeOk();
  if (ok == nullptr)
    return attach_failed({errc::protocol_error, "the broker answered Subscribe with something else"});
  core_.attached(decode_topics(ok->topics()), decode_offsets(ok->offsets()));
  if (core_.is_member()) on_joined(*ok);
  // Seeks that the old connection took with it have become part of the new subscription.
  while (!seeks_.empty()) finish_seek(seeks_.front().seek, {});
  finish_start({});
  hand_out();
  tell_present();
}

void subscriber::attach_failed(const failure& why) {
  if (id_ != 0) connection_->route(std::exchange(id_, 0), {});
  if (why.code == errc::connection_lost || why.code == errc::closed) return;  // ready() or closed() follows
  if (may_attach_later(why.code)) {
    retry_timer_.expires_after(attach_again_after);
    retry_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& code) {
      const auto self = weak.lock();
      if (!code && self && self->connection_->session().ready()) self->attach();
    });
    return;
  }
  if (started_) return finish_start(why);
  core_.ended(why);
  hand_out();
  tell_present();
}

void subscriber::finish_start(const std::optional<failure>& why) {
  connection_->session().forget(std::exchange(start_give_up_, 0));
  if (!started_) return;
  auto done = std::move(started_);
  if (!why) return done.succeed(subscription(shared_from_this()));
  finish(*why);
  done.fail(exception_of(*why));
}

// ---- deliveries ------------------------------------------------------------------------------------------

void subscriber::on_pushed(const incoming_frame& frame) {
  if (closed_) return;
  if (const auto* notice = frame.header->body_as_SubscriptionNotice()) return on_notice(*notice);
  if (const auto* changed = frame.header->body_as_SubscriptionChanged()) return on_changed(*changed);
  const auto* delivery = frame.header->body_as_Delivery();
  auto facts = decode_facts(core_.topic(), partition_id(delivery->partition()), *delivery);
  facts.topic_is = topic_id(delivery->topic_id());
  core_.delivered(delivery->seek(), std::move(facts), frame.payload, frame.owner);
  hand_out();
}

void subscriber::on_notice(const wire::SubscriptionNotice& notice) {
  if (notice.ended() && static_cast<errc>(notice.code()) == errc::unknown_member) {
    // The group has done without it for too long: it joins again.
    lost();
    return attach();
  }
  if (notice.ended()) {
    core_.ended({static_cast<errc>(notice.code()), std::string(protocol::text(notice.message()))});
    core_.detached();
    connection_->route(std::exchange(id_, 0), {});
    tell_present();
  } else if (static_cast<errc>(notice.code()) == errc::offset_out_of_range) {
    core_.missed({topic_id(notice.topic_id()), partition_id(notice.partition())},
                 {offset(notice.from()), offset(notice.to())});
  }
  hand_out();
}

void subscriber::on_changed(const wire::SubscriptionChanged& changed) {
  core_.left(decode_places(changed.left()));
  core_.left(decode_places(changed.revoked()));
  core_.joined(decode_topics(changed.topics()), decode_offsets(changed.joined()));
  if (core_.is_member()) on_assignment(changed);
  hand_out();
}

void subscriber::receive(std::optional<steady_time> deadline, completion<records> done) {
  if (closed_) return done.fail(exception_of({errc::closed, "the subscription is closed"}));
  if (receiver_)
    return done.fail(
        exception_of({errc::invalid_request, "another receive() is waiting on this subscription"}));
  receiver_ = std::move(done);
  commit_processed();
  if (core_.has_next()) return hand_out();
  receiver_.on_cancel([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || !self->receiver_) return;
    if (self->receive_give_up_ != 0)
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
                          "nothing to receive from topic \"" + *self->core_.topic() + "\" in time"};
        std::exchange(self->receiver_, {}).fail(exception_of(why));
      });
  connection_->kick();
}

void subscriber::hand_out() {
  if (receiver_ && core_.has_next()) {
    connection_->session().forget(std::exchange(receive_give_up_, 0));
    auto done = std::exchange(receiver_, {});
    auto next = take();
    if (next)
      done.succeed(*std::move(next));
    else
      done.fail(exception_of(next.error()));
  }
  send_credit();
}

result<records> subscriber::take() {
  auto next = core_.take();
  if (next && core_.is_member()) {
    if (const auto of = core_.place(next->topic(), next->partition()))
      positions_.given(*of, next->end_offset());
  }
  return next;
}

std::optional<records> subscriber::try_receive() {
  if (closed_) throw error(errc::closed, "the subscription is closed");
  commit_processed();
  if (!core_.has_next()) return std::nullopt;
  auto next = take();
  send_credit();
  if (!next) throw error(next.error().code, next.error().message);
  return *std::move(next);
}

void subscriber::send_credit() {
  if (id_ == 0) return;
  const auto bytes = core_.take_credit();
  if (bytes == 0) return;
  auto& session = connection_->session();
  session.send(session.encode(session.next_id(),
                              [&](auto& builder) { return wire::CreateCredit(builder, id_, bytes); }));
  connection_->kick();
}

// ---- seeking ---------------------------------------------------------------------------------------------

void subscriber::seek(const result<std::vector<placed_start>>& to, std::optional<start_point> everywhere,
                      steady_time deadline, completion<> done) {
  if (closed_) return done.fail(exception_of({errc::closed, "the subscription is closed"}));
  if (!to) return done.fail(exception_of(to.error()));
  auto order = everywhere ? core_.seek_all(*everywhere) : core_.seek(*to);
  if (!order) return done.fail(exception_of(order.error()));
  const auto seek = order->seek;
  const auto give_up = connection_->session().give_up_at(
      deadline, "seeking in topic \"" + *core_.topic() + "\"", on_loss::fail,
      [weak = weak_from_this(), seek](const result<incoming_frame>& answer) {
        if (const auto self = weak.lock()) self->finish_seek(seek, answer.error());
      });
  done.on_cancel([weak = weak_from_this(), seek] {
    if (const auto self = weak.lock())
      self->finish_seek(seek, failure{errc::cancelled, "seek() was cancelled"});
  });
  seeks_.push_back({seek, give_up, std::move(done)});
  // Without a subscription at the moment, the next one begins there.
  if (core_.is_attached()) send_user_seek(*order);
  send_credit();
  connection_->kick();
}

void subscriber::send_user_seek(const subscriber_core::seek_order& order) {
  send_seek(order, [weak = weak_from_this(), seek = order.seek](const result<incoming_frame>& answer) {
    if (const auto self = weak.lock()) self->on_sought(seek, answer);
  });
}

void subscriber::send_seek(const subscriber_core::seek_order& order, session::answer_handler handler) {
  auto& session = connection_->session();
  const auto id = session.next_id();
  auto frame = session.encode(id, [&](flatbuffers::FlatBufferBuilder& builder) {
    return wire::CreateSeek(builder, id_, order.seek, encode_starts(builder, order.partitions));
  });
  session.submit({id, std::move(frame), "seeking", on_loss::fail, false, {}}, std::move(handler));
  connection_->kick();
}

void subscriber::on_sought(std::uint32_t seek, const result<incoming_frame>& answer) {
  if (!answer && answer.error().code == errc::connection_lost) return;  // the next subscription begins there
  const auto* ok = answer ? answer->header->body_as_SeekOk() : nullptr;
  if (ok != nullptr) {
    core_.sought(seek, decode_offsets(ok->offsets()));
    return finish_seek(seek, {});
  }
  const failure why =
      answer ? failure{errc::protocol_error, "the broker answered Seek with something else"} : answer.error();
  if (const auto back = core_.seek_failed(seek); !back.empty() && core_.is_attached())
    if (const auto order = core_.seek(back)) send_user_seek(*order);
  finish_seek(seek, why);
}

void subscriber::finish_seek(std::uint32_t seek, const std::optional<failure>& why) {
  const auto found = std::ranges::find(seeks_, seek, &pending_seek::seek);
  if (found == seeks_.end()) return;
  connection_->session().forget(found->give_up);
  auto done = std::move(found->done);
  seeks_.erase(found);
  if (why)
    done.fail(exception_of(*why));
  else
    done.succeed();
}

// ---- the end ---------------------------------------------------------------------------------------------

void subscriber::lost() {
  ++attempt_;
  core_.detached();
  if (id_ != 0) connection_->route(std::exchange(id_, 0), {});
}

void subscriber::closed() {
  finish({errc::closed, "the client was closed"});
}

void subscriber::close() {
  if (commit_mode_ == commit_mode::automatic) positions_.processed_all();
  abandon();
}

void subscriber::abandon() {
  finish({errc::closed, "the subscription was closed"});
}

void subscriber::finish(const failure& why) {
  if (std::exchange(closed_, true)) return;
  ++attempt_;
  retry_timer_.cancel();
  heartbeat_timer_.cancel();
  auto& session = connection_->session();
  if (id_ != 0) {
    if (const auto positions = positions_.begin_commit(); !positions.empty())
      session.send(encode_commit(session.next_id(), positions));
    const auto request_id = session.next_id();
    session.send(
        session.encode(request_id, [&](auto& builder) { return wire::CreateUnsubscribe(builder, id_); }));
    connection_->route(std::exchange(id_, 0), {});
    connection_->kick();
  }
  core_.detached();
  session.forget(std::exchange(receive_give_up_, 0));
  if (receiver_) std::exchange(receiver_, {}).fail(exception_of(why));
  while (!seeks_.empty()) finish_seek(seeks_.front().seek, why);
  if (started_) finish_start(why);
  tell_present();
}

}  // namespace skald::detail
