// Publishes a record to the broker at argv[1], guarded by a breaker, and reads it back.
#include <boost/asio/io_context.hpp>
#include <iostream>

#include <skald/blocking_client.hpp>
#include <skald/choreography/event_processor.hpp>
#include <skald/resilience/resilience.hpp>
#include <skald/saga/definition.hpp>

int main(int argc, char** argv) try {
  if (argc != 2) return 2;
  skald::blocking_client broker({.address = argv[1]});
  broker.create_topic("greetings", {.partitions = 1});
  if (skald::sagas::registry().newest("greet") != nullptr) return 1;
  boost::asio::io_context io;
  skald::client idle(io.get_executor());
  if (skald::choreography::event_processor(idle, "greeters").metrics().handled != 0) return 1;
  const skald::resilience::circuit_breaker breaker;
  auto allowed = breaker.acquire();
  broker.publish("greetings", {.key = "world", .value = "hello"});
  allowed.succeed();

  skald::blocking_subscription greetings = broker.subscribe("greetings", {.from = skald::earliest});
  for (const skald::record& greeting : greetings.receive()) {
    std::cout << *greeting.value() << ", " << *greeting.key() << '\n';
    return greeting.value() == "hello" && greeting.key() == "world" ? 0 : 1;
  }
  std::cerr << "the subscription delivered nothing\n";
  return 1;
} catch (const skald::error& problem) {
  std::cerr << problem.what() << '\n';
  return 1;
}
