#include "broker/server/record_filter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace skald::server {

namespace {

constexpr std::size_t filter_bytes_max = 64u << 10;

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

result<std::optional<record_filter>> read_filter(const wire::RecordFilter* filter) {
  if (filter == nullptr) return std::optional<record_filter>();
  record_filter read{copy(filter->key()), copy(filter->key_prefix()), {}};
  std::size_t bytes = read.key.value_or("").size() + read.key_prefix.value_or("").size();
  const protocol::each headers(filter->headers());
  read.headers.reserve(headers.size());
  for (const wire::HeaderFilter* const one : headers) {
    read.headers.push_back({std::string(protocol::text(one->name())), copy(one->value())});
    bytes += read.headers.back().name.size() + read.headers.back().value.value_or("").size();
  }
  if (bytes > filter_bytes_max) {
    return failure{errc::invalid_request,
                   fmt::format("a filter has at most {} bytes; this one has {}", filter_bytes_max, bytes)};
  }
  if (read.key && read.key_prefix && !read.key->starts_with(*read.key_prefix)) {
    return failure{
        errc::invalid_request,
        "the filter's key does not begin with its key prefix: no record can match; give one of them"};
  }
  if (!read.key && !read.key_prefix && read.headers.empty()) return std::optional<record_filter>();
  return std::optional(std::move(read));
}

filtered_run filter_run(const record_filter& filter, record_selection& selection,
                        const shard::read_plan& plan, const batch_run& run, const slice& bytes, offset from,
                        std::size_t bytes_max, block_pool& memory) {
  selection.begin(from, {.bytes_max = bytes_max});
  const auto added = selection.add(bytes.bytes(), filter);
  const bool all_seen = added && *added;
  if (!added && selection.next() == from) {
    const shard::stored_batch& damaged = plan.batches[run.first];
    return {{bytes.sub(0, damaged.at.bytes), {}}, damaged.base_offset + damaged.records};
  }
  const offset next = all_seen ? after(plan, run) : selection.next();
  if (all_seen && selection.size() == selection.next() - from) return {{bytes, {}}, next};
  return {selection.take(memory), next};
}

}  // namespace skald::server
