// A queue's records, many at a time, each with a coroutine of its own.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <skald/client.hpp>
#include <skald/saga/orchestrator.hpp>

namespace skald::sagas::detail {

// Threading: the client's executor.
class work_loop : public std::enable_shared_from_this<work_loop> {
 public:
  // What handles one, which outlives it; it must not throw.
  using handler = std::function<boost::asio::awaitable<void>(const delivery&)>;

  work_loop(client& broker, std::string topic, std::string queue, std::uint32_t concurrency);

  // Until close(), or what the broker says about the queue, for good; ends when the last handler has.
  boost::asio::awaitable<void> run(handler work);
  // Settles a record by `attempt`, which says whether that did it or somebody else's change asks for another
  // look, of which there are a few. What can never succeed (invalid_request) is rejected; what may, comes
  // again later. False: it does. All three outlive the call's coroutine.
  using attempt = std::function<boost::asio::awaitable<bool>()>;
  boost::asio::awaitable<bool> settle(const delivery& what, const attempt& once, std::string_view contended);
  void close();
  bool is_closed() const { return closed_; }
  work_queue& queue() { return queue_; }

 private:
  boost::asio::awaitable<void> open();
  boost::asio::awaitable<void> one(handler work, delivery what);

  client& broker_;
  std::string topic_;
  std::string name_;
  std::uint32_t concurrency_;
  work_queue queue_;
  boost::asio::steady_timer idle_;
  std::size_t running_ = 0;
  bool opened_ = false;
  bool closed_ = false;
};

// What is given by reference has to outlive the call's coroutine.
boost::asio::awaitable<void> create_topic(client& broker, const std::string& name, topic_index index,
                                          saga_topics settings);
boost::asio::awaitable<void> create_queue(client& broker, const std::string& topic, std::string_view queue,
                                          saga_topics settings);
boost::asio::awaitable<void> create_participant(client& broker, const std::string& name,
                                                saga_topics settings);

// The newest record of a key; nullopt: there is none.
struct stored_record {
  record newest;
  std::uint64_t version = 0;
};
boost::asio::awaitable<std::optional<stored_record>> read_newest(client& broker, const std::string& topic,
                                                                 const std::string& key,
                                                                 partition_id partition);

// Whether this failure is one of the connection, which the next attempt may not have.
bool may_pass(const error& why);

}  // namespace skald::sagas::detail
