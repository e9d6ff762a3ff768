#include <skald/producer.hpp>

#include <utility>

#include "client/src/producer_engine.hpp"
#include "client/src/requests.hpp"

namespace skald {

namespace detail {

namespace {

// A publish() under way: completed by whichever comes first of acknowledgement, deadline and cancellation.
class pending_publish : public std::enable_shared_from_this<pending_publish> {
 public:
  pending_publish(std::shared_ptr<producer_engine> engine, completion<published> done)
      : engine_(std::move(engine)), done_(std::move(done)) {}

  void begin(const std::string& topic, owned_message what, timeout limit) {
    std::optional<steady_time> deadline;
    if (limit) {
      deadline = std::chrono::steady_clock::now() + *limit;
      give_up_ = engine_->connection().session().give_up_at(
          *deadline, "publishing to topic \"" + topic + "\"", on_loss::fail,
          [self = shared_from_this()](const result<incoming_frame>& answer) {
            self->finish(answer.error());
          });
    }
    done_.on_cancel([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->finish(failure{errc::cancelled, "publish() was cancelled"});
    });
    engine_->accept_when_possible(
        topic, std::move(what),
        [self = shared_from_this()](const result<published>& outcome) { self->finish(outcome); },
        [self = shared_from_this()](const std::exception_ptr& refused) {
          if (refused && self->done_) self->close_with(refused);
        },
        deadline);
    engine_->connection().kick();
  }

 private:
  void finish(const result<published>& outcome) {
    if (!done_) return;
    if (!outcome) return close_with(exception_of(outcome.error()));
    forget_deadline();
    done_.succeed(*outcome);
  }
  void close_with(const std::exception_ptr& why) {
    forget_deadline();
    done_.fail(why);
  }
  void forget_deadline() {
    if (const auto id = std::exchange(give_up_, 0); id != 0) engine_->connection().session().forget(id);
  }

  std::shared_ptr<producer_engine> engine_;
  completion<published> done_;
  std::uint64_t give_up_ = 0;
};

}  // namespace

operation<published> make_publish(std::shared_ptr<producer_engine> engine, std::string_view topic,
                                  const message& what, timeout limit) {
  const auto executor = engine->get_executor();
  return {executor, [engine = std::move(engine), topic = std::string(topic), what = owned_message(what),
                     limit](completion<published> done) mutable {
            std::make_shared<pending_publish>(engine, std::move(done))->begin(topic, std::move(what), limit);
          }};
}

}  // namespace detail

producer::producer(client& broker, producer_options options)
    : engine_(detail::producer_engine::create(broker.connection_, options)) {}

producer::~producer() {
  if (!engine_) return;
  engine_->on_delivery({});
  close();
}

producer::producer(producer&&) noexcept = default;

producer& producer::operator=(producer&& other) noexcept {
  if (engine_ && this != &other) close();
  engine_ = std::move(other.engine_);
  return *this;
}

bool producer::try_send(std::string_view topic, const message& what) {
  return engine_->try_accept(topic, what);
}

detail::operation<> producer::prepare_send(std::string_view topic, const message& what) {
  return {engine_->get_executor(), [engine = engine_, topic = std::string(topic),
                                    what = detail::owned_message(what)](detail::completion<> done) mutable {
            auto shared = std::make_shared<detail::completion<>>(std::move(done));
            // Cancelling stops the waiting, not the record.
            shared->on_cancel([shared] {
              if (*shared) shared->fail(detail::exception_of({errc::cancelled, "send() was cancelled"}));
            });
            engine->accept_when_possible(topic, std::move(what), {},
                                         [shared](const std::exception_ptr& refused) {
                                           if (*shared) shared->complete(refused);
                                         });
          }};
}

detail::operation<published> producer::prepare_publish(std::string_view topic, const message& what) {
  return detail::make_publish(engine_, topic, what, {});
}

detail::operation<> producer::prepare_flush(call_options options) {
  return {engine_->get_executor(), [engine = engine_, options](detail::completion<> done) {
            auto& session = engine->connection().session();
            auto shared = std::make_shared<detail::completion<>>(std::move(done));
            // Batches live no longer than delivery_timeout, so that a flush ends by itself.
            std::uint64_t give_up = 0;
            if (options.timeout)
              give_up = session.give_up_at(engine->connection().deadline(options.timeout),
                                           "flushing a producer", detail::on_loss::fail,
                                           [shared](const result<detail::incoming_frame>& answer) {
                                             if (*shared) shared->fail(detail::exception_of(answer.error()));
                                           });
            shared->on_cancel([shared] {
              if (*shared) shared->fail(detail::exception_of({errc::cancelled, "flush() was cancelled"}));
            });
            engine->flush([shared, engine, give_up](const std::exception_ptr& why) {
              engine->connection().session().forget(give_up);
              if (*shared) shared->complete(why);
            });
            engine->connection().kick();
          }};
}

void producer::on_delivery(std::function<void(const delivery_report&)> callback) {
  engine_->on_delivery(std::move(callback));
}

producer_statistics producer::statistics() const {
  return engine_->statistics();
}

void producer::close() {
  engine_->abandon({errc::closed, "the producer was closed"});
}

}  // namespace skald
