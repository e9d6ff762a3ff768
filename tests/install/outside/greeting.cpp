// Publishes a record to the broker at argv[1] and reads it back.
#include <iostream>

#include <skald/blocking_client.hpp>

int main(int argc, char** argv) try {
  if (argc != 2) return 2;
  skald::blocking_client broker({.address = argv[1]});
  broker.create_topic("greetings", {.partitions = 1});
  broker.publish("greetings", {.key = "world", .value = "hello"});

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
