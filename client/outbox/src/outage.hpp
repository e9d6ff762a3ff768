// A database that cannot be reached, or that others keep: it is left alone for a while, which doubles each
// time.
#pragma once

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

#include <skald/outbox/database_error.hpp>

namespace skald::outbox::detail {

// What was done has not happened, or the inbox knows it: it is to be done again.
inline bool may_pass(const database_error& why) {
  return why.problem() != database_problem::other;
}

class outage {
 public:
  explicit outage(const boost::asio::any_io_executor& on) : timer_(on) {}

  boost::asio::awaitable<void> wait() {
    timer_.expires_after(delay_);
    delay_ = std::min(2 * delay_, delay_max);
    boost::system::error_code woken;
    co_await timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, woken));
  }

 private:
  static constexpr std::chrono::milliseconds delay_max{1'000};
  boost::asio::steady_timer timer_;
  std::chrono::milliseconds delay_{20};
};

}  // namespace skald::outbox::detail
