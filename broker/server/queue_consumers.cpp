#include "broker/server/queue_consumers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/server/handlers/handlers.hpp"
#include "broker/server/session.hpp"

namespace skald::server {

struct queue_consumers::consumer {
  std::uint64_t number = 0;  // the client's
  std::uint32_t prefetch = 0;
  bool open = false;
  consumer_id id;
  std::size_t unsent_bytes = 0;  // in the output queue; the service has yet to be told that they went
};

queue_consumers::queue_consumers(session& of) : session_(of), host_(of.host()) {}

queue_consumers::~queue_consumers() {
  clear(true);
}

void queue_consumers::let_go(const consumer& one, bool counted) {
  --host_.counts.subscriptions;
  if (one.open) host_.queues->close_queue(one.id, counted);
}

void queue_consumers::clear(bool counted) {
  for (const auto& [number, one] : std::exchange(consumers_, {})) let_go(*one, counted);
}

void queue_consumers::open(std::uint64_t id, const wire::OpenQueue& message) {
  const std::uint64_t number = message.consumer();
  if (consumers_.contains(number))
    return session_.send_error(id, errc::invalid_request,
                               fmt::format("consumer {} exists; choose another number", number));
  if (consumers_.size() >= host_.settings.subscriptions_max)
    return session_.send_error(
        id, errc::overloaded,
        fmt::format("a connection may have {} consumers; close one or open another connection",
                    host_.settings.subscriptions_max));
  constexpr std::uint32_t prefetch_default = 64;
  constexpr std::uint32_t prefetch_max = 65'536;
  const auto added = std::make_shared<consumer>();
  added->number = number;
  added->prefetch = message.prefetch() == 0 ? prefetch_default : std::min(message.prefetch(), prefetch_max);
  consumers_.emplace(number, added);
  ++host_.counts.subscriptions;

  queue_opening opening;
  opening.name = handlers::queue_named(message);
  opening.prefetch = added->prefetch;
  const std::size_t asked = message.delivery_bytes_max();
  opening.delivery_bytes_max = asked == 0 ? host_.settings.delivery_bytes_max
                                          : std::min<std::size_t>(asked, host_.settings.delivery_bytes_max);
  opening.create = message.create();
  opening.settings = handlers::read_settings(message.settings());
  const auto session = session_.weak_from_this();
  host_.queues->open_queue(
      std::move(opening),
      [session, which = weak(added)](const shard::failure& ended, queue_delivery what) {
        if (const auto alive = session.lock()) alive->queues().told(which, ended, std::move(what));
      },
      [session, which = weak(added), request = session_.open(id),
       &port = *host_.queues](const queue_opened& is) {
        const auto alive = session.lock();
        if (alive) return alive->queues().opened(which, request, is);
        if (!is.why) port.close_queue(is.consumer, false);
      });
}

void queue_consumers::opened(const weak& which, const pending_request& request, const queue_opened& is) {
  const shared one = which.lock();
  if (!one) {
    if (!is.why) host_.queues->close_queue(is.consumer, false);
    return request.fail(errc::cancelled, "closed before the queue had been opened");
  }
  if (is.why) {
    --host_.counts.subscriptions;
    consumers_.erase(one->number);
    return request.fail(is.why.code, is.why.message);
  }
  one->open = true;
  one->id = is.consumer;
  request.answer([&](flatbuffers::FlatBufferBuilder& builder) {
    return wire::CreateOpenQueueOk(builder, handlers::write_settings(builder, is.settings), one->prefetch);
  });
}

void queue_consumers::told(const weak& which, const shard::failure& ended, queue_delivery what) {
  const shared one = which.lock();
  if (!one) return;
  if (ended) {
    session_.send(0, [&](auto& builder) {
      return wire::CreateQueueNotice(builder, one->number, static_cast<std::uint16_t>(ended.code),
                                     builder.CreateString(ended.message));
    });
    --host_.counts.subscriptions;
    consumers_.erase(one->number);
    return;
  }
  one->unsent_bytes += what.batch.size();
  session_.send(
      0,
      [&](flatbuffers::FlatBufferBuilder& builder) {
        wire::LeasedRun* into = nullptr;
        const auto runs =
            builder.CreateUninitializedVectorOfStructs<wire::LeasedRun>(what.runs.size(), &into);
        for (const delivery::leased_run& run : what.runs)
          *into++ = {run.lease.value(), run.first.value(), run.count, run.attempt};
        return wire::CreateQueueDelivery(builder, one->number, what.partition.value(), runs);
      },
      std::move(what.batch));
  pump();
}

void queue_consumers::pump() {
  if (consumers_.empty() || !session_.has_output_room(0)) return;
  for (const auto& [number, one] : consumers_)
    if (one->open && one->unsent_bytes > 0)
      host_.queues->delivered(one->id, std::exchange(one->unsent_bytes, 0));
}

void queue_consumers::close(std::uint64_t id, const wire::CloseQueue& message) {
  const auto found = consumers_.find(message.consumer());
  if (found == consumers_.end())
    return session_.send_error(id, errc::unknown_subscription,
                               fmt::format("this connection has no consumer {}", message.consumer()));
  let_go(*found->second, false);
  consumers_.erase(found);
  session_.send(id, [](auto& builder) { return wire::CreateOk(builder); });
}

consumer_id queue_consumers::find(std::uint64_t number) const {
  const auto found = consumers_.find(number);
  return found == consumers_.end() || !found->second->open ? consumer_id() : found->second->id;
}

namespace {

queue_settlement read(const wire::Settled& one) {
  queue_settlement is;
  is.what = {delivery::lease_id(one.lease()), offset(one.first()), offset(one.first() + one.count())};
  if (one.settlement() != wire::Settlement::extend)
    is.how = static_cast<delivery::settlement>(one.settlement());
  // A year is for ever, and does not overflow.
  constexpr std::uint64_t delay_ms_max = 365ull * 24 * 3600 * 1000;
  if (one.delay_ms().has_value())
    is.delay = std::chrono::milliseconds(std::min(one.delay_ms().value(), delay_ms_max));
  is.reason = protocol::text(one.reason());
  return is;
}

}  // namespace

void queue_consumers::settle(std::uint64_t id, const wire::Settle& message) {
  const auto found = consumers_.find(message.consumer());
  if (found == consumers_.end() || !found->second->open)
    return session_.send_error(
        id, errc::unknown_lease,
        fmt::format("this connection has no consumer {}, and no leases of one", message.consumer()));
  std::vector<queue_settlement> all;
  all.reserve(message.settled()->size());
  for (const wire::Settled* const one : *message.settled()) all.push_back(read(*one));
  host_.queues->settle(
      found->second->id, std::move(all),
      [request = session_.open(id)](const std::vector<settle_failure>& failures) {
        request.answer([&](flatbuffers::FlatBufferBuilder& builder) {
          std::vector<flatbuffers::Offset<wire::SettleFailure>> list;
          list.reserve(failures.size());
          for (const settle_failure& one : failures) {
            // A header has to hold all of them.
            constexpr std::size_t messages_max = 64;
            const auto text = list.size() < messages_max ? builder.CreateString(one.why.message)
                                                         : flatbuffers::Offset<flatbuffers::String>();
            list.push_back(wire::CreateSettleFailure(builder, static_cast<std::uint32_t>(one.index),
                                                     static_cast<std::uint16_t>(one.why.code), text));
          }
          return wire::CreateSettleOk(builder, builder.CreateVector(list));
        });
      });
}

}  // namespace skald::server
