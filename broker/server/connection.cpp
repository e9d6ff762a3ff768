#include "broker/server/connection.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <utility>

#include "broker/server/log.hpp"
#include "broker/server/worker.hpp"

namespace skald::server {

namespace asio = boost::asio;

namespace {

asio::ip::tcp::endpoint remote_of(const asio::ip::tcp::socket& socket) {
  boost::system::error_code gone;
  return socket.remote_endpoint(gone);
}

}  // namespace

connection::connection(worker& at, asio::ip::tcp::socket socket)
    : worker_(at), socket_(std::move(socket)), peer_(remote_of(socket_)) {
  opened_ = last_received_ = last_sent_ = at.host().now();
}

connection::~connection() = default;

void connection::start() {
  boost::system::error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  session_ = std::make_shared<session>(worker_.host(), *this);
  wait_readable();
}

std::string connection::peer() const {
  return fmt::format("{}:{}", peer_.address().to_string(), peer_.port());
}

// ---- reading -------------------------------------------------------------------------------------------

bool connection::may_read() {
  if (phase_ == phase::lingering) return true;
  if (phase_ == phase::closed) return false;
  if (!session_->wants_input()) {
    paused_ = true;
    return false;
  }
  const bool room = has_memory();
  if (!room && !starved_) {
    starved_ = true;
    worker_.starve(weak_from_this());
  }
  return room;
}

// A frame that has begun gets what it needs before others begin: completing it is what frees memory. Only
// those too large to have had all of their memory from the start may find none, and then they finish one by
// one.
bool connection::has_memory() {
  block_pool& memory = worker_.received();
  if (!receiver_.in_frame()) return memory.has_room();
  return receiver_.has_space_for_frame() || memory.has_room_to_finish() || worker_.may_finish(*this);
}

// What a frame took stays counted: while frames that do not get ahead use up the memory, they are to be let
// go.
void connection::resume() {
  starved_ = false;
  if (waiting_readable_) return;
  last_received_ = worker_.host().now();
  wait_readable();
}

void connection::input_wanted() {
  // Neither silence nor an unfinished frame is the client's doing while we did not want to read.
  if (std::exchange(paused_, false)) frame_began_ = last_received_ = worker_.host().now();
  if (waiting_readable_ || starved_) return;
  wait_readable();
}

void connection::wait_readable() {
  if (waiting_readable_ || phase_ == phase::closed) return;
  waiting_readable_ = true;
  socket_.async_wait(asio::ip::tcp::socket::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->waiting_readable_ = false;
                       if (!error) self->on_readable();
                     });
}

void connection::on_readable() {
  constexpr int reads_per_turn = 4;  // then it is the other connections' turn
  for (int i = 0; i < reads_per_turn; ++i) {
    if (!may_read()) return;
    if (!(phase_ == phase::lingering ? drop_input() : read_some())) return wait_readable();
  }
  if (waiting_readable_) return;  // what was taken has been answered at once, and asked for more
  waiting_readable_ = true;
  asio::post(worker_.runs_on().context(), [self = shared_from_this()] {
    self->waiting_readable_ = false;
    self->on_readable();
  });
}

bool connection::read_some() {
  const std::span<std::byte> space = receiver_.prepare(worker_.received(), worker_.scratch());
  const ssize_t got = ::recv(socket_.native_handle(), space.data(), space.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return errno == EINTR;
  if (got <= 0) {
    close();
    return false;
  }
  take(static_cast<std::size_t>(got));
  return phase_ == phase::talking && static_cast<std::size_t>(got) == space.size();
}

// Strangers get by with little.
protocol::frame_limits connection::frame_limits() const {
  constexpr std::uint32_t before_hello_bytes_max = 1u << 20;
  protocol::frame_limits limits = worker_.host().settings.frames;
  if (!session_->greeted()) limits.frame_bytes_max = std::min(limits.frame_bytes_max, before_hello_bytes_max);
  return limits;
}

void connection::take(std::size_t count) {
  last_received_ = worker_.host().now();
  bool begins_frame = !receiver_.in_frame();
  std::size_t frames = 0;
  const auto taken =
      receiver_.received(count, frame_limits(), worker_.received(), worker_.scratch(),
                         [&](const protocol::frame_view& frame, const std::shared_ptr<const void>& owner) {
                           ++frames;
                           const bool was_talking = !session_->finished();
                           session_->receive(frame, owner);
                           begins_frame = true;
                           if (was_talking && session_->finished()) {
                             connection_noise().log("{}: {}", peer(), session_->farewell());
                           }
                         });
  if (!taken) return hang_up(taken.error().code, taken.error().message);
  worker_.runs_on().note(frames == 1 ? executor::load::idle : executor::load::busy);
  paused_ = !session_->wants_input();
  if (begins_frame) {
    frame_began_ = last_received_;
    worker_.has_finished(*this);
  }
}

bool connection::drop_input() {
  std::array<std::byte, 16384> dropped;
  const ssize_t got = ::recv(socket_.native_handle(), dropped.data(), dropped.size(), MSG_DONTWAIT);
  if (got > 0) return true;
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return errno == EINTR;
  close();
  return false;
}

// ---- writing -------------------------------------------------------------------------------------------

void connection::output_ready() {
  if (flush_coming_ || waiting_writable_ || phase_ != phase::talking) return;
  flush_coming_ = true;
  worker_.flush_later(shared_from_this());
}

void connection::flush() {
  flush_coming_ = false;
  if (phase_ != phase::talking) return;
  constexpr int sends_per_turn = 8;
  for (int i = 0; i < sends_per_turn; ++i) {
    if (session_->output().empty()) {
      if (session_->finished()) linger();
      return;
    }
    if (!send_some()) return;
  }
  output_ready();
}

bool connection::send_some() {
  constexpr std::size_t parts_max = 64;
  std::array<iovec, parts_max> parts;
  out_queue& queue = session_->output();
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = queue.gather(parts);
  const ssize_t sent = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0) {
    if (errno == EINTR) return true;
    if (errno == EAGAIN) {
      wait_writable();
    } else {
      close();
    }
    return false;
  }
  last_sent_ = worker_.host().now();
  queue.consume(static_cast<std::size_t>(sent));
  worker_.host().counts.bytes_out.fetch_add(static_cast<std::uint64_t>(sent), std::memory_order_relaxed);
  session_->output_sent();
  return true;
}

void connection::wait_writable() {
  waiting_writable_ = true;
  socket_.async_wait(asio::ip::tcp::socket::wait_write,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->waiting_writable_ = false;
                       if (!error) self->flush();
                     });
}

// ---- ending --------------------------------------------------------------------------------------------

void connection::refuse(const failure& why) {
  session_->hang_up(why.code, why.message);
}

void connection::stop() {
  if (phase_ == phase::talking) session_->stop();
}

void connection::topic_changed(const shard::topic_change& change) {
  if (phase_ == phase::talking) session_->topic_changed(change);
}

void connection::hang_up(errc code, const std::string& why) {
  connection_noise().log("{}: {}", peer(), why);
  session_->hang_up(code, why);
  receiver_.clear();
  worker_.has_finished(*this);  // it lingers without memory, so others need not wait for its end
}

void connection::linger() {
  phase_ = phase::lingering;
  linger_until_ = worker_.host().now() + worker_.host().settings.linger_timeout;
  receiver_.clear();
  boost::system::error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  wait_readable();
}

void connection::close() {
  if (phase_ == phase::closed) return;
  phase_ = phase::closed;
  boost::system::error_code ignored;
  socket_.close(ignored);
  receiver_.clear();
  worker_.has_finished(*this);
  session_.reset();  // never called from inside it
  worker_.closed(*this);
}

void connection::sweep(clock::time_point now) {
  const session_settings& is = worker_.host().settings;
  if (phase_ == phase::lingering) {
    if (now >= linger_until_) close();
    return;
  }
  if (phase_ == phase::closed) return;
  session_->sweep();
  const bool stuck = !session_->output().empty() && now - last_sent_ >= is.write_timeout;
  if (session_->output().empty()) last_sent_ = now;
  if (stuck) {
    connection_noise().log("{}: has not taken what is sent to it for {} ms; the connection is closed", peer(),
                           is.write_timeout.count());
    return close();
  }
  if (session_->finished() || !session_->wants_input()) return;
  // Who waits for memory is not late, unless with a part of a frame: that is what uses the memory up.
  if (starved_ && !receiver_.in_frame()) return;
  if (!session_->greeted()) {
    if (now - opened_ >= is.hello_timeout) hang_up(errc::deadline_exceeded, "no Hello came in time");
  } else if (receiver_.in_frame() && now - frame_began_ >= is.frame_timeout) {
    hang_up(errc::deadline_exceeded, starved_
                                         ? "a frame took too long to arrive, and others wait for its memory"
                                         : "a frame took too long to arrive; is the network that slow?");
  } else if (!starved_ && now - last_received_ >= is.idle_timeout) {
    hang_up(errc::deadline_exceeded, "nothing was heard for the idle timeout; send Ping before it runs out");
  }
}

}  // namespace skald::server
