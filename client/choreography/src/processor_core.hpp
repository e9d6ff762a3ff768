// What both kinds of processors are: handlers by topic and type of event, and queues that are read while it
// runs. How an event is handled is what they differ in.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <skald/choreography/event_handlers.hpp>
#include <skald/client.hpp>
#include <skald/eventsourcing/event_stream.hpp>

#include "client/choreography/src/event_sources.hpp"

namespace skald::choreography::detail {

// Threading: the client's executor.
template <class Handler>
class processor_core : public std::enable_shared_from_this<processor_core<Handler>> {
 public:
  processor_core(client& to, std::string_view of, std::uint32_t at_a_time)
      : broker(to), name(of), concurrency_(at_a_time) {}
  processor_core(const processor_core&) = delete;
  processor_core& operator=(const processor_core&) = delete;
  virtual ~processor_core() = default;

  boost::asio::awaitable<void> run() {
    const auto self = this->shared_from_this();
    if (closed_) co_return;
    sources_ = std::make_shared<event_sources>(broker, handlers.topics(), name, concurrency_);
    const event_sources::handler each = [this](work_queue& from, const delivery& what) {
      return settle(from, what);
    };
    co_await sources_->run(each);
  }
  void close() {
    closed_ = true;
    if (sources_) sources_->close();
  }
  bool is_closed() const { return closed_; }

  client& broker;
  const std::string name;
  event_handlers<Handler> handlers;
  processor_metrics counts;

 protected:
  // Has the handler work on the event, and acknowledges that, unless it is somebody else's by now. What it
  // throws is why the event has failed.
  virtual boost::asio::awaitable<void> handle(work_queue& from, const delivery& what, const Handler& work,
                                              std::string_view data) = 0;

 private:
  boost::asio::awaitable<void> settle(work_queue& from, const delivery& what) {
    const auto self = this->shared_from_this();
    std::string why;
    try {
      const eventsourcing::recorded_event is = eventsourcing::event_of(what);
      const Handler* work = handlers.find(what.topic(), is.type);
      if (work != nullptr) {
        co_await handle(from, what, *work, is.data);
        co_return;
      }
      ++counts.ignored;
      from.ack(what);
      co_return;
    } catch (const error& failed) {
      if (failed.code() == errc::closed || failed.code() == errc::cancelled) co_return;
      why = failed.what();
    } catch (const std::exception& failed) {
      why = failed.what();
    }
    ++counts.failures;
    from.nack(what, {}, why);
  }

  std::uint32_t concurrency_;
  std::shared_ptr<event_sources> sources_;  // while it runs
  bool closed_ = false;
};

}  // namespace skald::choreography::detail
