#include "broker/server/service_peer.hpp"

#include <algorithm>
#include <utility>

#include "broker/server/session.hpp"

namespace skald::server {

using builder = flatbuffers::FlatBufferBuilder;
using delivery::milliseconds;

namespace {

using wire_properties = flatbuffers::Vector<flatbuffers::Offset<wire::Property>>;

delivery::properties read(const wire_properties* list) {
  delivery::properties properties;
  properties.reserve(protocol::each(list).size());
  for (const wire::Property* one : protocol::each(list)) {
    properties.emplace_back(protocol::text(one->name()), protocol::text(one->value()));
  }
  return properties;
}

// Null without any, which is the usual case.
flatbuffers::Offset<wire_properties> write_properties(builder& to, const delivery::properties& list) {
  if (list.empty()) return 0;
  std::vector<flatbuffers::Offset<wire::Property>> properties;
  properties.reserve(list.size());
  for (const auto& [name, value] : list) {
    const auto key = to.CreateString(name);
    properties.push_back(wire::CreateProperty(to, key, to.CreateString(value)));
  }
  return to.CreateVector(properties);
}

flatbuffers::Offset<flatbuffers::String> write_text(builder& to, const std::string& text) {
  return text.empty() ? 0 : to.CreateString(text);
}

flatbuffers::Offset<wire::ServiceStatistics> write_statistics(builder& to,
                                                              const delivery::service_statistics& is) {
  const auto number = [](std::chrono::microseconds time) { return static_cast<std::uint64_t>(time.count()); };
  return wire::CreateServiceStatistics(to, is.requests, is.replies, is.failed, is.lost, is.expired,
                                       is.cancelled, is.late, is.in_flight, is.waiting, number(is.p50),
                                       number(is.p90), number(is.p99), number(is.max));
}

flatbuffers::Offset<wire::InstanceInfo> write_instance(builder& to, const delivery::instance_snapshot& is,
                                                       bool with_statistics) {
  const auto id = to.CreateString(is.id);
  const auto version = write_text(to, is.version);
  const auto metadata = write_properties(to, is.metadata);
  const auto statistics = with_statistics ? write_statistics(to, is.statistics) : 0;
  const auto now = std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
  return wire::CreateInstanceInfo(to, id, version, metadata, static_cast<wire::InstanceState>(is.state),
                                  (now - is.age).time_since_epoch().count(), is.window, statistics);
}

std::uint32_t whole(milliseconds time) {
  return static_cast<std::uint32_t>(time.count());
}

}  // namespace

void service_peer::clear() {
  const delivery::peer_id gone = std::exchange(id_, {});
  if (gone != delivery::peer_id()) session_.host().services.leave(gone);
}

service_port::asker service_peer::asker(std::uint64_t id) {
  if (id_ == delivery::peer_id()) id_ = session_.host().services.join(*this);
  return {id_, id};
}

void service_peer::stop() {
  if (id_ != delivery::peer_id()) session_.host().services.stop(id_);
}

// ---- what the client asks --------------------------------------------------------------------------------

void service_peer::request(std::uint64_t id, const wire::Request& message, slice payload) {
  session_.host().services.request(asker(id), protocol::text(message.subject()),
                                   milliseconds(message.timeout_ms()),
                                   {read(message.headers()), std::move(payload)});
}

void service_peer::request_all(std::uint64_t id, const wire::RequestAll& message, slice payload) {
  session_.host().services.request_all(
      asker(id), protocol::text(message.subject()), milliseconds(message.timeout_ms()),
      {read(message.headers()), std::move(payload)}, {message.replies_max(), message.ping()});
}

void service_peer::cancel(const wire::CancelRequest& message) {
  session_.host().services.cancel(asker(message.request()));
}

void service_peer::serve(std::uint64_t id, const wire::Serve& message) {
  delivery::registration what;
  what.responder = message.responder();
  what.subject = protocol::text(message.subject());
  what.instance_id = protocol::text(message.instance_id());
  what.version = protocol::text(message.version());
  what.metadata = read(message.metadata());
  what.window = message.window();
  what.heartbeat = milliseconds(message.heartbeat_ms());
  session_.host().services.serve(asker(id), std::move(what));
}

void service_peer::unserve(std::uint64_t id, const wire::Unserve& message) {
  session_.host().services.unserve(asker(id), message.responder());
}

void service_peer::drain(std::uint64_t id, const wire::Drain& message) {
  session_.host().services.drain(asker(id), message.responder());
}

void service_peer::heartbeat(const wire::Heartbeat& message) {
  session_.host().services.heartbeat(asker(0).peer, message.responder());
}

void service_peer::respond(std::uint64_t id, const wire::Respond& message, slice payload) {
  delivery::response what;
  what.content = {read(message.headers()), std::move(payload)};
  what.failed = message.failed();
  what.code = message.code();
  what.message = protocol::text(message.message());
  session_.host().services.respond(asker(id), delivery::correlation_id(message.correlation()),
                                   std::move(what));
}

void service_peer::list(std::uint64_t id, const wire::ListServices& message) {
  // With the most metadata that an instance may have, in as many entries, so many fit into a header.
  constexpr std::uint32_t page_max = 100;
  const std::uint32_t limit = message.limit() == 0 ? page_max : std::min(message.limit(), page_max);
  session_.host().services.list(
      {std::string(protocol::text(message.subject())), std::string(protocol::text(message.after_subject())),
       std::string(protocol::text(message.after_instance())), limit},
      [request = session_.open(id)](const delivery::service_page& page) {
        request.answer([&](builder& to) {
          std::vector<flatbuffers::Offset<wire::ServiceInfo>> services;
          services.reserve(page.services.size());
          for (const delivery::service_snapshot& of : page.services) {
            std::vector<flatbuffers::Offset<wire::InstanceInfo>> instances;
            instances.reserve(of.instances.size());
            for (const auto& one : of.instances) instances.push_back(write_instance(to, one, true));
            const auto all = to.CreateVector(instances);
            const auto subject = to.CreateString(of.subject);
            services.push_back(
                wire::CreateServiceInfo(to, subject, write_statistics(to, of.statistics), all));
          }
          return wire::CreateListServicesOk(to, to.CreateVector(services), page.more);
        });
      });
}

void service_peer::watch(std::uint64_t id, const wire::WatchServices& message) {
  session_.host().services.watch(asker(id), message.watch(), protocol::text(message.subject()));
}

void service_peer::unwatch(std::uint64_t id, const wire::UnwatchServices& message) {
  session_.host().services.unwatch(asker(id), message.watch());
}

// ---- what the registry says ------------------------------------------------------------------------------

void service_peer::happened(delivery::service_effect&& what) {
  std::visit([this](auto&& one) { write(std::forward<decltype(one)>(one)); }, std::move(what));
}

void service_peer::write(delivery::effect::deliver&& what) {
  session_.send(
      0,
      [&](builder& to) {
        const auto headers = write_properties(to, what.what.headers);
        return wire::CreateRequestDelivery(to, what.responder, what.correlation.value(), headers,
                                           whole(what.left), what.ping);
      },
      std::move(what.what.payload));
}

void service_peer::write(const delivery::effect::cancel& what) {
  session_.send(0, [&](builder& to) {
    return wire::CreateRequestCancelled(to, what.responder, what.correlation.value());
  });
}

// A caller that asks for more than it reads would have the broker keep the replies.
bool service_peer::takes_too_slowly(std::size_t bytes_coming) const {
  constexpr std::size_t kept_factor = 8;
  return session_.output().bytes() + bytes_coming > kept_factor * session_.host().settings.output_bytes_max;
}

void service_peer::write(delivery::effect::reply&& what) {
  if (takes_too_slowly(what.what.content.payload.size())) {
    return session_.send_error(what.request, errc::overloaded,
                               "the reply was dropped: this connection takes its replies too slowly");
  }
  session_.send(
      what.request,
      [&](builder& to) {
        const auto instance = to.CreateString(*what.instance);
        const auto headers = write_properties(to, what.what.content.headers);
        const auto message = write_text(to, what.what.message);
        return wire::CreateReply(to, instance, headers, what.what.failed, what.what.code, message);
      },
      std::move(what.what.content.payload));
}

void service_peer::write(delivery::effect::partial_reply&& what) {
  if (takes_too_slowly(what.what.content.payload.size())) {
    what.error = errc::overloaded;
    what.what = {};
    what.what.message = "the reply was dropped: this connection takes its replies too slowly";
  }
  session_.send(
      0,
      [&](builder& to) {
        const auto instance = to.CreateString(*what.instance);
        const auto headers = write_properties(to, what.what.content.headers);
        const auto message = write_text(to, what.what.message);
        return wire::CreatePartialReply(to, what.request, instance, headers,
                                        static_cast<std::uint16_t>(what.error), what.what.code, message);
      },
      std::move(what.what.content.payload));
}

void service_peer::write(const delivery::effect::gathered& what) {
  session_.send(what.request,
                [&](builder& to) { return wire::CreateRequestAllOk(to, what.asked, what.replied); });
}

void service_peer::write(const delivery::effect::unanswered& what) {
  session_.send_error(what.request, what.code, what.why);
}

void service_peer::write(const delivery::effect::serving& what) {
  session_.send(what.request, [&](builder& to) {
    return wire::CreateServeOk(to, to.CreateString(*what.instance), what.window, whole(what.heartbeat));
  });
}

void service_peer::write(const delivery::effect::done& what) {
  session_.send(what.request, [](builder& to) { return wire::CreateOk(to); });
}

void service_peer::write(const delivery::effect::refused& what) {
  session_.send_error(what.request, what.code, what.why);
}

void service_peer::write(const delivery::effect::responder_ended& what) {
  session_.send(0, [&](builder& to) {
    return wire::CreateResponderNotice(to, what.responder, static_cast<std::uint16_t>(what.code),
                                       to.CreateString(what.why));
  });
}

void service_peer::write(const delivery::effect::changed& what) {
  if (takes_too_slowly(0)) {
    // Not now: the registry is in the middle of telling.
    return session_.host().runs_on.post([weak = session_.weak_from_this()] {
      const auto alive = weak.lock();
      if (alive && !alive->finished())
        alive->hang_up(errc::overloaded, "this connection does not read the events that it asked for");
    });
  }
  session_.send(0, [&](builder& to) {
    const auto subject = to.CreateString(what.what->subject);
    const auto instance = write_instance(to, what.what->instance, false);
    const auto reason = write_text(to, what.what->reason);
    return wire::CreateServiceEvent(to, what.watch, subject, instance, what.what->initial, reason);
  });
}

}  // namespace skald::server
