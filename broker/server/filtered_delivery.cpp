// Deliveries of a subscription with a filter.
#include <algorithm>
#include <utility>

#include "broker/server/deliveries.hpp"
#include "broker/server/session.hpp"
#include "broker/server/subscription.hpp"

namespace skald::server {

void deliveries::deliver_filtered(const shared& which, cursor& at, const shared_plan& plan,
                                  const batch_run& run, const slice& bytes) {
  constexpr std::chrono::seconds progress_interval{1};
  at.high_watermark = plan->high_watermark;
  at.log_start = plan->log_start;
  bytes_filtered_ += bytes.size();
  record_selection& selection = host_.selection;
  // Others may have used up the credit while this was being read.
  const auto credit = static_cast<std::size_t>(std::max<std::int64_t>(which->credit, 1));
  selection.begin(at.next, {.bytes_max = std::min(which->delivery_bytes_max, credit)});
  const auto all_seen = selection.add(bytes.bytes(), *which->filter);
  offset next = selection.next();
  if (!all_seen && next == at.next) {
    // A damaged batch goes out as it is: the subscriber finds the damage, and may seek past it, as ever.
    const shard::stored_batch& damaged = plan->batches[run.first];
    next = damaged.base_offset + damaged.records;
    send(*which, at, plan, next, {bytes.sub(0, damaged.at.bytes), {}});
  } else if (all_seen && *all_seen && selection.size() == next - at.next) {
    send(*which, at, plan, next, {bytes, {}});  // all of it matches
  } else if (!selection.empty()) {
    send(*which, at, plan, next, selection.take(host_.reader.memory()));
  }
  advance(which, at, plan, next);
  // Whoever waits for the end of a partition learns at once that it is reached; a busy partition without a
  // match must not make a message of every commit.
  if (at.next == at.high_watermark && host_.now() - at.progress_told_at >= progress_interval) {
    tell_progress(*which, at);
  }
}

void deliveries::tell_progress(const subscription& which, cursor& at) {
  if (at.next <= at.told) return;
  session_.send(0, [&](auto& builder) {
    return wire::CreateDelivery(builder, which.id, which.seek, at.of.partition.value(), at.told.value(),
                                at.high_watermark.value(), at.log_start.value(), 0, at.next.value(),
                                at.of.topic.value());
  });
  at.told = at.next;
  at.progress_told_at = host_.now();
}

void deliveries::pump_later() {
  if (std::exchange(pumping_later_, true)) return;
  host_.runs_on.post([session = session_.weak_from_this()] {
    const auto alive = session.lock();
    if (!alive) return;
    alive->subscriptions().pumping_later_ = false;
    alive->subscriptions().pump();
  });
}

}  // namespace skald::server
