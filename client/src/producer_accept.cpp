// producer_core, first half: from records to sealed batches.
#include <algorithm>
#include <chrono>

#include <skald/protocol/partitioner.hpp>
#include <skald/protocol/topic_name.hpp>
#include "client/src/producer_stream.hpp"

namespace skald::detail {

namespace {

constexpr std::size_t spare_buffers_max = 32;

std::size_t bytes_of(const message& what) {
  return protocol::batch_builder::record_bytes_max(what.key, what.value, what.headers);
}

// What record_bytes_max limits.
std::size_t contents_of(const message& what) {
  std::size_t bytes = what.key.value_or("").size() + what.value.value_or("").size();
  for (const header& one : what.headers) bytes += one.key.size() + one.value.value_or("").size();
  return bytes;
}

timestamp time_of(const message& what) {
  if (what.time) return *what.time;
  return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

}  // namespace

// What is known of a record beside its contents.
struct producer_core::record_terms {
  timestamp at;
  std::size_t bytes;  // the most that it adds to a batch
  acknowledge ack;
  std::uint64_t generation;
  steady_time now;
  steady_time expires;
};

producer_core::producer_core(const producer_options& options) : options_(options), name_(options.name) {
  if (name_.empty()) return;
  if (const auto valid = protocol::check_producer_name(name_); !valid)
    throw error(valid.error().code, valid.error().message);
}

producer_core::~producer_core() = default;

producer_topic& producer_core::find_topic(std::string_view name) {
  if (last_topic_ != nullptr && last_topic_->name == name) return *last_topic_;
  auto found = topics_.find(name);
  if (found == topics_.end()) {
    if (const auto valid = protocol::check_topic_name(name); !valid)
      throw error(valid.error().code, valid.error().message);
    auto topic = std::make_unique<producer_topic>();
    topic->name = name;
    limit_batches(*topic);
    found = topics_.emplace(std::string(name), std::move(topic)).first;
  }
  last_topic_ = found->second.get();
  return *last_topic_;
}

partition_stream& producer_core::stream(producer_topic& topic, std::uint32_t partition) {
  if (topic.streams.size() <= partition) topic.streams.resize(partition + 1);
  auto& stream = topic.streams[partition];
  if (!stream) {
    stream = std::make_unique<partition_stream>();
    stream->topic = &topic;
    stream->id = partition_id(partition);
  }
  return *stream;
}

void producer_core::limit_batches(producer_topic& topic) const {
  topic.batch_bytes = std::min<std::size_t>(options_.batch_bytes, frame_bytes_max_ - frame_reserve_bytes);
  if (topic.facts && topic.facts->batch_bytes_max != 0)
    topic.batch_bytes = std::min<std::size_t>(topic.batch_bytes, topic.facts->batch_bytes_max);
}

std::uint32_t producer_core::choose(producer_topic& topic, const message& what) {
  const auto partitions = topic.facts->partitions;
  if (what.partition) {
    if (what.partition->value() < partitions) return what.partition->value();
    throw error(errc::unknown_partition, "topic \"" + topic.name + "\" has no partition " +
                                             std::to_string(what.partition->value()) +
                                             ", its partitions are 0 to " + std::to_string(partitions - 1));
  }
  if (what.key) return protocol::partition_for(*what.key, partitions).value();
  return topic.keyless % partitions;
}

// Checked here although the broker checks as well: there, a record too large would take its batch with it.
void producer_core::check_size(const producer_topic& topic, const message& what, std::size_t bytes) const {
  const auto refuse = [&](std::size_t size, std::size_t limit, const char* setting) {
    throw error(errc::record_too_large, "a record of " + std::to_string(size) + " bytes is over the " +
                                            std::to_string(limit) + " bytes that topic \"" + topic.name +
                                            "\" takes; split it, or raise " + setting);
  };
  const std::size_t frame_limit = frame_bytes_max_ - frame_reserve_bytes;
  if (bytes > frame_limit) refuse(bytes, frame_limit, "the broker's frame_bytes_max");
  if (!topic.facts) return;
  const std::size_t batch_limit = topic.facts->batch_bytes_max;
  if (batch_limit != 0 && bytes + protocol::batch_header_bytes > batch_limit)
    refuse(bytes + protocol::batch_header_bytes, batch_limit, "the topic's batch_bytes_max");
  const std::size_t contents = contents_of(what);
  const std::size_t record_limit = topic.facts->record_bytes_max;
  if (record_limit != 0 && contents > record_limit)
    refuse(contents, record_limit, "the topic's record_bytes_max");
}

producer_core::acceptance producer_core::accept(std::string_view name, const message& what, acknowledge ack,
                                                steady_time now, const std::optional<steady_time>& expires) {
  if (fenced_) throw error(fenced_->code, fenced_->message);
  const std::size_t bytes = bytes_of(what);
  if (buffered_bytes_ > 0 && buffered_bytes_ + bytes > options_.buffer_bytes_max) return acceptance::full;
  producer_topic& topic = find_topic(name);
  check_size(topic, what, bytes);
  record_terms terms{time_of(what), bytes, std::move(ack),
                     generation_,   now,   expires.value_or(now + options_.delivery_timeout)};
  if (terms.at < protocol::timestamp_min || terms.at > protocol::timestamp_max)
    throw error(errc::invalid_request,
                "a record for topic \"" + topic.name + "\" has a timestamp outside the years 1970 to 9999");
  // A partition not known here may have been added since the topic was described: the broker is asked before
  // such a record is refused.
  const bool known = topic.facts && !(what.partition && what.partition->value() >= topic.facts->partitions);
  if (known && topic.held.empty()) {
    auto& to = stream(topic, choose(topic, what));
    append(to, what, std::move(terms));
  } else {
    hold(topic, what, std::move(terms));
  }
  ++statistics_.accepted_records;
  return acceptance::accepted;
}

void producer_core::hold(producer_topic& topic, const message& what, record_terms terms) {
  count_unsettled(terms.generation);
  buffered_bytes_ += terms.bytes;
  topic.held.push_back(
      {owned_message(what), terms.at, std::move(terms.ack), terms.bytes, terms.generation, terms.expires});
  wants_poll_ = true;
}

void producer_core::release_held(producer_topic& topic, steady_time now) {
  while (!topic.held.empty()) {
    auto& first = topic.held.front();
    const message what = first.what.view();
    try {
      check_size(topic, what, first.buffered);
      auto& to = stream(topic, choose(topic, what));  // may throw, and then first.ack is still needed
      append(to, what,
             {first.at, first.buffered, std::move(first.ack), first.generation, now, first.expires});
    } catch (const error& refused) {
      fail_front(topic, {static_cast<errc>(refused.code().value()), refused.message()});
      continue;
    }
    buffered_bytes_ -= first.buffered;
    count_settled(first.generation);
    topic.held.pop_front();
  }
}

void producer_core::fail_front(producer_topic& topic, failure why) {
  auto& first = topic.held.front();
  settlement told{topic.name, first.what.view().partition.value_or(partition_id()), 1, std::move(why), {}};
  if (first.ack) told.waiting.emplace_back(0, std::move(first.ack));
  settled_.push_back(std::move(told));
  ++statistics_.failed_records;
  buffered_bytes_ -= first.buffered;
  count_settled(first.generation);
  topic.held.pop_front();
}

void producer_core::fail_held(producer_topic& topic, const failure& why) {
  while (!topic.held.empty()) fail_front(topic, why);
}

void producer_core::append(partition_stream& to, const message& what, record_terms terms) {
  auto& open = to.open;
  auto& builder = open.builder;
  if (!builder.empty() && builder.bytes() + terms.bytes > to.topic->batch_bytes) {
    seal(to);
    touch(to);
  }
  const bool opening = builder.empty();
  if (opening && !spare_buffers_.empty()) {
    builder.recycle(std::move(spare_buffers_.back()));
    spare_buffers_.pop_back();
  }
  const std::size_t before = opening ? 0 : builder.bytes();
  if (const errc code = builder.append(what.key, what.value, what.headers, terms.at); code != errc::ok)
    throw error(code, "a record for topic \"" + to.topic->name + "\" cannot be encoded");
  buffered_bytes_ += builder.bytes() - before;
  if (opening) {
    open.opened = terms.now;
    open.expires = terms.expires;
    open.generation = terms.generation;
    count_unsettled(open.generation);
    activate(to);
    if (to.in_flight.empty() || options_.linger.count() > 0) wants_poll_ = true;
  } else {
    open.expires = std::max(open.expires, terms.expires);
    if (terms.generation < open.generation) {  // a held record, which an earlier flush waits for
      count_unsettled(terms.generation);
      count_settled(std::exchange(open.generation, terms.generation));
    }
  }
  if (terms.ack) open.waiting.emplace_back(builder.records() - 1, std::move(terms.ack));
  if (builder.bytes() >= to.topic->batch_bytes) {
    seal(to);
    touch(to);
  }
}

void producer_core::seal(partition_stream& of) {
  auto& open = of.open;
  auto batch = std::make_shared<sealed_batch>();
  batch->home = &of;
  batch->ordinal = of.next_ordinal++;
  batch->records = open.builder.records();
  batch->buffered = open.builder.bytes();
  batch->generation = open.generation;
  batch->expires = open.expires;
  batch->waiting = std::exchange(open.waiting, {});
  protocol::batch_options options{options_.compression, options_.compression_level, {}};
  if (of.identity && !of.identity_lost) {
    // Usually this is the number it will be sent with, which saves computing the checksum twice.
    std::int32_t sequence = of.next_sequence;
    if (!of.waiting.empty() && of.waiting.back()->stamped)
      sequence =
          protocol::sequence_after(of.waiting.back()->stamped->base_sequence, of.waiting.back()->records);
    options.producer = {of.identity->first, of.identity->second, sequence};
  }
  batch->stamped = options.producer;
  batch->bytes = std::make_shared<std::vector<std::byte>>(open.builder.finish(options));
  // Records without a key move on with each batch: whole batches, evenly spread.
  if (of.topic->facts && of.topic->keyless % of.topic->facts->partitions == of.id.value())
    ++of.topic->keyless;
  of.waiting.push_back(std::move(batch));
  wants_poll_ = true;
}

void producer_core::activate(partition_stream& stream) {
  touch(stream);
  if (stream.active_at) return;
  stream.active_at = active_.size();
  active_.push_back(&stream);
}

void producer_core::deactivate(partition_stream& stream) {
  if (!stream.active_at) return;
  partition_stream* const last = active_.back();
  active_[*stream.active_at] = last;
  last->active_at = stream.active_at;
  stream.active_at.reset();
  active_.pop_back();
}

void producer_core::touch(partition_stream& stream) {
  if (!std::exchange(stream.touched, true)) touched_.push_back(&stream);
  if (!std::exchange(stream.ready, true)) ready_.push_back(&stream);
}

void producer_core::settle(const batch_ptr& batch, result<published> outcome) {
  batch->settled = true;
  buffered_bytes_ -= batch->buffered;
  ++statistics_.batches;
  (outcome ? statistics_.acknowledged_records : statistics_.failed_records) += batch->records;
  count_settled(batch->generation);
  settled_.push_back({batch->home->topic->name, batch->home->id, batch->records, std::move(outcome),
                      std::move(batch->waiting)});
  recycle(std::move(batch->bytes));
}

// A batch may be acknowledged while the write that sent it with others still holds its buffer.
void producer_core::recycle(std::shared_ptr<std::vector<std::byte>> buffer) {
  held_buffers_.push_back(std::move(buffer));
  while (!held_buffers_.empty()) {
    auto& oldest = held_buffers_.front();
    const bool is_free = oldest.use_count() == 1;
    if (!is_free && held_buffers_.size() <= spare_buffers_max) return;
    if (is_free && spare_buffers_.size() < spare_buffers_max) spare_buffers_.push_back(std::move(*oldest));
    held_buffers_.pop_front();
  }
}

std::uint64_t producer_core::begin_flush() {
  flush_up_to_ = generation_;
  all_touched_ = all_touched_ || options_.linger.count() > 0;
  wants_poll_ = true;
  return generation_++;
}

void producer_core::count_unsettled(std::uint64_t generation) {
  ++unsettled_[generation];
}

void producer_core::count_settled(std::uint64_t generation) {
  const auto found = unsettled_.find(generation);
  if (--found->second == 0) unsettled_.erase(found);
}

}  // namespace skald::detail
