// Puts a record and the start of a saga into an outbox in memory, and says how many wait there. A PostgreSQL
// that is not there is an error that says so.
#include <iostream>

#include <skald/health/report.hpp>
#include <skald/outbox/postgresql_store.hpp>
#include <skald/outbox/sqlite_store.hpp>
#include <skald/outbox/transaction.hpp>
#include <skald/saga/outbox.hpp>

int main() try {
  skald::outbox::sqlite_store store(std::filesystem::path(":memory:"));
  store.create_tables();
  skald::outbox::transaction change(store);
  change.publish("greetings", {.key = "world", .value = "hello"});
  skald::sagas::start_bytes(change, "greeters", "greet", "saga-1", "world");
  change.commit();
  const skald::health::report said{.service = "greeter",
                                   .instance = "1",
                                   .outboxes = {{.name = "memory", .unsent = store.statistics().unsent}}};
  if (skald::health::decode("greeter/1", skald::health::encode(said)).outboxes.at(0).unsent != 2) return 1;
  try {
    const skald::outbox::postgresql_store nowhere(std::string("host=/nowhere"));
    return 1;
  } catch (const skald::outbox::database_error& missing) {
    return missing.problem() == skald::outbox::database_problem::unreachable ? 0 : 1;
  }
} catch (const std::exception& problem) {
  std::cerr << problem.what() << '\n';
  return 1;
}
