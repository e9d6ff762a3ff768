#include <cassert>
#include <utility>

#include "broker/shard/shard_impl.hpp"

namespace skald::shard {

// Refuses what is certain to be refused when it would be applied, to spare the journal. Apply decides.
failure shard::impl::refuse_early(const append_request& request, topic_id& topic,
                                  std::uint32_t& partitions) const {
  const auto id = machine_.find(request.topic);
  if (!id) return {errc::unknown_topic, "there is no topic '" + request.topic + "'; create it first"};
  const topic_settings& settings = tables_.topics.find(*id)->settings;
  topic = *id;
  partitions = settings.partitions;
  if (request.partition.value() >= settings.partitions)
    return {errc::unknown_partition,
            "topic '" + request.topic + "' has " + std::to_string(settings.partitions) +
                " partitions; there is no partition " + std::to_string(request.partition.value())};
  if (request.batch.size() > settings.batch_bytes_max)
    return {errc::batch_too_large, "a batch has " + std::to_string(request.batch.size()) + " bytes; topic '" +
                                       request.topic + "' accepts " +
                                       std::to_string(settings.batch_bytes_max)};
  return {};
}

void shard::impl::append(std::vector<append_request> batches, durability wanted, append_done done) {
  auto group = std::make_shared<append_group>();
  group->results.resize(batches.size());
  group->done = std::move(done);
  const timestamp now = clock_.now();
  const bool wait = wanted != durability::memory;

  proposal what;
  std::vector<std::size_t> accepted;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    append_request& request = batches[i];
    append_command append{.to = {topic_id(), request.partition},
                          .records = request.records,
                          .batch_bytes = static_cast<std::uint32_t>(request.batch.size()),
                          .record_bytes_largest = request.record_bytes_largest,
                          .timestamp_max = request.timestamp_max,
                          .now = now,
                          .producer = request.producer,
                          .epoch = request.epoch,
                          .base_sequence = request.base_sequence};
    group->results[i].why = refuse_early(request, append.to.topic, group->results[i].partitions);
    if (group->results[i].why) continue;
    what.entries.push_back({.kind = journal::entry_kind::command,
                            .head = encoder_.encode(append),
                            .body = std::move(request.batch)});
    what.proposers.push_back({.group = wait ? group : nullptr, .index = i, .done = {}});
    accepted.push_back(i);
  }

  group->undecided = accepted.size();
  if (!accepted.empty()) {
    if (const failure why = propose(std::move(what))) {
      for (const std::size_t i : accepted) group->results[i].why = why;
      group->undecided = 0;
    }
  }
  if (group->undecided == 0 || !wait) post([group](impl&) { group->done(std::move(group->results)); });
}

void shard::append(std::vector<append_request> batches, durability wanted, append_done done) {
  assert(impl_->executor_.running_here());
  impl_->append(std::move(batches), wanted, std::move(done));
}

void shard::init_producer(producer_done done) {
  const auto tell = std::make_shared<producer_done>(std::move(done));
  const failure why = impl_->propose(init_producer_command{}, journal::urgency::normal, [tell](effect made) {
    (*tell)(std::move(made.why), made.producer, producer_epoch(0));
  });
  if (why) impl_->post([tell, why](impl&) { (*tell)(why, producer_id(), producer_epoch()); });
}

}  // namespace skald::shard
