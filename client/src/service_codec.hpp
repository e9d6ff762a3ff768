// Between the public types of service.hpp and their wire form.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <skald/service.hpp>
#include "protocol/wire.hpp"

namespace skald::detail {

using wire_properties = flatbuffers::Vector<flatbuffers::Offset<wire::Property>>;

// Throws skald::error (invalid_request) when there are more than a message may have.
void check_count(std::span<const header> headers);
// Null without any.
flatbuffers::Offset<wire_properties> encode(flatbuffers::FlatBufferBuilder& builder,
                                            std::span<const header> headers);
string_map decode(const wire_properties* headers);
service_info decode(const wire::ServiceInfo& service);
service_event decode(const wire::ServiceEvent& event);

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace skald::detail
