// The queues that one processor reads: one for each topic, all together.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <skald/choreography/event_handlers.hpp>
#include <skald/client.hpp>

#include "client/saga/src/work_loop.hpp"

namespace skald::choreography::detail {

// Threading: the client's executor.
class event_sources : public std::enable_shared_from_this<event_sources> {
 public:
  // Handles an event of that queue, and settles it then or later; it must not throw.
  using handler = std::function<boost::asio::awaitable<void>(work_queue& from, const delivery&)>;

  // Makes the topics and queues that are not there. Gives how many partitions the topic with most of them
  // has.
  static boost::asio::awaitable<std::uint32_t> create(client& broker, std::vector<std::string> topics,
                                                      std::string queue, processor_settings settings);

  event_sources(client& broker, const std::vector<std::string>& topics, const std::string& queue,
                std::uint32_t concurrency);

  // Until close(); ends when the last handler has. Throws what ended one of the queues, which ends the
  // others.
  boost::asio::awaitable<void> run(handler work);
  void close();

 private:
  void ended(const std::exception_ptr& why);

  client& broker_;
  std::vector<std::shared_ptr<sagas::detail::work_loop>> loops_;
  boost::asio::steady_timer all_ended_;
  std::size_t running_ = 0;
  std::exception_ptr failure_;
};

}  // namespace skald::choreography::detail
