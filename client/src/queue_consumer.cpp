#include "client/src/queue_consumer.hpp"

#include <algorithm>
#include <utility>

#include <skald/protocol/error.hpp>
#include "client/src/attaching.hpp"
#include "client/src/queue_codec.hpp"
#include "client/src/requests.hpp"

namespace skald::detail {

namespace {

// While some are on their way, what is settled gathers: few at a time make large groups, and no wait when
// idle.
constexpr std::uint64_t requests_in_flight_max = 4;
constexpr std::size_t settled_per_request = 4096;
constexpr std::size_t settled_bytes_max = 256 * 1024;  // of reasons in one request

}  // namespace

queue_consumer::queue_consumer(std::shared_ptr<detail::connection> through, std::string_view topic,
                               std::string_view queue, const open_queue_options& options)
    : connection_(std::move(through)),
      topic_(std::make_shared<const std::string>(topic)),
      queue_(queue),
      options_(options),
      dead_letter_(options.settings.dead_letter.value_or("")),
      retry_timer_(connection_->get_executor()) {}

// ---- opening ---------------------------------------------------------------------------------------------

void queue_consumer::start(steady_time deadline, completion<work_queue> done) {
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

void queue_consumer::ready() {
  attach();
}

void queue_consumer::attach() {
  if (closed_ || ended_) return;
  auto& session = connection_->session();
  const auto request_id = session.next_id();
  id_ = session.next_id();
  {
    const std::lock_guard lock(mutex_);
    holder_ = id_;
  }
  connection_->route(id_, [weak = weak_from_this()](const incoming_frame& frame) {
    if (const auto self = weak.lock()) self->on_pushed(frame);
  });
  auto frame = session.encode(request_id, [&](flatbuffers::FlatBufferBuilder& builder) {
    queue_settings settings = options_.settings;
    if (settings.dead_letter) settings.dead_letter = dead_letter_;
    const auto topic = builder.CreateString(*topic_);
    const auto queue = builder.CreateString(queue_);
    return wire::CreateOpenQueue(builder, id_, topic, queue, options_.prefetch, options_.delivery_bytes_max,
                                 options_.create, encode(builder, settings));
  });
  session.submit({request_id, std::move(frame), what(), on_loss::fail, false, {}},
                 [weak = weak_from_this(), attempt = ++attempt_](const result<incoming_frame>& answer) {
                   const auto self = weak.lock();
                   if (self && attempt == self->attempt_) self->on_opened(answer);
                 });
  connection_->kick();
}

void queue_consumer::on_opened(const result<incoming_frame>& answer) {
  if (!answer) return attach_failed(answer.error());
  const auto* ok = answer->header->body_as_OpenQueueOk();
  if (ok == nullptr)
    return attach_failed({errc::protocol_error, "the broker answered OpenQueue with something else"});
  lease_ = milliseconds(ok->settings()->lease_ms().value_or(0));
  open_ = true;
  finish_start({});
}

void queue_consumer::attach_failed(const failure& why) {
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
  end(why);
}

void queue_consumer::finish_start(const std::optional<failure>& why) {
  connection_->session().forget(std::exchange(start_give_up_, 0));
  if (!started_) return;
  auto done = std::move(started_);
  if (!why) return done.succeed(work_queue(shared_from_this()));
  finish(*why);
  done.fail(exception_of(*why));
}

// ---- deliveries ------------------------------------------------------------------------------------------

void queue_consumer::on_pushed(const incoming_frame& frame) {
  if (closed_) return;
  if (const auto* notice = frame.header->body_as_QueueNotice()) {
    connection_->route(std::exchange(id_, 0), {});
    open_ = false;
    return end({static_cast<errc>(notice->code()), std::string(protocol::text(notice->message()))});
  }
  auto decoded = decode(frame);
  if (!decoded) return end(decoded.error());
  arrived_.push_back(*std::move(decoded));
  hand_out();
}

result<deliveries> queue_consumer::decode(const incoming_frame& frame) const {
  const auto* header = frame.header->body_as_QueueDelivery();
  const partition_id partition(header->partition());
  const auto source = std::make_shared<const record_source>(topic_, partition, frame.owner);
  deliveries all;
  auto run = header->runs()->begin();
  std::uint32_t taken = 0;  // of the run
  for (protocol::batch_splitter rest(frame.payload); !rest.done();) {
    const auto batch = rest.next();
    if (!batch) return batch.error();
    const auto decoder = decoders_->take();
    const auto records = decoder->check(*batch);
    if (!records) return records.error();
    auto keeps = source;
    if (batch->compression_code() != 0)
      keeps = std::make_shared<const record_source>(topic_, partition, decoder);
    all.reserve(all.size() + records->size());
    for (const protocol::record_view& record : *records) {
      while (run != header->runs()->end() && taken == run->count()) ++run, taken = 0;
      if (run == header->runs()->end())
        return failure{errc::protocol_error, "the broker sent more records than leases"};
      delivery& one = all.emplace_back();
      one.view_ = record;
      one.view_.offset = offset(run->first() + taken++);
      one.source_ = keeps;
      one.client_ = connection_->number();
      one.consumer_ = id_;
      one.connection_ = connection_number_;
      one.lease_ = run->lease();
      one.attempt_ = run->attempt();
    }
  }
  return all;
}

void queue_consumer::receive(std::optional<steady_time> deadline, completion<deliveries> done) {
  if (closed_) return done.fail(exception_of({errc::closed, "the queue is closed"}));
  if (receiver_)
    return done.fail(exception_of({errc::invalid_request, "another receive() is waiting on this queue"}));
  receiver_ = std::move(done);
  if (!arrived_.empty() || ended_) return hand_out();
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
                          "nothing to receive from queue \"" + self->queue_ + "\" of topic \"" +
                              *self->topic_ + "\" in time"};
        std::exchange(self->receiver_, {}).fail(exception_of(why));
      });
  connection_->kick();
}

void queue_consumer::hand_out() {
  if (!receiver_ || (arrived_.empty() && !ended_)) return;
  connection_->session().forget(std::exchange(receive_give_up_, 0));
  auto done = std::exchange(receiver_, {});
  if (arrived_.empty()) return done.fail(exception_of(*ended_));
  auto next = std::move(arrived_.front());
  arrived_.pop_front();
  done.succeed(std::move(next));
}

// ---- settling --------------------------------------------------------------------------------------------

void queue_consumer::settle(const delivery& what, wire::Settlement how, std::optional<milliseconds> delay,
                            std::string_view reason) {
  const std::lock_guard lock(mutex_);
  add(what, how, delay, reason);
  schedule();
}

void queue_consumer::acknowledge(const deliveries& what) {
  const std::lock_guard lock(mutex_);
  for (const delivery& one : what) add(one, wire::Settlement::ack, {}, {});
  schedule();
}

void queue_consumer::add(const delivery& what, wire::Settlement how, std::optional<milliseconds> delay,
                         std::string_view reason) {
  if (what.connection_ != connection_number_) {
    ++orphans_;
    return;
  }
  if (what.consumer_ != holder_ || what.client_ != connection_->number()) {
    ++strangers_;
    return;
  }
  const std::uint64_t at = what.offset().value();
  if (!unsent_.empty() && how == wire::Settlement::ack) {
    settled& last = unsent_.back();
    if (last.how == how && last.lease == what.lease_ && last.first + last.count == at) {
      ++last.count;
      return;
    }
  }
  std::optional<std::uint64_t> delay_ms;
  if (delay) delay_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(delay->count(), 0));
  ++added_;
  unsent_.push_back(
      {what.lease_, at, 1, how, delay_ms, std::string(reason.substr(0, protocol::reason_bytes_max))});
}

void queue_consumer::schedule() {
  if (std::exchange(scheduled_, true)) return;
  asio::post(connection_->get_executor(), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->send_settled();
  });
}

void queue_consumer::send_settled(bool all) {
  std::vector<std::vector<settled>> batches;
  std::size_t orphans = 0;
  std::size_t strangers = 0;
  {
    const std::lock_guard lock(mutex_);
    scheduled_ = false;
    orphans = std::exchange(orphans_, 0);
    strangers = std::exchange(strangers_, 0);
    while (!unsent_.empty() &&
           (all || !open_ || in_flight_.size() + batches.size() < requests_in_flight_max)) {
      auto& batch = batches.emplace_back();
      std::size_t bytes = 0;
      while (!unsent_.empty() && batch.size() < settled_per_request && bytes < settled_bytes_max) {
        bytes += unsent_.front().reason.size();
        batch.push_back(std::move(unsent_.front()));
        unsent_.pop_front();
      }
    }
  }
  if (orphans > 0)
    fail_settling({errc::unknown_lease, "their leases went with the connection that was lost"}, orphans);
  if (strangers > 0)
    fail_settling({errc::unknown_lease, "they were not received from queue \"" + queue_ + "\" of topic \"" +
                                            *topic_ + "\"; settle records with what received them"},
                  strangers);
  for (auto& batch : batches) send(std::move(batch));
  finish_flushes();
}

void queue_consumer::send(std::vector<settled> batch) {
  const std::uint64_t first = sent_ + 1;
  sent_ += batch.size();
  if (!open_) {
    std::size_t records = 0;
    for (const settled& one : batch) records += one.count;
    return fail_settling({errc::unknown_lease, "the queue has ended, and its leases with it"}, records);
  }
  auto& session = connection_->session();
  const auto request_id = session.next_id();
  auto frame = session.encode(request_id, [&](flatbuffers::FlatBufferBuilder& builder) {
    std::vector<flatbuffers::Offset<wire::Settled>> list;
    list.reserve(batch.size());
    for (const settled& one : batch) {
      const auto reason =
          one.reason.empty() ? flatbuffers::Offset<flatbuffers::String>() : builder.CreateString(one.reason);
      list.push_back(
          wire::CreateSettled(builder, one.lease, one.first, one.count, one.how, one.delay_ms, reason));
    }
    return wire::CreateSettle(builder, id_, builder.CreateVector(list));
  });
  in_flight_.insert(first);
  session.submit({request_id,
                  std::move(frame),
                  "settling records of queue \"" + queue_ + "\"",
                  on_loss::fail,
                  false,
                  {}},
                 [self = shared_from_this(), first, batch = std::move(batch)](
                     const result<incoming_frame>& answer) { self->on_settled(first, batch, answer); });
  connection_->kick();
}

void queue_consumer::on_settled(std::uint64_t first, const std::vector<settled>& batch,
                                const result<incoming_frame>& answer) {
  in_flight_.erase(first);
  const auto* ok = answer ? answer->header->body_as_SettleOk() : nullptr;
  if (ok != nullptr) {
    for (const auto* one : protocol::each(ok->failures())) {
      const std::size_t records = one->index() < batch.size() ? batch[one->index()].count : 1;
      const auto code = static_cast<errc>(one->code());
      const std::string_view message =
          one->message() == nullptr ? to_string(code) : protocol::text(one->message());
      fail_settling({code, std::string(message)}, records);
    }
  } else {
    std::size_t records = 0;
    for (const settled& one : batch) records += one.count;
    fail_settling(answer ? failure{errc::protocol_error, "the broker answered Settle with something else"}
                         : answer.error(),
                  records);
  }
  send_settled();
}

void queue_consumer::fail_settling(const failure& why, std::size_t records) {
  if (!untold_) untold_ = why;
  untold_records_ += records;
}

void queue_consumer::flush(std::optional<steady_time> deadline, completion<> done) {
  send_settled();
  std::uint64_t after = 0;
  {
    const std::lock_guard lock(mutex_);
    after = added_;
  }
  auto shared = std::make_shared<completion<>>(std::move(done));
  flusher entry{after, 0, shared};
  shared->on_cancel([shared] {
    if (*shared) shared->fail(exception_of({errc::cancelled, "flush() was cancelled"}));
  });
  if (deadline)
    entry.give_up =
        connection_->session().give_up_at(*deadline, "settling records of queue \"" + queue_ + "\"",
                                          on_loss::repeat, [shared](const result<incoming_frame>& answer) {
                                            if (*shared) shared->fail(exception_of(answer.error()));
                                          });
  flushers_.push_back(std::move(entry));
  finish_flushes();
  connection_->kick();
}

void queue_consumer::finish_flushes() {
  const std::uint64_t answered = in_flight_.empty() ? sent_ : *in_flight_.begin() - 1;
  while (!flushers_.empty() && flushers_.front().after <= answered) {
    const flusher entry = std::move(flushers_.front());
    flushers_.pop_front();
    connection_->session().forget(entry.give_up);
    if (!*entry.done) continue;
    if (!untold_) {
      entry.done->succeed();
      continue;
    }
    failure why = *std::exchange(untold_, std::nullopt);
    const std::size_t records = std::exchange(untold_records_, 0);
    if (records > 1) why.message += "; so it went for " + std::to_string(records) + " records";
    entry.done->fail(exception_of(why));
  }
}

// ---- the end ---------------------------------------------------------------------------------------------

void queue_consumer::end(const failure& why) {
  if (!ended_) ended_ = why;
  hand_out();
}

void queue_consumer::lost() {
  ++attempt_;
  open_ = false;
  if (id_ != 0) connection_->route(std::exchange(id_, 0), {});
  arrived_.clear();  // somebody else will get them
  std::size_t orphans = 0;
  {
    const std::lock_guard lock(mutex_);
    ++connection_number_;
    for (const settled& one : unsent_) orphans += one.count;
    unsent_.clear();
    sent_ = added_;
  }
  if (orphans > 0)
    fail_settling({errc::unknown_lease, "their leases went with the connection that was lost"}, orphans);
  finish_flushes();
}

void queue_consumer::closed() {
  finish({errc::closed, "the client was closed"});
}

void queue_consumer::close() {
  finish({errc::closed, "the queue was closed"});
}

void queue_consumer::finish(const failure& why) {
  if (std::exchange(closed_, true)) return;
  ++attempt_;
  retry_timer_.cancel();
  auto& session = connection_->session();
  if (id_ != 0) {
    send_settled(true);
    const auto request_id = session.next_id();
    session.send(
        session.encode(request_id, [&](auto& builder) { return wire::CreateCloseQueue(builder, id_); }));
    connection_->route(std::exchange(id_, 0), {});
    connection_->kick();
  }
  open_ = false;
  arrived_.clear();
  session.forget(std::exchange(receive_give_up_, 0));
  if (receiver_) std::exchange(receiver_, {}).fail(exception_of(why));
  finish_flushes();
  if (started_) finish_start(why);
}

}  // namespace skald::detail
