#include "client/src/connection.hpp"

#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <limits>
#include <utility>

#include <skald/protocol/error.hpp>

namespace skald::detail {

namespace {

using asio::ip::tcp;

std::vector<endpoint> parsed_addresses(std::string_view list) {
  auto endpoints = parse_addresses(list);
  if (!endpoints) throw error(endpoints.error().code, endpoints.error().message);
  return *std::move(endpoints);
}

std::string text_of(const std::vector<endpoint>& endpoints) {
  std::string text;
  for (const auto& one : endpoints) text += (text.empty() ? "" : ", ") + one.text();
  return text;
}

// Frames larger than the broker's own limit do not come from a broker.
constexpr protocol::frame_limits receive_limits{.frame_bytes_max = 128u << 20, .header_bytes_max = 16u << 20};

std::uint64_t next_number() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace

connection::connection(asio::any_io_executor executor, const client_options& options)
    : number_(next_number()),
      executor_(std::move(executor)),
      endpoints_(parsed_addresses(options.address)),
      timeout_(options.timeout),
      connect_timeout_(options.connect_timeout),
      delay_min_(options.reconnect_delay_min),
      delay_max_(std::max(options.reconnect_delay_min, options.reconnect_delay_max)),
      session_(std::string(options.client_name), text_of(endpoints_)),
      stream_(std::make_shared<receive_pool>(), receive_limits),
      socket_(executor_),
      resolver_(executor_),
      timer_(executor_),
      connect_timer_(executor_),
      pause_timer_(executor_),
      delay_(delay_min_),
      jitter_(std::random_device{}()) {
  session_.set_events({[this] { for_each_participant([](participant& who) { who.ready(); }); },
                       [this] { for_each_participant([](participant& who) { who.lost(); }); },
                       [this](const incoming_frame& frame) { deliver(frame); }});
}

template <class Visit>
void connection::for_each_participant(Visit&& visit) {
  std::erase_if(participants_, [](const auto& who) { return who.expired(); });
  const auto present = participants_;  // a visit may join another
  for (const auto& who : present)
    if (const auto alive = who.lock()) visit(*alive);
}

void connection::route(std::uint64_t number, std::function<void(const incoming_frame&)> handler) {
  if (handler)
    routes_[number] = std::make_shared<const std::function<void(const incoming_frame&)>>(std::move(handler));
  else
    routes_.erase(number);
}

namespace {

// Whom a pushed message is for.
std::uint64_t number_of(const wire::Frame& frame) {
  switch (frame.body_type()) {
    case wire::Body::Delivery:
      return frame.body_as_Delivery()->subscription();
    case wire::Body::SubscriptionNotice:
      return frame.body_as_SubscriptionNotice()->subscription();
    case wire::Body::SubscriptionChanged:
      return frame.body_as_SubscriptionChanged()->subscription();
    case wire::Body::RequestDelivery:
      return frame.body_as_RequestDelivery()->responder();
    case wire::Body::RequestCancelled:
      return frame.body_as_RequestCancelled()->responder();
    case wire::Body::ResponderNotice:
      return frame.body_as_ResponderNotice()->responder();
    case wire::Body::PartialReply:
      return frame.body_as_PartialReply()->request();
    case wire::Body::ServiceEvent:
      return frame.body_as_ServiceEvent()->watch();
    case wire::Body::QueueDelivery:
      return frame.body_as_QueueDelivery()->consumer();
    case wire::Body::QueueNotice:
      return frame.body_as_QueueNotice()->consumer();
    default:
      return 0;
  }
}

}  // namespace

void connection::deliver(const incoming_frame& frame) {
  // Unknown is what the broker sent before it read our Unsubscribe, or the like.
  if (const auto found = routes_.find(number_of(*frame.header)); found != routes_.end()) {
    const auto handler = found->second;  // which may remove itself
    (*handler)(frame);
  }
}

void connection::kick() {
  if (closed_) return;
  if (!running_) {
    running_ = true;
    asio::co_spawn(executor_, [self = shared_from_this()] { return self->run(); }, asio::detached);
  }
  if (kicked_) return;
  kicked_ = true;
  asio::post(executor_, [self = shared_from_this()] { self->write_when_gathered(0); });
}

void connection::close() {
  if (closed_) return;
  closed_ = true;
  session_.close({errc::closed, "the client was closed"});
  for_each_participant([](participant& who) { who.closed(); });
  routes_.clear();
  boost::system::error_code ignored;
  socket_.close(ignored);
  resolver_.cancel();
  timer_.cancel();
  connect_timer_.cancel();
  pause_timer_.cancel();
}

// ---- connecting ------------------------------------------------------------------------------------------

asio::awaitable<void> connection::run() {
  while (!closed_) {
    result<> outcome = co_await establish();
    if (outcome) {
      outcome = co_await read_until_lost();
      boost::system::error_code ignored;
      socket_.close(ignored);
      if (closed_) break;
      session_.lost(outcome.error());
      arm_timer();
    } else if (!closed_) {
      session_.unreachable(outcome.error());
    }
    if (!closed_) co_await pause();
  }
}

asio::awaitable<result<>> connection::establish() {
  failure last{errc::cannot_connect, ""};
  for (const auto& where : endpoints_) {
    result<> outcome = co_await open_socket(where);
    if (closed_) co_return failure{errc::closed, "the client was closed"};
    if (outcome) co_return outcome;
    if (!last.message.empty()) last.message += "; ";
    last.message += "cannot connect to " + where.text() + ": " + outcome.error().message;
  }
  last.message += "; check the address and that skaldd runs there";
  co_return last;
}

asio::awaitable<result<>> connection::open_socket(const endpoint& where) {
  limit_attempt();
  boost::system::error_code code;
  auto token = asio::redirect_error(asio::use_awaitable, code);
  const auto found = co_await resolver_.async_resolve(where.host, where.port, token);
  if (!code && !closed_ && !dropped_) co_await asio::async_connect(socket_, found, token);
  if (dropped_) co_return *dropped_;
  if (code) co_return failure{errc::cannot_connect, code.message()};
  socket_.set_option(tcp::no_delay(true), code);
  socket_.non_blocking(true, code);
  co_return result<>();
}

// Gives an attempt connect_timeout until the broker has greeted.
void connection::limit_attempt() {
  dropped_.reset();
  connect_timer_.expires_after(connect_timeout_);
  connect_timer_.async_wait(
      [self = shared_from_this(), attempt = ++attempts_](const boost::system::error_code& stopped) {
        // A handler that was queued already when the timer was cancelled is told by its number.
        if (stopped || attempt != self->attempts_ || self->session_.ready() || self->closed_) return;
        self->resolver_.cancel();
        self->drop({errc::cannot_connect,
                    "no connection within " + in_words(self->connect_timeout_) + "; is it a skald broker?"});
      });
}

asio::awaitable<void> connection::pause() {
  std::uniform_real_distribution<double> spread(0.5, 1.0);
  const auto wait = std::chrono::duration_cast<milliseconds>(delay_ * spread(jitter_));
  delay_ = std::min(delay_ * 2, delay_max_);
  pause_timer_.expires_after(wait);
  boost::system::error_code code;
  co_await pause_timer_.async_wait(asio::redirect_error(asio::use_awaitable, code));
}

// ---- reading ---------------------------------------------------------------------------------------------

asio::awaitable<result<>> connection::read_until_lost() {
  ++opened_;
  writing_ = false;
  stream_.clear();
  session_.opened(std::chrono::steady_clock::now());
  write();
  boost::system::error_code code;
  auto token = asio::redirect_error(asio::use_awaitable, code);
  for (;;) {
    const auto room = stream_.prepare();
    const auto buffer = asio::buffer(room.data(), room.size());
    const std::size_t bytes = co_await socket_.async_read_some(buffer, token);
    if (dropped_) co_return *dropped_;
    if (closed_) co_return failure{errc::closed, "the client was closed"};
    if (code == asio::error::eof)
      co_return failure{errc::connection_lost, session_.where() + " closed the connection"};
    if (code) co_return failure{errc::connection_lost, code.message()};
    stream_.commit(bytes);
    if (result<> outcome = handle_received(); !outcome) co_return outcome;
    if (closed_) co_return failure{errc::closed, "the client was closed"};
  }
}

result<> connection::handle_received() {
  const auto now = std::chrono::steady_clock::now();
  const bool was_ready = session_.ready();
  for (;;) {
    auto frame = stream_.next();
    if (!frame) return frame.error();
    if (!*frame) break;
    if (result<> outcome = session_.received(**frame, now); !outcome) return outcome;
    if (closed_) return {};
  }
  if (!was_ready && session_.ready()) {
    delay_ = delay_min_;
    ++attempts_;
    connect_timer_.cancel();
  }
  arm_timer();
  write();
  return {};
}

void connection::drop(failure why) {
  dropped_ = std::move(why);
  boost::system::error_code ignored;
  socket_.close(ignored);  // the read completes and ends the connection
}

// ---- writing ---------------------------------------------------------------------------------------------

// Handlers that follow one another, as those of one who answers what came in one read, add a frame each.
// Written one by one they would cost a system call and a wake-up of the broker each; so whoever writes often
// lets the handlers that are ready now have their turn first, for as long as they add something.
void connection::write_when_gathered(std::size_t frames_seen) {
  constexpr std::chrono::microseconds often{25};
  constexpr std::size_t frames_max = 32;
  const std::size_t frames = session_.frames_to_write();
  if (!writing_ && frames > frames_seen && frames < frames_max &&
      std::chrono::steady_clock::now() - session_.last_written() < often) {
    asio::post(executor_, [self = shared_from_this(), frames] { self->write_when_gathered(frames); });
    return;
  }
  kicked_ = false;
  arm_timer();
  write();
}

void connection::write() {
  if (writing_ || closed_ || !session_.has_output()) return;
  auto frames =
      std::make_shared<std::vector<shared_frame>>(session_.take_output(std::chrono::steady_clock::now()));
  std::vector<asio::const_buffer> pieces;
  for (const auto& frame : *frames) {
    pieces.emplace_back(frame->front.data(), frame->front.size());
    for (const auto& piece : frame->payload) pieces.emplace_back(piece->data(), piece->size());
  }
  writing_ = true;
  // Asio writes 16 pieces at a time, and unless told otherwise 64 KiB, which costs both sides a wake-up each.
  const auto as_much_as_fits = [](const boost::system::error_code& code, std::size_t) {
    return code ? 0 : std::numeric_limits<std::size_t>::max();
  };
  asio::async_write(socket_, pieces, as_much_as_fits,
                    [self = shared_from_this(), frames, opened = opened_](
                        const boost::system::error_code& code, std::size_t) {
                      if (opened != self->opened_ || self->closed_) return;  // of a connection that is gone
                      self->writing_ = false;
                      if (code) return self->drop({errc::connection_lost, code.message()});
                      if (self->session_.has_output()) self->kick();
                    });
}

// ---- time ------------------------------------------------------------------------------------------------

void connection::arm_timer() {
  const auto next = session_.next_tick();
  // A timer that fires too early finds nothing due and arms anew, which is cheaper than moving it with each
  // request.
  if (closed_ || !next || (armed_ && *armed_ <= *next)) return;
  armed_ = next;
  timer_.expires_at(*next);
  timer_.async_wait([self = weak_from_this()](const boost::system::error_code& code) {
    if (code) return;
    if (const auto alive = self.lock()) alive->on_timer();
  });
}

void connection::on_timer() {
  if (closed_) return;
  armed_.reset();
  if (result<> outcome = session_.tick(std::chrono::steady_clock::now()); !outcome) drop(outcome.error());
  arm_timer();
  write();
}

}  // namespace skald::detail
