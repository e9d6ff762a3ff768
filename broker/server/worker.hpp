// What one reactor does for the network: its connections, what they share, and a sweep over their deadlines.
//
// Runs on its reactor, but for the constructor, adopt(), resume_starved() and close_all() as they say.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_set>
#include <vector>

#include "broker/server/host.hpp"
#include "broker/server/reactor.hpp"
#include "broker/server/receiver.hpp"

namespace skald::server {

class connection;

class worker {
 public:
  worker(reactor& on, session_host host, block_pool& received);
  ~worker();
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;

  void start();
  // Takes over a connection whose socket belongs to this reactor's context. With `refusal` the client is told
  // so and the connection closed. Any thread.
  void adopt(boost::asio::ip::tcp::socket socket, std::shared_ptr<const failure> refusal);
  // How many connections there are; any thread.
  std::size_t load() const { return load_.load(std::memory_order_relaxed); }
  // There is memory again for those who waited for it. Any thread.
  void resume_starved();
  void topic_changed(const shard::topic_change& change);
  // Ends all conversations gracefully; `done` is called once no connection is left.
  void stop_all(std::function<void()> done);
  // Drops what is left. On the reactor, or on any thread once it has stopped.
  void close_all();

  // ---- for its connections ----
  reactor& runs_on() { return reactor_; }
  session_host& host() { return host_; }
  block_pool& received() { return received_; }
  receiver::scratch& scratch() { return scratch_; }
  // Sends what the connection has queued, once, after all that is being worked on now.
  void flush_later(std::shared_ptr<connection> of);
  void starve(std::weak_ptr<connection> waits);
  // With the memory used up, one connection at a time may go on with its large frame.
  bool may_finish(const connection& waits);
  void has_finished(const connection& one);
  void closed(connection& gone);

 private:
  void sweep();
  void schedule_sweep();

  reactor& reactor_;
  session_host host_;
  block_pool& received_;
  receiver::scratch scratch_;
  std::unordered_set<std::shared_ptr<connection>> connections_;
  std::vector<std::shared_ptr<connection>> to_flush_;
  std::vector<std::weak_ptr<connection>> starved_;
  const connection* finishing_ = nullptr;
  std::function<void()> all_gone_;
  bool stopping_ = false;
  std::atomic<std::size_t> load_{0};
};

}  // namespace skald::server
