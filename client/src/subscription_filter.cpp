#include "client/src/subscription_filter.hpp"

#include <skald/protocol/error.hpp>

namespace skald::detail {

namespace {

using flatbuffers::FlatBufferBuilder;

flatbuffers::Offset<flatbuffers::Vector<std::uint8_t>> encode_bytes(FlatBufferBuilder& builder,
                                                                    const std::optional<std::string>& bytes) {
  if (!bytes) return 0;
  return builder.CreateVector(reinterpret_cast<const std::uint8_t*>(bytes->data()), bytes->size());
}

}  // namespace

subscription_filter::subscription_filter(const record_filter& filter)
    : key_(filter.key), key_prefix_(filter.key_prefix) {
  if (filter.headers.size() > protocol::filter_headers_max)
    throw error(errc::invalid_request, "a filter can have " + std::to_string(protocol::filter_headers_max) +
                                           " headers, not " + std::to_string(filter.headers.size()));
  headers_.reserve(filter.headers.size());
  for (const auto& one : filter.headers)
    headers_.push_back({std::string(one.key), std::optional<std::string>(one.value)});
}

flatbuffers::Offset<wire::RecordFilter> subscription_filter::encode(FlatBufferBuilder& builder) const {
  if (!key_ && !key_prefix_ && headers_.empty()) return 0;
  std::vector<flatbuffers::Offset<wire::HeaderFilter>> headers;
  headers.reserve(headers_.size());
  for (const header& one : headers_) {
    const auto name = builder.CreateString(one.name);
    headers.push_back(wire::CreateHeaderFilter(builder, name, encode_bytes(builder, one.value)));
  }
  const auto list = builder.CreateVector(headers);
  const auto key = encode_bytes(builder, key_);
  const auto prefix = encode_bytes(builder, key_prefix_);
  return wire::CreateRecordFilter(builder, key, prefix, list);
}

}  // namespace skald::detail
