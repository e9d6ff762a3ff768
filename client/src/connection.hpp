// The thin edge of the client: one socket, one timer, and the session that says what to do with them.
//
// It connects when it is first needed, and again whenever the connection is lost, until close(). Everything
// that is written during one turn of the event loop, or while a write is under way, goes out together; so
// does what is written in turns that follow one another closely.
//
// Threading: on the executor, except the constructor and get_executor(). Lifetime: shared by the client and
// everything made from it; the socket is open until close().
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include <skald/options.hpp>
#include "client/src/address.hpp"
#include "client/src/receive_buffer.hpp"
#include "client/src/session.hpp"

namespace skald::detail {

// What outlives connections and has to set itself up anew on each: producers and subscriptions. Held weakly.
class participant {
 public:
  virtual ~participant() = default;
  virtual void ready() = 0;
  virtual void lost() = 0;
  virtual void closed() = 0;
};

class connection : public std::enable_shared_from_this<connection> {
 public:
  // Throws skald::error (invalid_request) for a bad address.
  connection(asio::any_io_executor executor, const client_options& options);

  const asio::any_io_executor& get_executor() const { return executor_; }
  milliseconds default_timeout() const { return timeout_; }
  steady_time deadline(timeout given) const {
    return std::chrono::steady_clock::now() + given.value_or(timeout_);
  }
  detail::session& session() { return session_; }

  // Connects if need be, and writes what the session has to write. To be called after every use of the
  // session.
  void kick();
  void close();

  void join(const std::shared_ptr<participant>& who) { participants_.push_back(who); }
  // What the broker pushes to that subscription, responder, watch, consumer or RequestAll goes to `handler`,
  // until it is removed with an empty one. Their numbers come from session().next_id().
  void route(std::uint64_t number, std::function<void(const incoming_frame&)> handler);
  // Of this client, among all of the process; not 0.
  std::uint64_t number() const { return number_; }
  // Counts connections: what belongs to one that is gone has another number.
  std::uint64_t connections() const { return opened_; }

 private:
  asio::awaitable<void> run();
  asio::awaitable<result<>> establish();
  asio::awaitable<result<>> open_socket(const endpoint& where);
  asio::awaitable<result<>> read_until_lost();
  asio::awaitable<void> pause();
  void limit_attempt();
  result<> handle_received();
  void write_when_gathered(std::size_t frames_seen);
  void write();
  void arm_timer();
  void on_timer();
  void drop(failure why);
  void deliver(const incoming_frame& frame);
  template <class Visit>
  void for_each_participant(Visit&& visit);

  const std::uint64_t number_;
  asio::any_io_executor executor_;
  std::vector<endpoint> endpoints_;
  milliseconds timeout_;
  milliseconds connect_timeout_;
  milliseconds delay_min_;
  milliseconds delay_max_;
  detail::session session_;
  frame_stream stream_;

  asio::ip::tcp::socket socket_;
  asio::ip::tcp::resolver resolver_;
  asio::steady_timer timer_;          // the session's
  asio::steady_timer connect_timer_;  // of an attempt to connect
  asio::steady_timer pause_timer_;    // between attempts
  std::optional<steady_time> armed_;
  std::optional<failure> dropped_;  // why this side gave the connection up
  milliseconds delay_;
  std::minstd_rand jitter_;
  bool running_ = false;
  bool closed_ = false;
  bool kicked_ = false;
  bool writing_ = false;
  std::uint64_t attempts_ = 0;
  std::uint64_t opened_ = 0;  // counts connections, so that the end of an old write is recognised
  std::vector<std::weak_ptr<participant>> participants_;
  std::unordered_map<std::uint64_t, std::shared_ptr<const std::function<void(const incoming_frame&)>>>
      routes_;
};

}  // namespace skald::detail
