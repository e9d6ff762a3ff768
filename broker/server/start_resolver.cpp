#include "broker/server/start_resolver.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace skald::server {

namespace {

// The starts being looked for; `left` counts those and holds `done` back.
struct search : std::enable_shared_from_this<search> {
  search(session_host& with, located_topics from, std::function<void(resolved_topics)> then)
      : host(with), located(std::move(from)), done(std::move(then)) {}

  void run() {
    found.topics = located.topics;
    found.starts.resize(located.starts.size());
    left = located.starts.size() + 1;
    for (std::size_t i = 0; i < located.starts.size(); ++i) {
      const located_start& start = located.starts[i];
      found.starts[i] = {start.topic, start.info.partition, start.at};
      if (start.look_inside && !start.look_inside->batches.empty()) {
        look(i);
      } else {
        finish_one();
      }
    }
    finish_one();
  }

  void look(std::size_t i) {
    const shared_plan plan = located.starts[i].look_inside;
    const batch_run run = choose_run(*plan, 0, 0);
    const auto read = host.reader.read(
        plan, run, [self = shared_from_this(), i](std::error_code failed, const slice& bytes) {
          self->looked(i, failed, bytes);
        });
    if (read) looked(i, read->failed, read->bytes);
  }

  void looked(std::size_t i, std::error_code failed, const slice& bytes) {
    const located_start& start = located.starts[i];
    if (failed) {
      found.why = {errc::storage_error, fmt::format("cannot read partition {}: {}",
                                                    start.info.partition.value(), failed.message())};
    } else if (const auto records = decode(bytes); !records) {
      found.why = {errc::storage_corrupt,
                   fmt::format("partition {} at offset {}: {}", start.info.partition.value(),
                               start.at.value(), records.error().message)};
    } else {
      const auto later =
          std::find_if(records->begin(), records->end(),
                       [&](const protocol::record_view& record) { return record.timestamp >= start.wanted; });
      if (later != records->end()) {
        found.starts[i].at = later->offset;
      } else {
        const shard::stored_batch& batch = start.look_inside->batches.front();
        found.starts[i].at = batch.base_offset + batch.records;
      }
    }
    finish_one();
  }

  result<protocol::record_range> decode(const slice& bytes) {
    const auto batch = protocol::batch_view::parse(bytes.bytes());
    if (!batch) return batch.error();
    protocol::batch_limits limits;
    limits.batch_bytes_max = bytes.size();
    limits.offset_gaps = true;
    return host.decoder.check(*batch, limits);
  }

  void finish_one() {
    if (--left == 0) done(std::move(found));
  }

  session_host& host;
  const located_topics located;
  std::function<void(resolved_topics)> done;
  resolved_topics found;
  std::size_t left = 0;
};

}  // namespace

void resolve_starts(session_host& host, std::string topic, std::vector<start_at> starts,
                    std::optional<start_at> others, std::function<void(resolved_topics)> done) {
  host.shard.locate(std::move(topic), std::move(starts), others,
                    [&host, done = std::move(done)](located_topics located) {
                      resolve_located(host, std::move(located), done);
                    });
}

void resolve_located(session_host& host, located_topics located, std::function<void(resolved_topics)> done) {
  if (located.why) return done({std::move(located.why), {}, {}});
  std::make_shared<search>(host, std::move(located), std::move(done))->run();
}

start_at read_start(std::uint32_t partition, wire::Start kind, std::int64_t value, topic_id topic) {
  return {partition_id(partition), static_cast<start_kind>(kind), value, topic};
}

result<std::vector<start_at>> read_starts(
    const flatbuffers::Vector<flatbuffers::Offset<wire::PartitionStart>>* list) {
  std::vector<start_at> starts;
  const protocol::each partitions(list);
  starts.reserve(partitions.size());
  for (const wire::PartitionStart* const one : partitions) {
    starts.push_back(read_start(one->partition(), one->start(), one->value(), topic_id(one->topic_id())));
  }
  const auto place = [](const start_at& start) { return std::pair(start.topic, start.partition); };
  std::ranges::sort(starts, {}, place);
  const auto twice = std::ranges::adjacent_find(starts, {}, place);
  if (twice != starts.end()) {
    return failure{errc::invalid_request,
                   fmt::format("partition {} is named twice", twice->partition.value())};
  }
  return starts;
}

}  // namespace skald::server
