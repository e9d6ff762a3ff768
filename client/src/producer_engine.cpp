#include "client/src/producer_engine.hpp"

#include <time.h>

#include <boost/asio/post.hpp>
#include <utility>

#include "client/src/requests.hpp"

namespace skald::detail {

namespace {

// The monotonic clock to the nearest few milliseconds, at a fifth of the cost: it is read for every record,
// to no other end than timeouts.
steady_time coarse_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return steady_time(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

}  // namespace

std::shared_ptr<producer_engine> producer_engine::create(std::shared_ptr<detail::connection> through,
                                                         const producer_options& options) {
  std::shared_ptr<producer_engine> engine(new producer_engine(std::move(through), options));
  engine->connection_->join(engine);
  if (engine->connection_->session().closed()) engine->closed();
  if (engine->connection_->session().ready()) engine->ready();
  if (!options.name.empty()) engine->connection_->kick();
  return engine;
}

producer_engine::producer_engine(std::shared_ptr<detail::connection> through, const producer_options& options)
    : connection_(std::move(through)),
      options_(options),
      timer_(connection_->get_executor()),
      core_(options) {}

// ---- records in ------------------------------------------------------------------------------------------

bool producer_engine::accept_locked(std::string_view topic, const message& what, acknowledge& ack,
                                    const std::optional<steady_time>& expires) {
  if (closed_) throw error(closed_->code, closed_->message);
  if (core_.accept(topic, what, std::move(ack), coarse_now(), expires) == producer_core::acceptance::full)
    return false;
  if (core_.wants_poll()) schedule_pump();
  return true;
}

bool producer_engine::try_accept(std::string_view topic, const message& what, acknowledge ack,
                                 const std::optional<steady_time>& expires) {
  const std::lock_guard lock(mutex_);
  return waiters_.empty() && accept_locked(topic, what, ack, expires);
}

void producer_engine::accept_when_possible(std::string_view topic, owned_message what, acknowledge ack,
                                           unique_function<void(std::exception_ptr)> accepted,
                                           std::optional<steady_time> expires) {
  std::exception_ptr refused;
  {
    const std::lock_guard lock(mutex_);
    try {
      if (!waiters_.empty() || !accept_locked(topic, what.view(), ack, expires)) {
        waiters_.push_back(
            {std::string(topic), std::move(what), std::move(ack), std::move(accepted), expires});
        return;
      }
    } catch (const error&) {
      refused = std::current_exception();
    }
  }
  accepted(refused);
}

void producer_engine::accept_blocking(std::string_view topic, const message& what, acknowledge ack) {
  std::unique_lock lock(mutex_);
  if (accept_locked(topic, what, ack, {})) return;
  const auto deadline = std::chrono::steady_clock::now() + options_.delivery_timeout;
  for (;;) {
    blocked_ = true;
    const auto outcome = room_.wait_until(lock, deadline);
    if (accept_locked(topic, what, ack, {})) return;
    if (outcome == std::cv_status::timeout)
      throw error(errc::deadline_exceeded,
                  "the producer's buffer stayed full for " + in_words(options_.delivery_timeout) +
                      ": the broker acknowledges too slowly; topic \"" + std::string(topic) + "\"");
  }
}

void producer_engine::flush(unique_function<void(std::exception_ptr)> done) {
  std::exception_ptr refused;
  {
    const std::lock_guard lock(mutex_);
    if (!closed_) {
      flushers_.push_back({core_.begin_flush(), std::move(done)});
      schedule_pump();
      return;
    }
    refused = exception_of(*closed_);
  }
  done(refused);
}

void producer_engine::on_delivery(std::function<void(const delivery_report&)> callback) {
  const std::lock_guard lock(mutex_);
  on_delivery_ = std::move(callback);
}

producer_statistics producer_engine::statistics() const {
  const std::lock_guard lock(mutex_);
  auto statistics = core_.statistics();
  statistics.buffered_bytes = core_.buffered_bytes();
  return statistics;
}

// ---- events ----------------------------------------------------------------------------------------------

void producer_engine::ready() {
  {
    const std::lock_guard lock(mutex_);
    core_.connected(connection_->session().frame_bytes_max());
  }
  pump();
}

void producer_engine::lost() {
  {
    const std::lock_guard lock(mutex_);
    core_.disconnected();
  }
  pump();
}

void producer_engine::closed() {
  abandon({errc::closed, "the client was closed"});
}

void producer_engine::abandon(const failure& why) {
  std::deque<waiter> refused;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    closed_ = why;
    core_.abandon({why.code, why.message + "; records not yet acknowledged may be stored or not"});
    refused = std::exchange(waiters_, {});
    room_.notify_all();
    schedule_pump();
  }
  for (auto& one : refused) one.accepted(exception_of(why));
}

// Called with the lock held.
void producer_engine::schedule_pump() {
  if (std::exchange(pump_scheduled_, true)) return;
  asio::post(connection_->get_executor(), [self = shared_from_this()] { self->pump(); });
}

void producer_engine::pump() {
  producer_effects effects;
  bool ended = false;
  {
    const std::lock_guard lock(mutex_);
    pump_scheduled_ = false;
    ended = closed_.has_value();
    effects = core_.poll(std::chrono::steady_clock::now());
    if (blocked_ && core_.has_room()) {
      blocked_ = false;
      room_.notify_all();
    }
  }
  perform(std::move(effects));
  // Nothing falls due any more, and the timer would keep the executor, and whoever waits for it, until then.
  if (ended) timer_.cancel();
  admit_waiters();
  finish_flushes();
}

void producer_engine::perform(producer_effects effects) {
  arm_timer(effects.wake_at);
  if (effects.initialise) initialise(effects.renews);
  for (const auto& topic : effects.describe) describe(topic);
  for (auto& frame : effects.publish) publish(std::move(frame));
  for (auto& settled : effects.settled) report(settled);
  // Also without anything to write: records that wait for a connection have to bring it about.
  connection_->kick();
}

void producer_engine::admit_waiters() {
  std::vector<std::pair<unique_function<void(std::exception_ptr)>, std::exception_ptr>> told;
  {
    const std::lock_guard lock(mutex_);
    while (!waiters_.empty()) {
      auto& first = waiters_.front();
      std::exception_ptr refused;
      try {
        if (!accept_locked(first.topic, first.what.view(), first.ack, first.expires)) break;
      } catch (const error&) {
        refused = std::current_exception();
      }
      told.emplace_back(std::move(first.accepted), refused);
      waiters_.pop_front();
    }
  }
  for (auto& [accepted, refused] : told) accepted(refused);
}

void producer_engine::finish_flushes() {
  std::vector<std::pair<unique_function<void(std::exception_ptr)>, std::exception_ptr>> told;
  {
    const std::lock_guard lock(mutex_);
    while (!flushers_.empty() && core_.flushed(flushers_.front().flush)) {
      std::exception_ptr why;
      if (untold_)
        why = std::make_exception_ptr(
            error(untold_->code, std::to_string(std::exchange(untold_records_, 0)) +
                                     " records failed; the first of them: " + untold_->message));
      else if (core_.fenced())
        why = exception_of(*core_.fenced());
      untold_.reset();
      told.emplace_back(std::move(flushers_.front().done), why);
      flushers_.pop_front();
    }
  }
  for (auto& [done, why] : told) done(why);
}

void producer_engine::report(settlement& what) {
  std::function<void(const delivery_report&)> callback;
  {
    const std::lock_guard lock(mutex_);
    callback = on_delivery_;
    if (!what.outcome && !callback && what.waiting.size() < what.records) {
      if (!untold_) untold_ = what.outcome.error();
      untold_records_ += what.records - what.waiting.size();
    }
  }
  if (callback) {
    delivery_report told{.topic = what.topic, .partition = what.partition, .records = what.records};
    if (what.outcome) {
      told.base_offset = what.outcome->offset;
      told.durability = what.outcome->durability;
    } else {
      told.failed.emplace(what.outcome.error().code, what.outcome.error().message);
    }
    callback(told);
  }
  for (auto& [index, ack] : what.waiting) {
    result<published> one = what.outcome;
    if (one && one->offset) *one->offset += index;
    ack(one);
  }
}

void producer_engine::arm_timer(std::optional<steady_time> at) {
  if (!at || (armed_ && *armed_ <= *at)) return;
  armed_ = at;
  timer_.expires_at(*at);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& code) {
    if (code) return;
    if (const auto self = weak.lock()) {
      self->armed_.reset();
      self->pump();
    }
  });
}

// ---- requests --------------------------------------------------------------------------------------------

void producer_engine::initialise(const std::optional<producer_identity>& renews) {
  auto& session = connection_->session();
  const auto id = session.next_id();
  auto frame = session.encode(id, [&](auto& builder) {
    flatbuffers::Offset<flatbuffers::String> name;
    if (!core_.name().empty()) name = builder.CreateString(core_.name());
    if (!renews) return wire::CreateInitProducer(builder, name);
    return wire::CreateInitProducer(builder, name, renews->first.value(), renews->second.value());
  });
  session.submit({id, std::move(frame), "asking for a producer identity", on_loss::repeat, true, {}},
                 [weak = weak_from_this()](const result<incoming_frame>& answer) {
                   const auto self = weak.lock();
                   if (!self) return;
                   result<producer_identity> identity =
                       failure{errc::protocol_error, "the broker answered InitProducer with something else"};
                   if (!answer)
                     identity = answer.error();
                   else if (const auto* ok = answer->header->body_as_InitProducerOk())
                     identity = std::pair{producer_id(ok->producer_id()), producer_epoch(ok->epoch())};
                   {
                     const std::lock_guard lock(self->mutex_);
                     self->core_.initialised(identity, std::chrono::steady_clock::now());
                   }
                   self->pump();
                 });
}

void producer_engine::describe(const std::string& topic) {
  auto& session = connection_->session();
  const auto id = session.next_id();
  auto frame = session.encode(
      id, [&](auto& builder) { return wire::CreateDescribeTopic(builder, builder.CreateString(topic)); });
  session.submit({id, std::move(frame), "describing topic \"" + topic + "\"", on_loss::repeat, true, {}},
                 [weak = weak_from_this(), topic](const result<incoming_frame>& answer) {
                   const auto self = weak.lock();
                   if (!self) return;
                   result<topic_facts> facts =
                       failure{errc::protocol_error, "the broker answered DescribeTopic with something else"};
                   if (!answer) {
                     facts = answer.error();
                   } else if (const auto* ok = answer->header->body_as_DescribeTopicOk()) {
                     const auto* settings = ok->topic()->settings();
                     facts = topic_facts{std::max(1u, settings->partitions().value_or(1)),
                                         settings->batch_bytes_max().value_or(0),
                                         settings->record_bytes_max().value_or(0)};
                   }
                   {
                     const std::lock_guard lock(self->mutex_);
                     self->core_.described(topic, facts, std::chrono::steady_clock::now());
                   }
                   self->pump();
                 });
}

void producer_engine::publish(publish_frame frame) {
  auto& session = connection_->session();
  const auto id = session.next_id();
  std::vector<shared_bytes> payload;
  payload.reserve(frame.appends.size());
  for (const auto& append : frame.appends) payload.push_back(append.batch);
  auto encoded = session.encode(
      id,
      [&](flatbuffers::FlatBufferBuilder& builder) {
        std::vector<flatbuffers::Offset<wire::Append>> appends;
        appends.reserve(frame.appends.size());
        for (const auto& append : frame.appends)
          appends.push_back(wire::CreateAppend(builder, builder.CreateSharedString(append.topic),
                                               append.partition.value(),
                                               static_cast<std::uint32_t>(append.batch->size())));
        return wire::CreatePublish(builder, builder.CreateVector(appends),
                                   static_cast<wire::Durability>(options_.durability));
      },
      std::move(payload));
  // The core itself repeats batches after a lost connection, in order, hence on_loss::fail.
  session.submit({id, std::move(encoded), "", on_loss::fail, false, {}},
                 [weak = weak_from_this(), ticket = frame.ticket](const result<incoming_frame>& answer) {
                   if (const auto self = weak.lock()) self->answered(ticket, answer);
                 });
}

void producer_engine::answered(std::uint64_t ticket, const result<incoming_frame>& answer) {
  const auto now = std::chrono::steady_clock::now();
  if (!answer && (answer.error().code == errc::connection_lost || answer.error().code == errc::closed))
    return;  // lost() or closed() says so for all batches
  {
    const std::lock_guard lock(mutex_);
    const auto* ok = answer ? answer->header->body_as_PublishOk() : nullptr;
    if (ok != nullptr) {
      std::vector<append_outcome> outcomes;
      outcomes.reserve(ok->appended()->size());
      for (const auto* one : *ok->appended()) {
        append_outcome outcome{static_cast<errc>(one->code()),
                               std::string(protocol::text(one->message())),
                               {},
                               one->partitions()};
        if (one->base_offset() >= 0)
          outcome.base_offset = offset(static_cast<std::uint64_t>(one->base_offset()));
        outcomes.push_back(std::move(outcome));
      }
      core_.answered(ticket, outcomes, static_cast<skald::durability>(ok->durability()), now);
    } else if (answer) {
      core_.refused(ticket, {errc::protocol_error, "the broker answered Publish with something else"}, now);
    } else {
      core_.refused(ticket, answer.error(), now);
    }
  }
  pump();
}

}  // namespace skald::detail
