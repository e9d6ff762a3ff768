#include "client/src/subscriber_core.hpp"

#include <algorithm>

#include <skald/protocol/error.hpp>

namespace skald::detail {

namespace {
// Credit is returned in parts of this many of the whole, or when nothing is left to receive.
constexpr std::uint64_t credit_parts = 4;
}  // namespace

subscriber_core::subscriber_core(std::string_view topic, const subscribe_options& options)
    : topic_(std::make_shared<const std::string>(topic)),
      start_(options.from),
      chosen_(options.positions.begin(), options.positions.end()),
      credit_bytes_(options.credit_bytes),
      delivery_bytes_max_(options.delivery_bytes_max) {
  if (!options.partitions.empty() && !options.positions.empty())
    throw error(errc::invalid_request,
                "subscribing to topic \"" + *topic_ + "\": give partitions or positions, not both");
  if (credit_bytes_ == 0 || delivery_bytes_max_ == 0)
    throw error(errc::invalid_request, "subscribing to topic \"" + *topic_ +
                                           "\": credit_bytes and delivery_bytes_max must not be 0");
  for (const auto partition : options.partitions) chosen_.push_back({partition, options.from});
}

// ---- attaching -------------------------------------------------------------------------------------------

result<> subscriber_core::described(topic_id id) {
  if (topic_id_ && *topic_id_ != id)
    return failure{errc::unknown_topic, "topic \"" + *topic_ +
                                            "\" was deleted and created anew while there was no connection; "
                                            "subscribe again to read the new one"};
  topic_id_ = id;
  return {};
}

std::uint64_t subscriber_core::free_credit() const {
  // At least one byte, without which nothing could ever be delivered again.
  return credit_bytes_ > queued_bytes_ ? credit_bytes_ - queued_bytes_ : 1;
}

subscriber_core::subscribe_order subscriber_core::begin_attach() {
  credit_due_ = 0;
  if (!ever_attached_) return {chosen_, start_, free_credit()};
  resuming_ = chosen_.empty();
  if (resuming_) return {{}, earliest, 0};
  subscribe_order order{{}, earliest, free_credit()};
  for (const auto& [partition, state] : partitions_)
    order.positions.push_back({partition, state.sought.value_or(start_point(state.next_received))});
  return order;
}

std::optional<subscriber_core::seek_order> subscriber_core::attached(
    const std::vector<partition_offset>& begins) {
  attached_ = ever_attached_ = true;
  last_seek_ = resuming_ ? 1 : 0;
  seek_order order{last_seek_, {}};
  for (auto& [partition, state] : partitions_) {
    state.seek_min = last_seek_;
    order.partitions.push_back({partition, state.sought.value_or(start_point(state.next_received))});
  }
  for (const auto& begin : begins) {
    auto [found, is_new] = partitions_.try_emplace(begin.partition);
    auto& state = found->second;
    if (!is_new && (resuming_ || !state.sought)) continue;  // it goes on where it was
    state.sought.reset();
    state.next_received = state.next_given = begin.offset;
    state.high_watermark = std::max(state.high_watermark, begin.offset);
  }
  if (!resuming_) return std::nullopt;
  return order;
}

void subscriber_core::resumed() {
  resuming_ = false;
  credit_due_ = free_credit();
}

// ---- deliveries ------------------------------------------------------------------------------------------

subscriber_core::partition_state& subscriber_core::state_of(partition_id partition, offset first) {
  auto [found, is_new] = partitions_.try_emplace(partition);
  if (is_new) found->second.next_received = found->second.next_given = first;  // added to the topic just now
  return found->second;
}

void subscriber_core::fail(const failure& why) {
  if (!failed_) failed_ = why;
}

void subscriber_core::delivered(std::uint32_t seek, delivery_facts facts, std::span<const std::byte> payload,
                                std::shared_ptr<const void> owner) {
  const partition_id partition = facts.partition;
  auto& state = state_of(partition, facts.wanted);
  const auto size = payload.size();
  if (seek < state.seek_min || failed_) {
    credit_due_ += size;
    return;
  }
  state.high_watermark = facts.high_watermark;
  facts.topic = topic_;
  facts.wanted = std::max(facts.wanted, state.next_received);
  facts.gap = std::exchange(state.gap, std::nullopt);
  auto batches = received_batches::create(std::move(facts), payload, std::move(owner), decoders_);
  if (!batches) {
    credit_due_ += size;
    return fail(batches.error());
  }
  state.next_received = std::max(state.next_received, (*batches)->end_offset());
  if ((*batches)->count() == 0 && !(*batches)->facts().gap) {
    const bool is_news = (*batches)->end_offset() > (*batches)->facts().wanted;
    if (!is_news || extend_last(partition, state)) {
      credit_due_ += size;
      return;
    }
  }
  queued_bytes_ += size;
  queue_.push_back(*std::move(batches));
}

// Progress without records is told along with what waits of that partition, if anything does.
bool subscriber_core::extend_last(partition_id partition, const partition_state& state) {
  const auto last = std::find_if(queue_.rbegin(), queue_.rend(), [&](const auto& batches) {
    return batches->facts().partition == partition;
  });
  if (last == queue_.rend()) return false;
  (*last)->extend(state.next_received, state.high_watermark);
  return true;
}

void subscriber_core::missed(partition_id partition, offset_gap gap) {
  auto& state = state_of(partition, gap.from);
  if (gap.to <= state.next_received) return;
  gap.from = std::max(gap.from, state.next_received);
  state.next_received = gap.to;
  delivery_facts facts{topic_, partition, gap.to, std::max(state.high_watermark, gap.to), gap.to, gap};
  queue_.push_back(received_batches::create(std::move(facts), {}, {}, decoders_).value());
}

result<records> subscriber_core::take() {
  if (queue_.empty()) return *failed_;
  auto first = std::move(queue_.front());
  queue_.pop_front();
  queued_bytes_ -= first->bytes();
  credit_due_ += first->bytes();
  if (auto verified = first->verify(); !verified) {
    // What comes after is not given out: the caller decides with seek() where to go on.
    for (const auto& later : queue_) credit_due_ += later->bytes();
    queue_.clear();
    queued_bytes_ = 0;
    failed_ = verified.error();
    return *failed_;
  }
  auto& state = partitions_.at(first->facts().partition);
  state.next_given = std::max(state.next_given, first->end_offset());
  return records(std::move(first));
}

std::uint64_t subscriber_core::take_credit() {
  if (!attached_ || resuming_ || credit_due_ == 0) return 0;
  if (credit_due_ < credit_bytes_ / credit_parts && !queue_.empty()) return 0;
  return std::exchange(credit_due_, 0);
}

// ---- seeking ---------------------------------------------------------------------------------------------

result<subscriber_core::seek_order> subscriber_core::seek(const std::vector<partition_start>& to) {
  if (over()) return *failed_;
  for (const auto& one : to)
    if (!partitions_.contains(one.partition))
      return failure{errc::unknown_partition, "this subscription of topic \"" + *topic_ +
                                                  "\" has no partition " +
                                                  std::to_string(one.partition.value())};
  ++last_seek_;
  for (const auto& one : to) {
    auto& state = partitions_.at(one.partition);
    state.seek_min = last_seek_;
    state.sought = one.from;
    state.gap.reset();
    std::erase_if(queue_, [&](const auto& batches) {
      if (batches->facts().partition != one.partition) return false;
      queued_bytes_ -= batches->bytes();
      credit_due_ += batches->bytes();
      return true;
    });
  }
  if (failed_) {
    failed_.reset();
    // Of partitions that stay where they are, what arrived behind the corrupt batch was dropped: fetch it
    // anew.
    auto all = to;
    for (auto& [partition, state] : partitions_) {
      if (state.sought) continue;
      state.seek_min = last_seek_;
      state.sought = start_point(state.next_given);
      all.push_back({partition, *state.sought});
    }
    return seek_order{last_seek_, std::move(all)};
  }
  return seek_order{last_seek_, to};
}

result<subscriber_core::seek_order> subscriber_core::seek_all(start_point to) {
  std::vector<partition_start> all;
  for (const auto& [partition, state] : partitions_) all.push_back({partition, to});
  return seek(all);
}

void subscriber_core::sought(std::uint32_t seek, const std::vector<partition_offset>& begins) {
  for (const auto& begin : begins) {
    const auto found = partitions_.find(begin.partition);
    if (found == partitions_.end() || found->second.seek_min != seek || !found->second.sought) continue;
    found->second.sought.reset();
    found->second.next_received = found->second.next_given = begin.offset;
  }
}

std::vector<partition_start> subscriber_core::seek_failed(std::uint32_t seek) const {
  std::vector<partition_start> back;
  for (const auto& [partition, state] : partitions_)
    if (state.seek_min == seek && state.sought) back.push_back({partition, state.next_given});
  return back;
}

std::vector<partition_position> subscriber_core::positions() const {
  std::vector<partition_position> positions;
  for (const auto& [partition, state] : partitions_)
    positions.push_back({partition, state.next_given, state.high_watermark});
  return positions;
}

}  // namespace skald::detail
