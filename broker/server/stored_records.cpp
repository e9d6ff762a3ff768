#include "broker/server/stored_records.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "skald/protocol/error.hpp"

namespace skald::server {

std::uint64_t key_hash(const std::optional<std::string_view>& key) {
  if (!key) return 0;
  return std::max<std::uint64_t>(std::hash<std::string_view>{}(*key), 1);
}

void collect_headers(const protocol::record_view& record, std::vector<protocol::header_view>& into) {
  into.clear();
  for (const protocol::header_view& one : record.headers) into.push_back(one);
}

result<std::shared_ptr<stored_records>> stored_records::decode(slice batch) {
  std::shared_ptr<stored_records> made(new stored_records(std::move(batch)));
  const auto view = protocol::batch_view::parse(made->batch_.bytes());
  if (!view) return view.error();
  protocol::batch_limits limits;
  limits.batch_bytes_max = limits.record_bytes_max = std::size_t{1} << 30;
  limits.offset_gaps = true;
  const auto records = made->decoder_.check(*view, limits);
  if (!records) return records.error();
  made->records_ = *records;
  made->first_ = view->base_offset();
  made->end_ = view->last_offset() + 1;
  if (records->size() != made->end_ - made->first_) {
    made->offsets_.reserve(records->size());
    for (const protocol::record_view& record : *records) made->offsets_.push_back(record.offset);
  }
  made->next_ = records->begin();
  made->marks_.push_back(made->next_);
  return made;
}

offset stored_records::first_from(offset at) const {
  if (offsets_.empty()) return std::clamp(at, first_, end_);
  const auto found = std::ranges::lower_bound(offsets_, at);
  return found == offsets_.end() ? end_ : *found;
}

void stored_records::collect_gaps(offset from, std::vector<std::pair<offset, offset>>& into) const {
  while (from < end_) {
    const offset held = first_from(from);
    if (held > from) into.emplace_back(from, held);
    from = offsets_.empty() ? end_ : held + 1;
  }
}

std::size_t stored_records::number_of(offset held) const {
  if (offsets_.empty()) return static_cast<std::size_t>(held - first_);
  return static_cast<std::size_t>(std::ranges::lower_bound(offsets_, held) - offsets_.begin());
}

void stored_records::seek(offset to) {
  assert(holds(to));
  const std::size_t number = number_of(to);
  // On from where the last call ended if that is not further than from a mark, as when records go out in
  // order.
  const bool near = next_number_ <= number && number - next_number_ <= mark_every;
  if (!near) {
    const std::size_t known = std::min(number / mark_every, marks_.size() - 1);
    next_ = marks_[known];
    next_number_ = known * mark_every;
  }
  while (next_number_ < number) {
    ++next_;
    ++next_number_;
    if (next_number_ == marks_.size() * mark_every) marks_.push_back(next_);
  }
}

const protocol::record_view& stored_records::at(offset at) {
  seek(at);
  return *next_;
}

offset stored_records::copy(offset from, offset until, std::size_t bytes_max, protocol::batch_builder& to) {
  thread_local std::vector<protocol::header_view> headers;
  const std::uint32_t before = to.records();
  offset at = from;
  while (at < until && holds(at) && (to.records() == before || to.bytes() < bytes_max)) {
    seek(at);
    const protocol::record_view& record = *next_;
    collect_headers(record, headers);
    if (to.append(record.key, record.value, headers, record.timestamp) != errc::ok) break;
    at += 1;
  }
  return at;
}

void stored_records::hash_keys(offset from, std::vector<std::uint64_t>& into) {
  auto record = records_.begin();
  for (offset at = first_; at < end_; at += 1) {
    const bool held = holds(at);
    if (at >= from) into.push_back(held ? key_hash(record->key) : 0);
    if (held) ++record;
  }
}

}  // namespace skald::server
