#include "client/src/subscriber_core.hpp"

#include <algorithm>
#include <set>

#include <skald/protocol/error.hpp>
#include <skald/protocol/topic_pattern.hpp>
#include "protocol/wire.hpp"

namespace skald::detail {

namespace {

// Credit is returned in parts of this many of the whole, or when nothing is left to receive.
constexpr std::uint64_t credit_parts = 4;

topic_partition place_of(const delivery_facts& facts) {
  return {facts.topic_is, facts.partition};
}

}  // namespace

subscriber_core::subscriber_core(std::string_view topic, const subscribe_options& options)
    : topic_(std::make_shared<const std::string>(topic)),
      start_(options.from),
      credit_bytes_(options.credit_bytes),
      delivery_bytes_max_(options.delivery_bytes_max),
      member_(!options.group.empty()) {
  if (!options.partitions.empty() && !options.positions.empty())
    throw error(errc::invalid_request,
                "subscribing to topic \"" + *topic_ + "\": give partitions or positions, not both");
  if (credit_bytes_ == 0 || delivery_bytes_max_ == 0)
    throw error(errc::invalid_request, "subscribing to topic \"" + *topic_ +
                                           "\": credit_bytes and delivery_bytes_max must not be 0");
  if (protocol::is_pattern(*topic_) && !(options.partitions.empty() && options.positions.empty()))
    throw error(errc::invalid_request, "subscribing to the pattern \"" + *topic_ +
                                           "\": partitions and positions are of one topic; name it");
  if (member_ && !(options.partitions.empty() && options.positions.empty()))
    throw error(errc::invalid_request, "subscribing to \"" + *topic_ + "\" as a member of group \"" +
                                           std::string(options.group) +
                                           "\": the group says which partitions; give none");
  for (const auto partition : options.partitions) chosen_.push_back({{{}, partition}, options.from});
  for (const auto& one : options.positions) chosen_.push_back({{{}, one.partition}, one.from});
}

// ---- attaching -------------------------------------------------------------------------------------------

std::uint64_t subscriber_core::free_credit() const {
  // At least one byte, without which nothing could ever be delivered again.
  return credit_bytes_ > queued_bytes_ ? credit_bytes_ - queued_bytes_ : 1;
}

subscriber_core::subscribe_order subscriber_core::begin_attach() {
  credit_due_ = 0;
  if (member_) {
    // What has not been given out comes again, to whoever is to have it.
    queue_.clear();
    queued_bytes_ = 0;
    subscribe_order claims{{}, true, start_, free_credit()};
    for (const auto& [of, state] : partitions_) {
      if (claims.positions.size() == protocol::partitions_max) break;
      claims.positions.push_back({of, start_point(state.next_given)});
    }
    return claims;
  }
  subscribe_order order{{}, chosen_.empty(), start_, free_credit()};
  if (!ever_attached_) {
    order.positions = chosen_;
    return order;
  }
  // Whatever came while there was no connection is new.
  order.start = earliest;
  for (const auto& [of, state] : partitions_)
    order.positions.push_back({of, state.sought.value_or(start_point(state.next_received))});
  return order;
}

void subscriber_core::attached(const std::vector<named_topic>& topics,
                               const std::vector<placed_offset>& begins) {
  attached_ = ever_attached_ = true;
  last_seek_ = 0;
  std::set<topic_partition> present;
  for (const auto& at : begins) present.insert(at.of);
  std::erase_if(partitions_, [&](const auto& entry) { return !present.contains(entry.first); });
  remember(topics);
  for (const auto& at : begins) begin(at);
}

void subscriber_core::begin(const placed_offset& at) {
  auto [found, is_new] = partitions_.try_emplace(at.of);
  auto& state = found->second;
  state.seek_min = last_seek_;
  if (is_new || state.sought) {
    state.sought.reset();
    state.next_received = state.next_given = at.offset;
    state.high_watermark = std::max(state.high_watermark, at.offset);
  } else if (at.offset > state.next_received) {
    missed(at.of, {state.next_received, at.offset});  // retention removed it while there was no connection
  }
}

void subscriber_core::remember(const std::vector<named_topic>& topics) {
  for (const auto& topic : topics)
    if (auto& name = names_[topic.id]; !name) name = std::make_shared<const std::string>(topic.name);
}

std::shared_ptr<const std::string> subscriber_core::name_of(topic_id topic) const {
  const auto found = names_.find(topic);
  return found == names_.end() ? topic_ : found->second;
}

// ---- partitions that come and go -------------------------------------------------------------------------

void subscriber_core::joined(const std::vector<named_topic>& topics,
                             const std::vector<placed_offset>& begins) {
  remember(topics);
  for (const auto& at : begins) begin(at);
}

void subscriber_core::left(const std::vector<topic_partition>& gone) {
  for (const auto& of : gone) {
    partitions_.erase(of);
    if (member_) drop_queued(of);
  }
}

// ---- deliveries ------------------------------------------------------------------------------------------

void subscriber_core::fail(const failure& why) {
  if (!failed_) failed_ = why;
}

void subscriber_core::delivered(std::uint32_t seek, delivery_facts facts, std::span<const std::byte> payload,
                                std::shared_ptr<const void> owner) {
  const topic_partition of = place_of(facts);
  const auto found = partitions_.find(of);
  const auto size = payload.size();
  if (found == partitions_.end() || seek < found->second.seek_min || failed_) {
    credit_due_ += size;
    return;
  }
  auto& state = found->second;
  state.high_watermark = facts.high_watermark;
  facts.topic = name_of(facts.topic_is);
  facts.wanted = std::max(facts.wanted, state.next_received);
  auto batches = received_batches::create(std::move(facts), payload, std::move(owner), decoders_);
  if (!batches) {
    credit_due_ += size;
    return fail(batches.error());
  }
  state.next_received = std::max(state.next_received, (*batches)->end_offset());
  if ((*batches)->count() == 0) {
    const bool is_news = (*batches)->end_offset() > (*batches)->facts().wanted;
    if (!is_news || extend_last(of, state)) {
      credit_due_ += size;
      return;
    }
  }
  queued_bytes_ += size;
  queue_.push_back(*std::move(batches));
}

// Progress without records is told along with what waits of that partition, if anything does.
bool subscriber_core::extend_last(const topic_partition& of, const partition_state& state) {
  const auto last = std::find_if(queue_.rbegin(), queue_.rend(),
                                 [&](const auto& batches) { return place_of(batches->facts()) == of; });
  if (last == queue_.rend()) return false;
  (*last)->extend(state.next_received, state.high_watermark);
  return true;
}

void subscriber_core::missed(const topic_partition& of, offset_gap gap) {
  const auto found = partitions_.find(of);
  if (found == partitions_.end() || gap.to <= found->second.next_received) return;
  auto& state = found->second;
  gap.from = std::max(gap.from, state.next_received);
  state.next_received = gap.to;
  delivery_facts facts{
      name_of(of.topic), of.partition, gap.to, std::max(state.high_watermark, gap.to), gap.to, gap};
  facts.topic_is = of.topic;
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
  if (const auto from = partitions_.find(place_of(first->facts())); from != partitions_.end())
    from->second.next_given = std::max(from->second.next_given, first->end_offset());
  return records(std::move(first));
}

std::uint64_t subscriber_core::take_credit() {
  // Behind a corrupt batch everything is dropped until a seek: what for should the broker send more?
  if (!attached_ || failed_ || credit_due_ == 0) return 0;
  if (credit_due_ < credit_bytes_ / credit_parts && !queue_.empty()) return 0;
  return std::exchange(credit_due_, 0);
}

// ---- seeking ---------------------------------------------------------------------------------------------

result<std::vector<placed_start>> subscriber_core::resolve(const std::vector<partition_start>& named) const {
  std::vector<placed_start> found;
  for (const auto& one : named) {
    // Of topics that had the same name one after the other, the last.
    const std::string_view wanted = one.topic.empty() ? std::string_view(*topic_) : one.topic;
    const auto topic = std::find_if(names_.rbegin(), names_.rend(),
                                    [&](const auto& entry) { return *entry.second == wanted; });
    if (topic == names_.rend())
      return failure{errc::unknown_topic, "the subscription to \"" + *topic_ + "\" follows no topic \"" +
                                              std::string(wanted) + "\""};
    found.push_back({{topic->first, one.partition}, one.from});
  }
  return found;
}

result<topic_partition> subscriber_core::place(std::string_view topic, partition_id partition) const {
  const auto found = resolve({{partition, earliest, topic}});
  if (!found) return found.error();
  return found->front().of;
}

void subscriber_core::drop_queued(const topic_partition& of) {
  std::erase_if(queue_, [&](const auto& batches) {
    if (place_of(batches->facts()) != of) return false;
    queued_bytes_ -= batches->bytes();
    credit_due_ += batches->bytes();
    return true;
  });
}

result<subscriber_core::seek_order> subscriber_core::seek(const std::vector<placed_start>& to) {
  if (over()) return *failed_;
  for (const auto& one : to)
    if (!partitions_.contains(one.of))
      return failure{errc::unknown_partition, "this subscription of topic \"" + *name_of(one.of.topic) +
                                                  "\" has no partition " +
                                                  std::to_string(one.of.partition.value())};
  ++last_seek_;
  for (const auto& one : to) {
    auto& state = partitions_.at(one.of);
    state.seek_min = last_seek_;
    state.sought = one.from;
    drop_queued(one.of);
  }
  if (failed_) {
    failed_.reset();
    // Of partitions that stay where they are, what arrived behind the corrupt batch was dropped: fetch it
    // anew.
    auto all = to;
    for (auto& [of, state] : partitions_) {
      if (state.sought) continue;
      state.seek_min = last_seek_;
      state.sought = start_point(state.next_given);
      all.push_back({of, *state.sought});
    }
    return seek_order{last_seek_, std::move(all)};
  }
  return seek_order{last_seek_, to};
}

result<subscriber_core::seek_order> subscriber_core::seek_all(start_point to) {
  std::vector<placed_start> all;
  all.reserve(partitions_.size());
  for (const auto& [of, state] : partitions_) all.push_back({of, to});
  return seek(all);
}

void subscriber_core::sought(std::uint32_t seek, const std::vector<placed_offset>& begins) {
  for (const auto& begin : begins) {
    const auto found = partitions_.find(begin.of);
    if (found == partitions_.end() || found->second.seek_min != seek || !found->second.sought) continue;
    found->second.sought.reset();
    found->second.next_received = found->second.next_given = begin.offset;
  }
}

std::vector<placed_start> subscriber_core::seek_failed(std::uint32_t seek) const {
  std::vector<placed_start> back;
  for (const auto& [of, state] : partitions_)
    if (state.seek_min == seek && state.sought) back.push_back({of, state.next_given});
  return back;
}

std::vector<partition_position> subscriber_core::positions() const {
  std::vector<partition_position> positions;
  positions.reserve(partitions_.size());
  for (const auto& [of, state] : partitions_)
    positions.push_back({of.partition, state.next_given, state.high_watermark, *name_of(of.topic)});
  return positions;
}

}  // namespace skald::detail
