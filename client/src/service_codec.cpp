#include "client/src/service_codec.hpp"

#include <vector>

namespace skald::detail {

namespace {

service_statistics decode(const wire::ServiceStatistics& statistics) {
  using std::chrono::microseconds;
  service_statistics is;
  is.requests = statistics.requests();
  is.replies = statistics.replies();
  is.failed = statistics.failed();
  is.lost = statistics.lost();
  is.expired = statistics.expired();
  is.cancelled = statistics.cancelled();
  is.late = statistics.late();
  is.in_flight = statistics.in_flight();
  is.waiting = statistics.waiting();
  is.latency_p50 = microseconds(statistics.latency_p50_us());
  is.latency_p90 = microseconds(statistics.latency_p90_us());
  is.latency_p99 = microseconds(statistics.latency_p99_us());
  is.latency_max = microseconds(statistics.latency_max_us());
  return is;
}

instance_info decode(const wire::InstanceInfo& instance) {
  instance_info is;
  is.id = protocol::text(instance.instance_id());
  is.version = protocol::text(instance.version());
  is.metadata = detail::decode(instance.metadata());
  is.state = static_cast<instance_state>(instance.state());
  is.since = timestamp(milliseconds(instance.since_ms()));
  is.window = instance.window();
  if (instance.statistics() != nullptr) is.statistics = decode(*instance.statistics());
  return is;
}

}  // namespace

void check_count(std::span<const header> headers) {
  if (headers.size() > protocol::properties_max)
    throw error(errc::invalid_request,
                "a request, a reply or an instance has at most " + std::to_string(protocol::properties_max) +
                    " headers or metadata entries, not " + std::to_string(headers.size()));
}

flatbuffers::Offset<wire_properties> encode(flatbuffers::FlatBufferBuilder& builder,
                                            std::span<const header> headers) {
  if (headers.empty()) return 0;
  std::vector<flatbuffers::Offset<wire::Property>> encoded;
  encoded.reserve(headers.size());
  for (const header& one : headers) {
    const auto name = builder.CreateString(one.key);
    encoded.push_back(
        wire::CreateProperty(builder, name, builder.CreateString(one.value.value_or(std::string_view()))));
  }
  return builder.CreateVector(encoded);
}

string_map decode(const wire_properties* headers) {
  string_map decoded;
  for (const wire::Property* one : protocol::each(headers))
    decoded.emplace(protocol::text(one->name()), protocol::text(one->value()));
  return decoded;
}

service_info decode(const wire::ServiceInfo& service) {
  service_info is{std::string(protocol::text(service.subject())), decode(*service.statistics()), {}};
  for (const wire::InstanceInfo* one : protocol::each(service.instances()))
    is.instances.push_back(decode(*one));
  return is;
}

service_event decode(const wire::ServiceEvent& event) {
  return {std::string(protocol::text(event.subject())), decode(*event.instance()), event.initial(),
          std::string(protocol::text(event.reason()))};
}

}  // namespace skald::detail
