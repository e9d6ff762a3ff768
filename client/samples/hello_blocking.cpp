// Publishes some lines and receives them, one call at a time.
//
//   skaldd --data-dir /tmp/skald-data &
//   hello_blocking [HOST:PORT]
#include <iostream>
#include <skald/skald.hpp>
#include <string>

int main(int argc, char** argv) try {
  skald::blocking_client broker({.address = argc > 1 ? argv[1] : "127.0.0.1:7411"});
  broker.create_topic("lines", {.partitions = 2}, {.if_absent = true});
  auto lines = broker.subscribe("lines", {.from = skald::latest});

  skald::blocking_producer out(broker);
  for (int i = 1; i <= 10; ++i)
    out.send("lines", {.key = std::to_string(i), .value = "line " + std::to_string(i)});
  out.flush();  // now all ten are on disk

  for (std::uint64_t received = 0; received < 10;)
    for (const skald::record& r : lines.receive()) {
      std::cout << r.partition().value() << "/" << r.offset().value() << " " << *r.value() << "\n";
      ++received;
    }
} catch (const skald::error& why) {
  std::cerr << "hello_blocking: " << why.what() << "\n";
  return 1;
}
