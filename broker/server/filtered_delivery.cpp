// Deliveries of a subscription with a filter.
#include <algorithm>
#include <utility>

#include "broker/server/deliveries.hpp"
#include "broker/server/session.hpp"
#include "broker/server/subscription.hpp"

namespace skald::server {

void deliveries::deliver_filtered(const shared& which, cursor& at, const shared_plan& plan,
                                  const batch_run& run, const slice& bytes) {
  constexpr std::chrono::seconds interval{1};
  at.high_watermark = plan->high_watermark;
  at.log_start = plan->log_start;
  bytes_filtered_ += bytes.size();
  // Others may have used up the credit while this was being read.
  const auto credit = static_cast<std::size_t>(std::max<std::int64_t>(which->credit, 1));
  auto [what, next] = filter_run(*which->filter, host_.selection, *plan, run, bytes, at.next,
                                 std::min(which->delivery_bytes_max, credit), host_.reader.memory());
  if (!what.payload.empty()) send(*which, at, *plan, next, std::move(what));
  advance(which, at, plan, next);
  // Whoever waits for the end of a partition learns at once that it is reached; a busy partition without a
  // match must not make a message of every commit.
  const bool untold_end = at.next == at.high_watermark && at.told < at.next;
  if (untold_end && host_.now() - at.end_told_at >= interval) {
    at.end_told_at = host_.now();
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
