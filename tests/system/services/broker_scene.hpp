// A broker in this process, clients of it on one io_context, and the running of coroutines there.
#pragma once

#include <doctest/doctest.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <skald/broker.hpp>
#include <skald/skald.hpp>
#include <string>
#include <utility>
#include <vector>

namespace skald::test {

namespace asio = boost::asio;
using namespace std::chrono_literals;

// How long a test waits for what must happen; only a failing test takes that long.
inline constexpr auto patience = 60s;

struct broker_scene {
  explicit broker_scene(unsigned threads = 1) : threads_(threads) {
    std::string name = (std::filesystem::temp_directory_path() / "skald-services-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    start();
  }
  ~broker_scene() {
    caller.reset();
    server.reset();
    io.restart();
    io.run();
    std::filesystem::remove_all(directory_);
  }

  void start() {
    server.emplace(broker_options{
        .data_directory = directory_, .port = port_, .threads = threads_, .segment_bytes = 8u << 20});
    server->start();
    port_ = server->port();
  }
  // Ends every connection; the next broker has the same address.
  void restart() {
    server.reset();
    start();
  }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  client make_client() {
    const std::string where = address();
    return client(
        io.get_executor(),
        {.address = where, .timeout = 60s, .reconnect_delay_min = 1ms, .reconnect_delay_max = 20ms});
  }

  // Runs a coroutine to its end; throws what it throws.
  void run(asio::awaitable<void> work) {
    std::optional<std::exception_ptr> ended;
    asio::co_spawn(io, std::move(work), [&](std::exception_ptr why) { ended = why; });
    until([&] { return ended.has_value(); });
    if (*ended) std::rethrow_exception(*ended);
  }
  // Runs it beside what comes, and expects it to end well.
  void spawn(asio::awaitable<void> work) {
    ++running;
    asio::co_spawn(io, std::move(work), [this](std::exception_ptr why) {
      --running;
      CHECK(why == nullptr);
    });
  }
  template <class Condition>
  void until(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    io.restart();
    while (!condition() && std::chrono::steady_clock::now() < deadline) io.run_one_for(100ms);
    REQUIRE(condition());
  }

  asio::io_context io;
  std::optional<broker> server;
  int running = 0;

 private:
  unsigned threads_;
  std::filesystem::path directory_;
  std::uint16_t port_ = 0;

 public:
  std::optional<client> caller;
};

// With a client that asks.
struct services_scene : broker_scene {
  explicit services_scene(unsigned threads = 1) : broker_scene(threads) { caller.emplace(make_client()); }
};

// The code of the skald::error that `work` throws; ok if it throws nothing.
inline asio::awaitable<errc> code_of(asio::awaitable<reply> work) {
  try {
    co_await std::move(work);
  } catch (const error& why) {
    co_return static_cast<errc>(why.code().value());
  }
  co_return errc::ok;
}

}  // namespace skald::test
