// A projection as a process of its own, for tests that kill it: projection_process DIRECTORY BROKER.
#include <iostream>

#include "tests/system/eventsourcing/counting_model.hpp"

int main(int argc, char** argv) try {
  if (argc != 3) return 2;
  skald::blocking_client broker({.address = argv[2],
                                 .reconnect_delay_min = skald::milliseconds(5),
                                 .reconnect_delay_max = skald::milliseconds(50)});
  skald::eventsourcing::projection counts(broker, argv[1],
                                          {.name = "counts", .topic = "events", .make = [](sqlite3* db) {
                                             return std::make_unique<skald::tests::counting_model>(db);
                                           }});
  std::cout << "ready" << std::endl;
  counts.run();
} catch (const std::exception& failed) {
  std::cerr << failed.what() << '\n';
  return 1;
}
