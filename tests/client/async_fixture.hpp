// A fake broker and a client on one io_context, and the running of coroutines on it.
#pragma once

#include <doctest/doctest.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <optional>
#include <skald/skald.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/client/fake_broker/fake_broker.hpp"

namespace skald::test {

namespace asio = boost::asio;
using namespace std::chrono_literals;

// How long a test waits for what must happen; only a failing test takes that long.
inline constexpr auto patience = 30s;

struct async_fixture {
  asio::io_context io;
  fake_broker server{io};
  std::string address = server.address();
  std::optional<client> broker{std::in_place, io.get_executor(), options()};

  // Reconnects fast.
  client_options options() {
    return {.address = address,
            .client_name = "test",
            .timeout = 10s,
            .connect_timeout = 5s,
            .reconnect_delay_min = 1ms,
            .reconnect_delay_max = 20ms};
  }

  // Runs a coroutine to its end; throws what it throws.
  void run(asio::awaitable<void> work) {
    std::optional<std::exception_ptr> ended;
    asio::co_spawn(io, std::move(work), [&](std::exception_ptr why) { ended = why; });
    until([&] { return ended.has_value(); });
    if (*ended) std::rethrow_exception(*ended);
  }
  template <class Condition>
  void until(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    io.restart();
    while (!condition() && std::chrono::steady_clock::now() < deadline) io.run_one_for(100ms);
    REQUIRE(condition());
  }

  std::vector<std::string> stored(const std::string& topic, std::uint32_t partition = 0) {
    return values_of(server.topics.at(topic).partitions[partition]);
  }
};

// The code of the skald::error that `work` throws; ok if it throws nothing.
template <class Work>
errc code_of(Work work, std::string* message = nullptr) {
  try {
    work();
    return errc::ok;
  } catch (const error& why) {
    if (message != nullptr) *message = why.what();
    return static_cast<errc>(why.code().value());
  }
}

}  // namespace skald::test
