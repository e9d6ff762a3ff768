// A relay as a process of its own, for tests that kill it: relay_process sqlite|postgresql DATABASE BROKER.
// Says "ready" once it runs.
#include <iostream>
#include <memory>
#include <skald/blocking_client.hpp>
#include <skald/outbox/postgresql_store.hpp>
#include <skald/outbox/relay.hpp>
#include <skald/outbox/sqlite_store.hpp>
#include <string>

int main(int argc, char** argv) try {
  if (argc != 4) return 2;
  std::unique_ptr<skald::outbox::store> store;
  if (std::string(argv[1]) == "sqlite")
    store = std::make_unique<skald::outbox::sqlite_store>(std::filesystem::path(argv[2]));
  else
    store = std::make_unique<skald::outbox::postgresql_store>(std::string(argv[2]));
  skald::blocking_client broker({.address = argv[3],
                                 .reconnect_delay_min = skald::milliseconds(5),
                                 .reconnect_delay_max = skald::milliseconds(50)});
  skald::outbox::relay relay(*store, skald::outbox::to_broker(broker),
                             {.batch_rows = 5, .poll_interval = skald::milliseconds(1)});
  std::cout << "ready" << std::endl;
  relay.run();
} catch (const std::exception& failed) {
  std::cerr << failed.what() << '\n';
  return 1;
}
