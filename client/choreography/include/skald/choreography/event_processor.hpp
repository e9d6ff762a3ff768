// Handles events with effects in the broker: further events, timers, records of any topic.
//
//   choreography::event_processor shipping(broker, "shipping");
//   shipping.on<order_approved>("order-events", [](const order_approved& event, choreography::handling& in) {
//     in.publish("shipment-events", in.aggregate_id(), shipment_planned{event.address});
//   });
//   co_await shipping.create();  // its queues and inbox; once
//   co_await shipping.run();     // until close()
//
// Once. What a handler has published or otherwise added to `effect`, the acknowledgement of the event, and
// the event's message id in the inbox are one atomic commit. Whoever dies, or wakes when another has taken
// over, the event is handled by a commit that takes effect, and by one only. An event without a message id of
// its own is known by its place, which its acknowledgement marks; it needs no inbox. What a handler does
// besides may happen again: it has the event's message id to know it by.
//
// In order. Of each aggregate, events are handled one after the other; other aggregates go on meanwhile, as
// many at a time of each topic as `concurrency`. A handler that throws has failed: its event is parked, and
// with it the later ones of its aggregate, and tried again after a while, or when `skald queue retry` says
// so; `skald queue peek` says why. So has one whose event cannot be decoded.
//
// Types that have no handler are acknowledged and passed over.
//
// Threading, errors and cancellation: as the client's, which has to outlive this. Handlers run on its
// executor, and may be coroutines; those of different aggregates then take turns.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <skald/choreography/event.hpp>
#include <skald/choreography/event_handlers.hpp>
#include <skald/client.hpp>

namespace skald::choreography {

class handling : public received_event {
 public:
  using received_event::received_event;

  template <encodable Event>
  commit::appended publish(std::string_view topic, std::string_view aggregate_id, const Event& what) {
    const event_message made(aggregate_id, what);
    return effect.append(topic, made.view());
  }

  // Happens with the acknowledgement of the event. When it is refused with version_conflict, the handler is
  // called again.
  commit effect;
};

class event_processor {
 public:
  template <class Result>
  using awaitable = boost::asio::awaitable<Result>;

  // Does no I/O. The name is that of its queues; processors of one name share the events.
  event_processor(client& broker, std::string_view name, std::uint32_t concurrency = 256);
  ~event_processor();
  event_processor(event_processor&&) noexcept;
  event_processor& operator=(event_processor&&) noexcept;

  // void(const Event&, handling&), or awaitable<void>. Before create().
  template <encodable Event, class F>
  event_processor& on(std::string_view topic, F work) {
    add(topic, codec<Event>::name,
        [work = std::move(work)](std::string_view data, handling& in) -> awaitable<void> {
          const Event event = codec<Event>::from_bytes(data);
          if constexpr (std::is_void_v<std::invoke_result_t<const F&, const Event&, handling&>>)
            work(event, in);
          else
            co_await work(event, in);
        });
    return *this;
  }

  // Makes, unless they are there: the topics, their queues, and the inbox `NAME.inbox`, which remembers a
  // message so long.
  awaitable<void> create(processor_settings settings = {},
                         std::chrono::seconds inbox_kept = std::chrono::hours(7 * 24));
  // Handles events, until close(). One at a time. Throws what the broker says about a queue, for good.
  awaitable<void> run();
  // run() ends when what it has begun has ended. Idempotent.
  void close();

  processor_metrics metrics() const;

 private:
  struct core;
  using handler = std::function<awaitable<void>(std::string_view data, handling& in)>;
  void add(std::string_view topic, std::string_view type, handler work);
  std::shared_ptr<core> core_;
};

}  // namespace skald::choreography
