// Events of aggregates, as services exchange them.
//
// An aggregate's events are the records of a topic; the key is the aggregate's id, the header `event-type`
// the type's name, the value its bytes: as skald::eventsourcing stores them. How a type becomes bytes is what
// sagas::codec says, so that both styles of sagas, and both of their services, share their types.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <skald/eventsourcing/event_stream.hpp>
#include <skald/queue.hpp>
#include <skald/record.hpp>
#include <skald/saga/codec.hpp>
#include <skald/tracing.hpp>

namespace skald::choreography {

using sagas::codec;
using sagas::encodable;

// An event to publish, with whatever publishes:
//
//   const event_message created(order_id, order_created{...});
//   change.publish("order-events", created.view());              // of an outbox; or
//   effect.append("order-events", created.view());               // of a unit of work
class event_message {
 public:
  template <encodable Event>
  event_message(std::string_view aggregate_id, const Event& what)
      : key_(aggregate_id),
        value_(codec<Event>::to_bytes(what)),
        type_{header{eventsourcing::event_type_header, codec<Event>::name}} {}

  // Valid as long as this is.
  message view() const& { return {.key = key_, .value = value_, .headers = type_}; }
  message view() const&& = delete;

 private:
  std::string key_;
  std::string value_;
  std::array<header, 1> type_;  // of views that are constants
};

// What a handler knows of the event that it is called with. Valid during the call.
class received_event {
 public:
  explicit received_event(const delivery& from)
      : from_(from),
        type_(eventsourcing::event_of(from).type),
        message_id_(tracing::message_id_of(from)),
        cause_(tracing::caused_by(from)) {}

  std::string_view topic() const { return from_.topic(); }
  std::string_view aggregate_id() const { return from_.key().value_or(""); }
  std::string_view type() const { return type_; }
  // The same whenever, and however often, the event comes.
  std::string_view message_id() const { return message_id_; }
  std::string_view correlation_id() const { return cause_.correlation_id; }
  // What this event causes; what a handler publishes says so already.
  const tracing::lineage& cause() const { return cause_; }
  // 1 for the first. What those before did besides publishing may have been done.
  std::uint32_t attempt() const { return from_.attempt(); }
  const record& source() const { return from_; }

 private:
  const delivery& from_;
  std::string_view type_;
  std::string message_id_;
  tracing::lineage cause_;
};

}  // namespace skald::choreography
