// A wait on the executor of the coroutine that awaits it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>

namespace skald::resilience::detail {

// Throws skald::error (cancelled).
boost::asio::awaitable<void> pause(std::chrono::nanoseconds wait);

}  // namespace skald::resilience::detail
