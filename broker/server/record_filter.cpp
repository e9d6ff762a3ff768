#include "broker/server/record_filter.hpp"

#include <algorithm>

namespace skald::server {

namespace {

using bytes_field = flatbuffers::Vector<std::uint8_t>;

std::optional<std::string> copy(const bytes_field* bytes) {
  if (bytes == nullptr) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
}

}  // namespace

bool record_filter::operator()(const protocol::record_view& record) const {
  if (key && record.key != *key) return false;
  if (key_prefix && !(record.key && record.key->starts_with(*key_prefix))) return false;
  return std::ranges::all_of(headers, [&](const header& wanted) {
    return std::any_of(record.headers.begin(), record.headers.end(), [&](const protocol::header_view& one) {
      return one.key == wanted.name && one.value == wanted.value;
    });
  });
}

std::optional<record_filter> read_filter(const wire::RecordFilter* filter) {
  if (filter == nullptr) return std::nullopt;
  record_filter read{copy(filter->key()), copy(filter->key_prefix()), {}};
  const protocol::each headers(filter->headers());
  read.headers.reserve(headers.size());
  for (const wire::HeaderFilter* const one : headers) {
    read.headers.push_back({std::string(protocol::text(one->name())), copy(one->value())});
  }
  if (!read.key && !read.key_prefix && read.headers.empty()) return std::nullopt;
  return read;
}

}  // namespace skald::server
