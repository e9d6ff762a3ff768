#include "broker/server/record_mover.hpp"

#include <algorithm>

namespace skald::server {

namespace {

constexpr std::size_t most_bytes = 512u << 10;

std::uint32_t size_of(const protocol::record_view& record,
                      const std::vector<protocol::header_view>& headers) {
  std::size_t bytes = (record.key ? record.key->size() : 0) + (record.value ? record.value->size() : 0);
  for (const protocol::header_view& one : headers)
    bytes += one.key.size() + (one.value ? one.value->size() : 0);
  return static_cast<std::uint32_t>(bytes);
}

}  // namespace

record_mover::record_mover(queue_host& host, partition_ref from, queue_id queue, std::vector<range> records,
                           rewrite change)
    : host_(host), from_(from), queue_(queue), left_(std::move(records)), rewrite_(std::move(change)) {}

void record_mover::run(progress moved, done finished) {
  moved_ = std::move(moved);
  finished_ = std::move(finished);
  step();
}

void record_mover::step() {
  if (next_ == left_.size()) return finished_({});
  const offset at = left_[next_].first;
  if (batch_ && batch_->holds(at)) return fill();
  auto found = fetch_records(host_, from_, at, 0, [self = shared_from_this()](fetched_records late) {
    self->take(std::move(late));
  });
  if (found) take(std::move(*found));
}

void record_mover::take(fetched_records found) {
  const bool missing = found.batches.empty() || !found.batches.front()->holds(left_[next_].first);
  if (!found.why && missing)
    found.why = {errc::offset_out_of_range,
                 "there is no record at offset " + std::to_string(left_[next_].first.value()) + " to move"};
  if (found.why) return finished_(found.why);
  batch_ = std::move(found.batches.front());
  fill();
}

std::size_t record_mover::chunk_bytes_max(const target& to) const {
  const auto topic = host_.shard->find_topic(to.topic);
  return topic ? std::min<std::size_t>(most_bytes, host_.shard->topic(topic->id).settings.batch_bytes_max)
               : most_bytes;
}

// As many records as go into one command: of one batch, to one target.
void record_mover::fill() {
  while (next_ < left_.size()) {
    range& records = left_[next_];
    if (!batch_->holds(records.first)) break;
    const protocol::record_view& record = batch_->at(records.first);
    collect_headers(record, headers_);
    target to = rewrite_(record, headers_);
    if (builder_.empty()) {
      to_ = std::move(to);
      chunk_bytes_max_ = chunk_bytes_max(to_);
    } else if (to != to_ || builder_.bytes() + protocol::batch_builder::record_bytes_max(
                                                   record.key, record.value, headers_) >
                                chunk_bytes_max_) {
      break;
    }
    if (builder_.append(record.key, record.value, headers_, record.timestamp) != errc::ok) break;
    largest_ = std::max(largest_, size_of(record, headers_));
    if (!taken_.empty() && taken_.back().second == records.first) {
      taken_.back().second += 1;
    } else {
      taken_.emplace_back(records.first, records.first + 1);
    }
    records.first += 1;
    if (records.first == records.second) ++next_;
  }
  flush();
}

void record_mover::flush() {
  shard::append_request append;
  append.topic = to_.topic;
  append.partition = to_.partition;
  append.records = builder_.records();
  append.record_bytes_largest = std::exchange(largest_, 0);
  append.batch = slice::copy_of(builder_.finish());
  append.timestamp_max = protocol::batch_view::parse(append.batch.bytes())->max_timestamp();
  std::vector<shard::queue_range> settled;
  settled.reserve(taken_.size());
  for (const auto& [first, end] : taken_) settled.push_back({queue_, from_.partition, first, end});
  shard::commit_request commit;
  commit.batches = append.batch;
  commit.appends.push_back(std::move(append));
  commit.settled = std::move(settled);
  host_.shard->commit(std::move(commit), [self = shared_from_this()](const shard::commit_result& made) {
    if (made.why) return self->finished_(made.why);
    for (const auto& [first, end] : std::exchange(self->taken_, {})) self->moved_(first, end);
    self->step();
  });
}

}  // namespace skald::server
