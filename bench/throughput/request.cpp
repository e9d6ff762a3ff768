#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <memory>
#include <stdexcept>

#include "bench/limit/process.hpp"
#include "bench/throughput/scene.hpp"
#include "skald/client.hpp"

namespace skald::bench {

using limit::metric;
using limit::steady_clock;

namespace {

namespace asio = boost::asio;

constexpr const char* subject = "echo";

// A responder process, which replies with what it is asked, until it is killed.
void respond(const std::string& address) {
  asio::io_context loop(1);
  client broker(loop.get_executor(), {.address = address, .client_name = "responder"});
  std::exception_ptr failed;
  asio::co_spawn(
      loop,
      [](client& with) -> asio::awaitable<void> {
        co_await with.connect({.timeout = milliseconds(60'000), .keep_trying = true});
        responder echo = co_await with.serve(subject, {.window = 1024});
        co_await echo.run([](const service_request& asked) { return std::string(asked.body()); });
      }(broker),
      [&](std::exception_ptr why) { failed = why; });
  loop.run();
  if (failed) std::rethrow_exception(failed);
}

asio::awaitable<void> wait_for_responder(client& broker) {
  constexpr std::chrono::milliseconds pause(10);
  asio::steady_timer timer(co_await asio::this_coro::executor);
  co_await broker.connect({.timeout = milliseconds(60'000), .keep_trying = true});
  for (;;) {
    const auto services = co_await broker.list_services();
    if (!services.empty()) co_return;
    timer.expires_after(pause);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

struct tally {
  limit::latencies round_trips;
  std::size_t replies = 0;
  std::exception_ptr failed;
};

asio::awaitable<void> ask(client& broker, payload_source& payloads, steady_clock::time_point end,
                          tally& into) {
  while (steady_clock::now() < end) {
    const std::string_view body = payloads.next();
    const auto began = steady_clock::now();
    const reply said = co_await broker.request(subject, body);
    into.round_trips.add(steady_clock::now() - began);
    if (said.body != body) throw std::runtime_error("a reply is not what was sent");
    ++into.replies;
  }
}

asio::awaitable<void> ask_side_by_side(client& broker, std::size_t bytes, std::size_t in_flight,
                                       steady_clock::duration duration, tally& into) {
  co_await wait_for_responder(broker);
  tally warm_up;
  const auto payloads = std::make_shared<payload_source>(bytes);  // which takes its time
  co_await ask(broker, *payloads, steady_clock::now() + std::chrono::milliseconds(50), warm_up);
  const auto end = steady_clock::now() + duration;
  const auto running = std::make_shared<std::size_t>(in_flight);
  // Apart from what follows: GCC 12 destroys temporaries of an expression with a co_await in it twice.
  const auto executor = co_await asio::this_coro::executor;
  for (std::size_t i = 0; i < in_flight; ++i) {
    asio::co_spawn(executor, ask(broker, *payloads, end, into),
                   [&broker, &into, running, payloads](std::exception_ptr why) {
                     if (why) into.failed = why;
                     if (--*running == 0) broker.close();
                   });
  }
}

}  // namespace

std::vector<metric> measure_request(const setting& with, std::size_t bytes, std::size_t in_flight) {
  const auto data_directory = with.directory / "data";
  std::filesystem::remove_all(data_directory);
  broker_process daemon(with.daemon, data_directory, with.directory / "skaldd.log", with.daemon_arguments);
  const limit::child_process responder_process([&] { respond(daemon.address()); });

  tally so_far;
  {
    asio::io_context loop(1);
    client broker(loop.get_executor(), {.address = daemon.address(), .client_name = "caller"});
    asio::co_spawn(loop, ask_side_by_side(broker, bytes, in_flight, with.duration, so_far),
                   [&](std::exception_ptr why) {
                     if (why) so_far.failed = why;
                   });
    loop.run();
  }
  if (so_far.failed) std::rethrow_exception(so_far.failed);
  const double seconds = std::chrono::duration<double>(with.duration).count();
  std::vector<metric> metrics{{"rate", "/s", static_cast<double>(so_far.replies) / seconds}};
  so_far.round_trips.summarize(metrics);
  return metrics;
}

}  // namespace skald::bench
