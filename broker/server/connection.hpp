// A socket and the session behind it: moves bytes, keeps deadlines, and holds no memory while nothing
// happens.
//
// Reading: wait until readable, then read into the receiver's space, unless the session has enough
// outstanding or the memory budget is used up; whoever changes that resumes it. Writing: everything queued
// goes out with one gathering write when the reactor has done its present work. Closing: what is queued is
// sent, then the sending side is shut, and what the peer still sends is read and dropped for a while, because
// closing a socket with unread input would take back what the peer has not yet read.
//
// Runs on its worker's reactor.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "broker/server/receiver.hpp"
#include "broker/server/session.hpp"

namespace skald::server {

class worker;

class connection final : public session::edge, public std::enable_shared_from_this<connection> {
 public:
  connection(worker& at, boost::asio::ip::tcp::socket socket);
  ~connection();

  void start();
  // Tells the client that it cannot stay.
  void refuse(const failure& why);
  // Ends the conversation once what was accepted is answered.
  void stop();
  // Reads on after a pause.
  void resume();
  void flush();
  void sweep(std::chrono::steady_clock::time_point now);
  void topic_changed(const shard::topic_change& change);
  // At once; what is queued is lost. Idempotent.
  void close();

  void output_ready() override;
  void input_wanted() override;

 private:
  using clock = std::chrono::steady_clock;
  enum class phase { talking, lingering, closed };

  void wait_readable();
  void on_readable();
  bool may_read();
  bool has_memory();
  // Reads once; whether there may be more to read at once.
  bool read_some();
  protocol::frame_limits frame_limits() const;
  void take(std::size_t count);
  bool drop_input();
  void wait_writable();
  // Sends once; whether more can be sent at once.
  bool send_some();
  void linger();
  void hang_up(errc code, const std::string& why);
  std::string peer() const;

  worker& worker_;
  boost::asio::ip::tcp::socket socket_;
  const boost::asio::ip::tcp::endpoint peer_;
  std::shared_ptr<session> session_;  // null once closed
  receiver receiver_;
  phase phase_ = phase::talking;
  bool waiting_readable_ = false;
  bool waiting_writable_ = false;
  bool flush_coming_ = false;
  bool starved_ = false;  // the worker will resume it when there is memory
  bool paused_ = false;   // the session has enough outstanding, and will say when it wants input again
  clock::time_point opened_;
  clock::time_point last_received_;
  clock::time_point frame_began_;
  clock::time_point last_sent_;  // or nothing was queued
  clock::time_point linger_until_;
};

}  // namespace skald::server
