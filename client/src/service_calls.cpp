// The client's operations on services.
#include <skald/client.hpp>

#include <algorithm>
#include <limits>
#include <utility>

#include "client/src/connection.hpp"
#include "client/src/requests.hpp"
#include "client/src/responder_engine.hpp"
#include "client/src/service_codec.hpp"
#include "client/src/service_watcher.hpp"

namespace skald {

using detail::incoming_frame;
using detail::on_loss;
using flatbuffers::FlatBufferBuilder;

namespace {

// The broker gives up a little earlier than the client, because it knows better why.
std::uint32_t broker_timeout_ms(milliseconds timeout) {
  constexpr milliseconds lead_max{100};
  constexpr std::int64_t longest = std::numeric_limits<std::uint32_t>::max();
  const milliseconds earlier = timeout - std::min(timeout / 20, lead_max);
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(earlier.count(), 1, longest));
}

void send_cancel(detail::connection& through, std::uint64_t request) {
  auto& session = through.session();
  session.send(session.encode(session.next_id(),
                              [&](auto& builder) { return wire::CreateCancelRequest(builder, request); }));
  through.kick();
}

std::string asking(std::string_view subject) {
  return "requesting \"" + std::string(subject) + "\"";
}

void complete(detail::completion<reply>& done, const result<incoming_frame>& answer) {
  if (!answer) return done.fail(detail::exception_of(answer.error()));
  const auto* said = answer->header->body_as_Reply();
  if (said == nullptr) return done.fail(detail::exception_of(detail::unexpected_answer("expected Reply")));
  std::string instance(protocol::text(said->instance_id()));
  if (said->failed()) {
    return done.fail(std::make_exception_ptr(
        responder_error(said->code(), std::string(protocol::text(said->message())), std::move(instance))));
  }
  done.succeed({detail::text_of(answer->payload), std::move(instance), detail::decode(said->headers())});
}

}  // namespace

detail::operation<reply> client::prepare_request(std::string_view subject, std::string_view body,
                                                 request_options options) {
  detail::check_count(options.headers);
  auto& session = connection_->session();
  const auto id = session.next_id();
  const milliseconds limit = options.timeout.value_or(connection_->default_timeout());
  auto frame = session.encode_copy(
      id,
      [&](FlatBufferBuilder& builder) {
        const auto name = builder.CreateString(subject);
        const auto headers = detail::encode(builder, options.headers);
        return wire::CreateRequest(builder, name, headers, broker_timeout_ms(limit));
      },
      body);
  return {connection_->get_executor(), [through = connection_, id, limit, what = asking(subject),
                                        frame = std::move(frame)](detail::completion<reply> done) mutable {
            auto shared = std::make_shared<detail::completion<reply>>(std::move(done));
            shared->on_cancel([weak = std::weak_ptr(through), shared, id] {
              if (const auto alive = weak.lock()) {
                alive->session().forget(id);
                send_cancel(*alive, id);
              }
              if (*shared) shared->fail(detail::exception_of({errc::cancelled, "request() was cancelled"}));
            });
            through->session().submit(
                {id, std::move(frame), std::move(what), on_loss::fail, true, through->deadline(limit)},
                [shared](const result<incoming_frame>& answer) { complete(*shared, answer); });
            through->kick();
          }};
}

// ---- asking all ------------------------------------------------------------------------------------------

namespace {

// Collects what the instances say until the broker says that it was all.
class gathering : public std::enable_shared_from_this<gathering> {
 public:
  gathering(std::shared_ptr<detail::connection> through, detail::completion<std::vector<instance_reply>> done)
      : connection_(std::move(through)), done_(std::move(done)), began_(std::chrono::steady_clock::now()) {}

  void begin(detail::request what) {
    id_ = what.id;
    connection_->route(id_, [self = shared_from_this()](const incoming_frame& frame) { self->add(frame); });
    done_.on_cancel([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->cancel();
    });
    connection_->session().submit(
        std::move(what),
        [self = shared_from_this()](const result<incoming_frame>& answer) { self->finish(answer); });
    connection_->kick();
  }

 private:
  void add(const incoming_frame& frame) {
    const auto* said = frame.header->body_as_PartialReply();
    if (said == nullptr) return;
    instance_reply one;
    one.instance = protocol::text(said->instance_id());
    one.code = static_cast<errc>(said->error());
    one.body = detail::text_of(frame.payload);
    one.headers = detail::decode(said->headers());
    one.responder_code = said->code();
    one.message = protocol::text(said->message());
    one.took =
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - began_);
    replies_.push_back(std::move(one));
  }
  void finish(const result<incoming_frame>& answer) {
    connection_->route(id_, {});
    if (!answer) return done_.fail(detail::exception_of(answer.error()));
    if (answer->header->body_as_RequestAllOk() == nullptr)
      return done_.fail(detail::exception_of(detail::unexpected_answer("expected RequestAllOk")));
    done_.succeed(std::move(replies_));
  }
  void cancel() {
    const auto kept = shared_from_this();  // the request's handler is another owner
    connection_->session().forget(id_);
    connection_->route(id_, {});
    send_cancel(*connection_, id_);
    if (done_) done_.fail(detail::exception_of({errc::cancelled, "request_all() was cancelled"}));
  }

  std::shared_ptr<detail::connection> connection_;
  detail::completion<std::vector<instance_reply>> done_;
  const std::chrono::steady_clock::time_point began_;
  std::uint64_t id_ = 0;
  std::vector<instance_reply> replies_;
};

}  // namespace

detail::operation<std::vector<instance_reply>> client::prepare_request_all(std::string_view subject,
                                                                           std::string_view body,
                                                                           request_all_options options) {
  detail::check_count(options.headers);
  auto& session = connection_->session();
  const auto id = session.next_id();
  const milliseconds limit = options.timeout.value_or(connection_->default_timeout());
  auto frame = session.encode_copy(
      id,
      [&](FlatBufferBuilder& builder) {
        const auto name = builder.CreateString(subject);
        const auto headers = detail::encode(builder, options.headers);
        return wire::CreateRequestAll(builder, name, headers, broker_timeout_ms(limit), options.replies_max,
                                      options.ping);
      },
      body);
  return {
      connection_->get_executor(),
      [through = connection_, id, limit, what = asking(subject),
       frame = std::move(frame)](detail::completion<std::vector<instance_reply>> done) mutable {
        std::make_shared<gathering>(through, std::move(done))
            ->begin({id, std::move(frame), std::move(what), on_loss::fail, true, through->deadline(limit)});
      }};
}

// ---- answering and discovery -----------------------------------------------------------------------------

detail::operation<responder> client::prepare_serve(std::string_view subject, serve_options options) {
  auto engine = std::make_shared<detail::responder_engine>(connection_, subject, options);
  return {connection_->get_executor(), [engine, limit = options.timeout](detail::completion<responder> done) {
            engine->start(engine->connection().deadline(limit), std::move(done));
          }};
}

detail::operation<service_watch> client::prepare_watch_services(watch_services_options options) {
  auto watcher = std::make_shared<detail::service_watcher>(connection_, options.subject);
  return {connection_->get_executor(),
          [watcher, limit = options.timeout](detail::completion<service_watch> done) {
            watcher->start(watcher->connection().deadline(limit), std::move(done));
          }};
}

// A service may go over several pages.
detail::operation<std::vector<service_info>> client::prepare_list_services(list_services_options options) {
  using services = std::vector<service_info>;
  return detail::make_paged_call<services>(
      connection_, "listing services", options.timeout,
      [subject = std::string(options.subject)](detail::session& session, std::uint64_t id,
                                               const services& before) {
        return session.encode(id, [&](FlatBufferBuilder& builder) {
          const std::string_view after = before.empty() ? std::string_view() : before.back().subject;
          const std::string_view instance =
              before.empty() ? std::string_view() : before.back().instances.back().id;
          const auto of = builder.CreateString(subject);
          const auto after_subject = builder.CreateString(after);
          return wire::CreateListServices(builder, of, after_subject, builder.CreateString(instance));
        });
      },
      [](const incoming_frame& answer, services& into) -> result<bool> {
        const auto* ok = answer.header->body_as_ListServicesOk();
        if (ok == nullptr) return detail::unexpected_answer("expected ListServicesOk");
        for (const auto* one : protocol::each(ok->services())) {
          service_info service = detail::decode(*one);
          if (service.instances.empty()) continue;
          if (!into.empty() && into.back().subject == service.subject) {
            std::ranges::move(service.instances, std::back_inserter(into.back().instances));
          } else {
            into.push_back(std::move(service));
          }
        }
        return ok->more() && !protocol::each(ok->services()).empty();
      });
}

}  // namespace skald
