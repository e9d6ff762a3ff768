#include "client/resilience/src/pause.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <skald/protocol/error.hpp>

namespace skald::resilience::detail {

boost::asio::awaitable<void> pause(std::chrono::nanoseconds wait) {
  const auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer(executor,
                                  std::chrono::duration_cast<std::chrono::steady_clock::duration>(wait));
  boost::system::error_code interrupted;
  co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, interrupted));
  if (interrupted) throw error(errc::cancelled, "the call was cancelled while it waited for its turn");
}

}  // namespace skald::resilience::detail
