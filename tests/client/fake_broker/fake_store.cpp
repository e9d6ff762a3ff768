#include "tests/client/fake_broker/fake_store.hpp"

#include <algorithm>

namespace skald::test {

void fake_partition::trim(std::uint64_t offset) {
  std::erase_if(batches, [&](const stored_batch& batch) { return batch.base + batch.records <= offset; });
  log_start = batches.empty() ? end : batches.front().base;
}

std::uint64_t fake_partition::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& batch : batches) sum += batch.bytes.size();
  return sum;
}

bool fake_topic::knows(std::uint32_t index, std::span<const std::byte> bytes) const {
  const auto batch = protocol::batch_view::parse(bytes);
  const auto stamp = batch ? batch->producer() : std::nullopt;
  if (!stamp || index >= partitions.size()) return false;
  const auto found = partitions[index].producers.find(stamp->id.value());
  return found != partitions[index].producers.end() && found->second.epoch == stamp->epoch.value() &&
         std::ranges::count(found->second.last, stamp->base_sequence,
                            &std::pair<std::int32_t, std::uint64_t>::first) > 0;
}

append_verdict fake_topic::append(std::uint32_t index, std::span<const std::byte> bytes) {
  if (index >= partitions.size()) return {errc::unknown_partition, "no such partition"};
  auto& partition = partitions[index];
  const auto batch = protocol::batch_view::parse(bytes);
  protocol::batch_decoder decoder;
  if (!batch || batch->size() != bytes.size()) return {errc::corrupt_batch, "not one batch"};
  const auto checked = decoder.check(*batch);
  if (!checked) return {checked.error().code, checked.error().message};
  const auto records = static_cast<std::uint32_t>(checked->size());

  if (const auto stamp = batch->producer()) {
    auto [found, is_new] = partition.producers.try_emplace(stamp->id.value());
    auto& known = found->second;
    if (is_new) known.epoch = stamp->epoch.value();
    if (stamp->epoch.value() < known.epoch) return {errc::fenced_producer, "an older epoch"};
    if (stamp->epoch.value() > known.epoch) known = {stamp->epoch.value(), 0, {}};
    for (const auto& [sequence, base] : known.last)
      if (sequence == stamp->base_sequence) return {errc::ok, "", static_cast<std::int64_t>(base), true};
    if (!is_new && known.next_sequence != stamp->base_sequence)
      return {errc::out_of_order_sequence, "expected sequence " + std::to_string(known.next_sequence) +
                                               ", got " + std::to_string(stamp->base_sequence)};
    known.next_sequence = protocol::sequence_after(stamp->base_sequence, records);
    known.last.emplace_back(stamp->base_sequence, partition.end);
    if (known.last.size() > protocol::remembered_batches) known.last.erase(known.last.begin());
  }

  stored_batch stored{partition.end, records, {bytes.begin(), bytes.end()}};
  protocol::patch_base_offset(stored.bytes, offset(stored.base), 0);
  partition.batches.push_back(std::move(stored));
  partition.end += records;
  return {errc::ok, "", static_cast<std::int64_t>(partition.end - records), false};
}

std::vector<std::string> values_of(const fake_partition& partition) {
  std::vector<std::string> values;
  protocol::batch_decoder decoder;
  for (const auto& batch : partition.batches)
    for (const auto& record : decoder.check(protocol::batch_view::parse(batch.bytes).value()).value())
      values.emplace_back(record.value.value_or("(none)"));
  return values;
}

}  // namespace skald::test
