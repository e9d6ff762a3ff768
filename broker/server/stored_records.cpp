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
  const auto records = made->decoder_.check(*view, limits);
  if (!records) return records.error();
  made->records_ = *records;
  made->first_ = made->next_at_ = view->base_offset();
  made->next_ = records->begin();
  made->marks_.push_back(made->next_);
  return made;
}

void stored_records::seek(offset to) {
  assert(holds(to));
  const auto mark = static_cast<std::size_t>((to - first_) / mark_every);
  // On from where the last call ended if that is not further than from a mark, as when records go out in
  // order.
  const bool near = next_at_ <= to && to - next_at_ <= mark_every;
  if (!near) {
    const std::size_t known = std::min(mark, marks_.size() - 1);
    next_ = marks_[known];
    next_at_ = first_ + known * mark_every;
  }
  while (next_at_ < to) {
    ++next_;
    next_at_ += 1;
    if ((next_at_ - first_) == marks_.size() * mark_every) marks_.push_back(next_);
  }
}

const protocol::record_view& stored_records::at(offset at) {
  seek(at);
  return *next_;
}

offset stored_records::copy(offset from, offset until, std::size_t bytes_max, protocol::batch_builder& to) {
  thread_local std::vector<protocol::header_view> headers;
  until = std::min(until, end());
  const std::uint32_t before = to.records();
  offset at = from;
  while (at < until && (to.records() == before || to.bytes() < bytes_max)) {
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
  for (offset at = first_; at < end(); at += 1, ++record)
    if (at >= from) into.push_back(key_hash(record->key));
}

}  // namespace skald::server
