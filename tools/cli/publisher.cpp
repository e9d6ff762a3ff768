#include "tools/cli/publisher.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include <skald/protocol/batch_builder.hpp>
#include <skald/protocol/partitioner.hpp>

#include "tools/cli/quantity.hpp"

namespace skald::cli {
namespace {

constexpr std::uint64_t settle_every = 1024;  // records
constexpr std::chrono::seconds describe_every{30};

std::size_t payload_bytes(const input_record& record) {
  return (record.key ? record.key->size() : 0) + (record.value ? record.value->size() : 0);
}

}  // namespace

publisher::publisher(blocking_client& broker, const topic_info& topic, producer_options options,
                     std::function<void()> on_failure, publish_terms terms)
    : broker_(broker),
      topic_(topic.name),
      partitions_(topic.settings.partitions.value_or(1)),
      record_bytes_max_(topic.settings.record_bytes_max.value_or(std::numeric_limits<std::uint32_t>::max())),
      batch_bytes_(options.batch_bytes),
      on_failure_(std::move(on_failure)),
      described_(std::chrono::steady_clock::now()),
      terms_(std::move(terms)),
      keyless_partition_(std::random_device{}() % partitions_),
      on_their_way_(partitions_),
      producer_(broker, options) {
  producer_.on_delivery([this](const delivery_report& delivered) {
    const bool failed = delivered.failed.has_value();
    {
      const std::lock_guard lock(mutex_);
      reports_.push_back({delivered.partition, delivered.records, delivered.durability, delivered.failed});
    }
    if (failed) on_failure_();
  });
}

void publisher::send(const input_record& record) {
  if (sent_records_ % settle_every == 0) {
    settle();
    refresh_partitions();
  }
  check_size(record);
  const std::size_t bytes = payload_bytes(record);
  const partition_id partition = choose(record, bytes);
  const message what{.key = record.key,
                     .value = record.value,
                     .headers = record.headers,
                     .partition = partition,
                     .time = record.timestamp};
  if (terms_.any()) {
    send_in_commit(what, record.line);
    ++sent_records_;
    sent_bytes_ += bytes;
    if (gathered_records_ >= terms_.records_per_commit) commit_gathered();
    if (failed_) throw failed_->reason;
    return;
  }
  if (!producer_.try_send(topic_, what)) producer_.send(topic_, what);

  for (std::uint64_t line = last_line_ + 1; line < record.line; ++line) acknowledged_.mark(line);
  last_line_ = record.line;
  auto& lines = on_their_way_[partition.value()];
  if (!lines.empty() && lines.back().last + 1 == record.line) {
    lines.back().last = record.line;
  } else {
    lines.push_back({record.line, record.line});
  }
  ++sent_records_;
  sent_bytes_ += bytes;
}

void publisher::send_in_commit(const message& what, std::uint64_t line) {
  const bool named = !terms_.timer.empty();
  const due when = terms_.at ? due(*terms_.at) : due(terms_.delay.value_or(std::chrono::milliseconds(0)));
  auto added = named ? gathered_.set_timer(terms_.timer, when, topic_, what) : gathered_.append(topic_, what);
  if (!named && terms_.at) added.deliver_at(*terms_.at);
  if (!named && terms_.delay) added.delay(*terms_.delay);
  if (terms_.ttl) added.ttl(*terms_.ttl);
  if (!terms_.message_id.empty()) added.message_id(terms_.message_id);
  if (terms_.expected_version) added.expect_version(*terms_.expected_version);
  if (gathered_records_++ == 0) gathered_lines_.first = last_line_ + 1;
  gathered_lines_.last = last_line_ = line;
}

void publisher::commit_gathered() {
  if (gathered_records_ == 0 || failed_) return;
  try {
    const committed made = broker_.commit(std::move(gathered_));
    duplicate_records_ +=
        static_cast<std::uint64_t>(std::ranges::count(made.appends, true, &committed::append::duplicate));
    for (std::uint64_t line = gathered_lines_.first; line <= gathered_lines_.last; ++line)
      acknowledged_.mark(line);
    acknowledged_records_ += gathered_records_;
    achieved_ = skald::durability::disk;
  } catch (const error& reason) {
    failed_.emplace(publish_failure{gathered_lines_, reason});
  }
  gathered_ = {};
  gathered_records_ = 0;
}

// Refusing here names the line; the broker would refuse the whole batch. The bound is that of the encoded
// record, a few bytes more than it will have.
void publisher::check_size(const input_record& record) const {
  const std::size_t bytes =
      protocol::batch_builder::record_bytes_max(record.key, record.value, record.headers);
  if (bytes <= record_bytes_max_) return;
  throw error(errc::record_too_large, "the record has " + format_size(bytes) + ", more than the " +
                                          format_size(record_bytes_max_) + " that topic '" + topic_ +
                                          "' accepts; skald topic alter " + topic_ +
                                          " --max-record-bytes SIZE changes that");
}

partition_id publisher::choose(const input_record& record, std::size_t bytes) {
  if (record.partition) {
    if (record.partition->value() < partitions_) return *record.partition;
    throw error(errc::unknown_partition,
                "there is no partition " + std::to_string(record.partition->value()) + "; topic '" + topic_ +
                    "' has the partitions 0 to " + std::to_string(partitions_ - 1));
  }
  if (record.key) return protocol::partition_for(*record.key, partitions_);
  if (!terms_.message_id.empty()) return partition_id(0);  // which is to know the id the next time
  if (keyless_bytes_ >= batch_bytes_) {
    keyless_partition_ = (keyless_partition_ + 1) % partitions_;
    keyless_bytes_ = 0;
  }
  keyless_bytes_ += bytes;
  return partition_id(keyless_partition_);
}

// A topic may get more partitions while a long input is followed; keys then move, as for every producer.
void publisher::refresh_partitions() {
  const auto now = std::chrono::steady_clock::now();
  if (now - described_ < describe_every) return;
  described_ = now;
  try {
    partitions_ = std::max(partitions_, broker_.describe_topic(topic_).settings.partitions.value_or(1));
    on_their_way_.resize(partitions_);
  } catch (const error& failed) {
    // The producer finds out by itself about what stays wrong, and says so; a topic that is gone does not
    // pass.
    if (failed.code() == errc::unknown_topic) throw;
  }
}

void publisher::settle() {
  {
    const std::lock_guard lock(mutex_);
    settling_.swap(reports_);
  }
  for (const report& reported : settling_) apply(reported);
  settling_.clear();
}

void publisher::apply(const report& reported) {
  auto& lines = on_their_way_[reported.partition.value()];
  line_range failed_lines;
  for (std::uint64_t left = reported.records; left != 0 && !lines.empty();) {
    line_range& front = lines.front();
    const std::uint64_t taken = std::min(left, front.last - front.first + 1);
    const line_range settled{front.first, front.first + taken - 1};
    if (reported.failed) {
      if (failed_lines.first == 0) failed_lines.first = settled.first;
      failed_lines.last = settled.last;
    } else {
      for (std::uint64_t line = settled.first; line <= settled.last; ++line) acknowledged_.mark(line);
    }
    front.first += taken;
    left -= taken;
    if (front.first > front.last) lines.pop_front();
  }
  if (reported.failed) {
    if (!failed_ || failed_lines.first < failed_->lines.first) {
      failed_.emplace(publish_failure{failed_lines, *reported.failed});
    }
    return;
  }
  acknowledged_records_ += reported.records;
  achieved_ = achieved_ ? std::min(*achieved_, reported.durability) : reported.durability;
}

void publisher::flush() {
  commit_gathered();
  if (terms_.any()) return;
  try {
    producer_.flush();
  } catch (const error& reason) {
    settle();
    if (!failed_ && acknowledged_records_ < sent_records_) {
      line_range waiting;
      for (const auto& lines : on_their_way_) {
        if (lines.empty()) continue;
        if (waiting.first == 0 || lines.front().first < waiting.first) waiting.first = lines.front().first;
        waiting.last = std::max(waiting.last, lines.back().last);
      }
      failed_.emplace(publish_failure{waiting, reason});
    }
  }
  settle();
}

}  // namespace skald::cli
