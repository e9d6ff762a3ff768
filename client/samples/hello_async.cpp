// Publishes a greeting and receives it, with coroutines.
//
//   skaldd --data-dir /tmp/skald-data &
//   hello_async [HOST:PORT]
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <iostream>
#include <skald/skald.hpp>

namespace asio = boost::asio;

asio::awaitable<void> greet(skald::client& broker) {
  co_await broker.create_topic("greetings", {.partitions = 2}, {.if_absent = true});
  const skald::published where =
      co_await broker.publish("greetings", {.key = "world", .value = "hello, world"});
  std::cout << "published to partition " << where.partition.value() << " at offset " << where.offset->value()
            << "\n";

  auto greetings = co_await broker.subscribe("greetings", {.from = skald::earliest});
  for (bool found = false; !found;)
    for (const skald::record& r : co_await greetings.receive()) {
      std::cout << r.key().value_or("-") << ": " << r.value().value_or("(tombstone)") << "\n";
      found = r.partition() == where.partition && r.offset() == where.offset;
    }
}

int main(int argc, char** argv) {
  asio::io_context io;
  skald::client broker(io.get_executor(), {.address = argc > 1 ? argv[1] : "127.0.0.1:7411"});
  int status = 0;
  asio::co_spawn(io, greet(broker), [&](const std::exception_ptr& failed) {
    try {
      if (failed) std::rethrow_exception(failed);
    } catch (const std::exception& why) {
      std::cerr << "hello_async: " << why.what() << "\n";
      status = 1;
    }
    broker.close();  // lets run() return
  });
  io.run();
  return status;
}
