#include "broker/server/record_selection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "skald/protocol/varint.hpp"

namespace skald::server {

namespace {

// A record's length, attributes and both deltas at their longest.
constexpr std::size_t record_overhead_bytes_max =
    2 * protocol::varint_bytes_max + 1 + protocol::varlong_bytes_max;

}  // namespace

void record_selection::begin(offset from, const selection_limits& limits) {
  builder_.clear();
  offsets_.clear();
  limits_ = limits;
  next_ = from;
}

result<protocol::record_range> record_selection::decode(const protocol::batch_view& batch) {
  protocol::batch_limits limits;
  limits.batch_bytes_max = std::max(limits.batch_bytes_max, batch.size());
  limits.offset_gaps = true;
  auto records = decoder_.check(batch, limits);
  if (!records) {
    return failure{records.error().code, fmt::format("the batch at offset {} cannot be trusted: {}",
                                                     batch.base_offset().value(), records.error().message)};
  }
  return records;
}

// False when it does not fit any more; the next selection begins with it.
bool record_selection::append(const protocol::record_range::iterator& at) {
  const bool fits = builder_.bytes() + at.content().size() + record_overhead_bytes_max <= limits_.bytes_max &&
                    offsets_.size() < limits_.records_max;
  if ((!fits && !offsets_.empty()) || builder_.append_encoded(at.content(), at->timestamp) != errc::ok) {
    next_ = at->offset;
    return false;
  }
  offsets_.push_back(at->offset.value());
  return true;
}

selected_records record_selection::take(block_pool& memory) {
  if (offsets_.empty()) return {};
  const std::span<std::byte> batch = builder_.finish_in_place();
  protocol::patch_base_offset(batch, offset(offsets_.front()), 0);
  auto block = memory.take(batch.size());
  const std::span<std::byte> into = block->bytes().first(batch.size());
  std::ranges::copy(batch, into.begin());
  return {slice(std::move(block), into), std::exchange(offsets_, {})};
}

}  // namespace skald::server
