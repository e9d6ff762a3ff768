// One of the services of the order saga, until it is killed.
//
//   saga_process ADDRESS orchestrator [TIMEOUT_MS | die AT]   how long it waits for a participant
//   saga_process ADDRESS customers|warehouse [die AT]
//   saga_process ADDRESS start FROM TO                        starts these orders, and ends
//
// With AT it kills itself at that of its steps: see orders::at_each_step, and after each transition.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/system/saga/order_service.hpp"
#include "tests/system/support/fate.hpp"

namespace {

namespace asio = boost::asio;
using namespace skald;
using namespace skald::tests;

constexpr sagas::saga_topics topics{
    .lease = sagas::milliseconds(2'000), .max_attempts = 1'000, .backoff_min = sagas::milliseconds(20)};

asio::awaitable<void> start(client& broker, sagas::orchestrator& on, int from, int to) {
  for (int number = from; number <= to; ++number) {
    const std::string id = orders::id_of(number);
    const orders::order data{number};
    co_await on.start("create-order", id, data);
  }
  broker.close();
}

template <class What>
asio::awaitable<bool> is_created(What& what) {
  try {
    co_await what.create(topics);
    co_return true;
  } catch (const error& why) {
    if (why.code() != errc::connection_lost) throw;
  }
  co_return false;
}

// Orchestrators and participants alike; the broker may be killed at any time.
template <class What>
asio::awaitable<void> work(What& what) {
  for (bool created = false; !created;) created = co_await is_created(what);
  co_await what.run();
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 3) return 2;
  const std::string what = argv[2];
  asio::io_context io;
  client broker(io.get_executor(), {.address = argv[1],
                                    .timeout = milliseconds(60'000),
                                    .reconnect_delay_min = milliseconds(5),
                                    .reconnect_delay_max = milliseconds(50)});
  fate meets = fate_in(argc, argv, 3);
  orders::at_each_step = [&meets] { meets.step(); };
  sagas::registry known;
  const bool waits = what == "orchestrator" && argc == 4;
  known.add(orders::definition(milliseconds(waits ? std::atoi(argv[3]) : 1'000)));
  sagas::orchestrator on(broker, "orders", known);
  on.on_transition([&meets](const sagas::instance&, std::string_view) { meets.step(); });
  sagas::participant in = what == "customers" ? orders::customers(broker) : orders::warehouse(broker);
  const auto failed = [](const std::exception_ptr& why) {
    if (why) std::rethrow_exception(why);
  };
  if (what == "start") {
    asio::co_spawn(io, start(broker, on, std::atoi(argv[3]), std::atoi(argv[4])), failed);
  } else if (what == "orchestrator") {
    asio::co_spawn(io, work(on), failed);
  } else {
    asio::co_spawn(io, work(in), failed);
  }
  io.run();
  return 0;
} catch (const std::exception& why) {
  std::fprintf(stderr, "%s\n", why.what());
  return 1;
}
