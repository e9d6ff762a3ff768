// How deliveries come about: a partition whose turn it is asks the shard for a plan, reads some of it, sends
// it, and queues up again.
#include <fmt/format.h>

#include <utility>

#include "broker/server/deliveries.hpp"
#include "broker/server/handlers/handlers.hpp"
#include "broker/server/session.hpp"
#include "broker/server/subscription.hpp"

namespace skald::server {

namespace {

// Then others on this reactor get their turn: going through records takes time, whether any match or not.
constexpr std::size_t filtered_bytes_per_turn = 1u << 20;

}  // namespace

std::weak_ptr<deliveries::cursor> deliveries::held(const subscription& which, const cursor& at) {
  return which.cursors.at(at.of);
}

void deliveries::ready(const shared& which, cursor& at) {
  if (at.queued) return;
  at.queued = true;
  which->ready.push_back(&at);
  runnable(which);
}

void deliveries::runnable(const shared& which) {
  if (which->queued || which->ready.empty() || which->credit <= 0) return;
  which->queued = true;
  runnable_.push_back(which);
}

void deliveries::pump() {
  if (pumping_) return;  // what this runs may make others runnable
  pumping_ = true;
  bytes_filtered_ = 0;
  while (!runnable_.empty() && session_.has_output_room(bytes_being_read_)) {
    if (bytes_filtered_ >= filtered_bytes_per_turn) {
      pump_later();
      break;
    }
    const shared which = std::move(runnable_.front());
    runnable_.pop_front();
    which->queued = false;
    serve(which);
    if (subscriptions_.contains(which->id)) runnable(which);
  }
  pumping_ = false;
}

void deliveries::serve(const shared& which) {
  if (which->ready.empty() || which->credit <= 0) return;
  cursor& at = *which->ready.front();
  which->ready.pop_front();
  at.queued = false;
  if (at.has_batches()) {
    read(which, at);
  } else {
    ask_for_plan(which, at);
  }
}

void deliveries::ask_for_plan(const shared& which, cursor& at) {
  at.forget_plan();
  at.waiting =
      host_.shard.plan_when_readable(at.of, at.next, which->plan_bytes(),
                                     [session = session_.weak_from_this(), to = weak(which),
                                      held_at = held(*which, at), visit = at.visit](shared_plan plan) {
                                       const auto alive = session.lock();
                                       const auto of = to.lock();
                                       const auto place = held_at.lock();
                                       if (!alive || !of || !place || place->visit != visit) return;
                                       alive->subscriptions().planned(of, *place, std::move(plan));
                                     });
}

void deliveries::planned(const shared& which, cursor& at, shared_plan plan) {
  at.waiting.reset();
  if (plan->why) {
    plan_failed(which, at, *plan);
  } else if (plan->batches.empty() && plan->next > at.next) {
    pass_over(which, at, *plan);
  } else {
    at.plan = std::move(plan);
    at.plan_next = 0;
    at.plan_used = true;
    ready(which, at);
  }
  pump();
}

void deliveries::pass_over(const shared& which, cursor& at, const shard::read_plan& plan) {
  send(*which, at, plan, plan.next, {});
  at.next = plan.next;
  ready(which, at);
}

void deliveries::plan_failed(const shared& which, cursor& at, const shard::read_plan& plan) {
  // A topic that has been deleted leaves a pattern, or its group; the client is told of that separately.
  if (plan.why.code == errc::unknown_topic && (which->pattern || which->member)) return drop(*which, at);
  if (plan.why.code != errc::offset_out_of_range) return end(which, plan.why.code, plan.why.message);
  if (at.next >= plan.log_start) {
    return end(which, errc::offset_out_of_range,
               fmt::format("partition {} of topic {} ends at offset {}, before {}; seek to an offset it has",
                           at.of.partition.value(), handlers::shown(which->name_of(at.of.topic)),
                           plan.high_watermark.value(), at.next.value()));
  }
  const std::string why =
      fmt::format("retention removed offsets {} to {} of partition {} before they were delivered",
                  at.next.value(), plan.log_start.value(), at.of.partition.value());
  session_.send(0, [&](auto& builder) {
    const auto message = builder.CreateString(why);
    return wire::CreateSubscriptionNotice(
        builder, which->id, static_cast<std::uint16_t>(errc::offset_out_of_range), message, false,
        at.of.partition.value(), at.next.value(), plan.log_start.value(), at.of.topic.value());
  });
  at.next = at.told = plan.log_start;
  ready(which, at);
}

void deliveries::read(const shared& which, cursor& at) {
  std::size_t bytes_max = which->filter ? which->delivery_bytes_max
                                        : std::min<std::size_t>(which->delivery_bytes_max,
                                                                static_cast<std::size_t>(which->credit));
  // With the budget used up, everyone still moves, in small steps.
  constexpr std::size_t frugal_bytes = 64u << 10;
  if (!host_.reader.memory().has_room()) bytes_max = std::min(bytes_max, frugal_bytes);
  const shared_plan plan = at.plan;
  const batch_run run = choose_run(*plan, at.plan_next, bytes_max);
  auto read =
      host_.reader.read(plan, run,
                        [session = session_.weak_from_this(), to = weak(which), held_at = held(*which, at),
                         visit = at.visit, plan, run](std::error_code failed, slice bytes) {
                          const auto alive = session.lock();
                          if (!alive) return;
                          deliveries& self = alive->subscriptions();
                          self.bytes_being_read_ -= run.bytes;
                          const auto of = to.lock();
                          const auto place = held_at.lock();
                          if (of && self.find(of->id) == of && place && place->visit == visit) {
                            if (failed) {
                              self.read_failed(of, *place, failed);
                            } else {
                              self.deliver(of, *place, plan, run, std::move(bytes));
                            }
                          }
                          self.pump();
                        });
  if (!read) {
    bytes_being_read_ += run.bytes;
  } else if (read->failed) {
    read_failed(which, at, read->failed);
  } else {
    deliver(which, at, plan, run, std::move(read->bytes));
  }
}

void deliveries::deliver(const shared& which, cursor& at, const shared_plan& plan, const batch_run& run,
                         slice bytes) {
  if (which->filter) return deliver_filtered(which, at, plan, run, bytes);
  const offset next = after(*plan, run);
  send(*which, at, *plan, next, {std::move(bytes), {}});
  advance(which, at, plan, next);
}

void deliveries::send(subscription& which, cursor& at, const shard::read_plan& plan, offset next,
                      selected_records what) {
  which.credit -= static_cast<std::int64_t>(what.payload.size());
  session_.send(
      0,
      [&](auto& builder) {
        const auto offsets = what.offsets.empty() ? 0 : builder.CreateVector(what.offsets);
        return wire::CreateDelivery(builder, which.id, which.seek, at.of.partition.value(), at.next.value(),
                                    plan.high_watermark.value(), plan.log_start.value(), offsets,
                                    next.value(), at.of.topic.value());
      },
      std::move(what.payload));
  at.told = next;
}

void deliveries::advance(const shared& which, cursor& at, const shared_plan& plan, offset next) {
  at.next = next;
  if (at.plan == plan) {
    const auto& batches = plan->batches;
    while (at.has_batches() && batches[at.plan_next].base_offset + batches[at.plan_next].records <= next) {
      ++at.plan_next;
    }
    at.plan_used = true;
    if (!at.has_batches()) at.forget_plan();
  }
  ready(which, at);
}

void deliveries::read_failed(const shared& which, const cursor& at, std::error_code failed) {
  end(which, errc::storage_error,
      fmt::format("cannot read partition {} of topic {}: {}; see the broker's log", at.of.partition.value(),
                  handlers::shown(which->name_of(at.of.topic)), failed.message()));
}

void deliveries::sweep() {
  for (const auto& [id, one] : subscriptions_) {
    for (const auto& [of, at] : one->cursors) {
      if (at->plan && !std::exchange(at->plan_used, false)) at->forget_plan();
      if (one->filter && session_.has_output_room(0)) tell_progress(*one, *at);
    }
  }
}

}  // namespace skald::server
