#include "client/choreography/src/event_sources.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <limits>

namespace skald::choreography::detail {

namespace asio = boost::asio;

asio::awaitable<std::uint32_t> event_sources::create(client& broker, std::vector<std::string> topics,
                                                     std::string queue, processor_settings settings) {
  // A failed event is never given up by default: the later ones of its key are to wait for it.
  const queue_settings with{
      .lease = settings.lease,
      .max_attempts = settings.max_attempts.value_or(std::numeric_limits<std::uint32_t>::max()),
      .backoff_min = settings.backoff_min,
      .backoff_max = settings.backoff_max,
      .ordered_by_key = true};
  std::uint32_t partitions_max = 1;
  for (const std::string& topic : topics) {
    const topic_settings of_topic{.partitions = settings.partitions, .index = topic_index::key};
    co_await broker.create_topic(topic, of_topic, {.if_absent = true});
    co_await broker.create_queue(topic, queue, with, {.if_absent = true});
    const topic_info is = co_await broker.describe_topic(topic);
    partitions_max = std::max(partitions_max, static_cast<std::uint32_t>(is.partitions.size()));
  }
  co_return partitions_max;
}

event_sources::event_sources(client& broker, const std::vector<std::string>& topics, const std::string& queue,
                             std::uint32_t concurrency)
    : broker_(broker), all_ended_(broker.get_executor()) {
  loops_.reserve(topics.size());
  for (const std::string& topic : topics)
    loops_.push_back(std::make_shared<sagas::detail::work_loop>(broker, topic, queue, concurrency));
}

asio::awaitable<void> event_sources::run(handler work) {
  const auto self = shared_from_this();
  for (const auto& loop : loops_) {
    ++running_;
    const sagas::detail::work_loop::handler each = [loop = loop.get(), work](const delivery& what) {
      return work(loop->queue(), what);
    };
    asio::co_spawn(broker_.get_executor(), loop->run(each),
                   [self](const std::exception_ptr& why) { self->ended(why); });
  }
  while (running_ > 0) {
    all_ended_.expires_at(asio::steady_timer::time_point::max());
    boost::system::error_code woken;
    co_await all_ended_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  }
  if (failure_) std::rethrow_exception(failure_);
}

void event_sources::ended(const std::exception_ptr& why) {
  if (why && !failure_) {
    failure_ = why;
    close();
  }
  if (--running_ == 0) all_ended_.cancel();
}

void event_sources::close() {
  for (const auto& loop : loops_) loop->close();
}

}  // namespace skald::choreography::detail
