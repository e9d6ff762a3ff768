// Puts a record into an outbox in memory; a PostgreSQL that is not there is an error that says so.
#include <iostream>

#include <skald/outbox/postgresql_store.hpp>
#include <skald/outbox/sqlite_store.hpp>
#include <skald/outbox/transaction.hpp>

int main() try {
  skald::outbox::sqlite_store store(std::filesystem::path(":memory:"));
  store.create_tables();
  skald::outbox::transaction change(store);
  change.publish("greetings", {.key = "world", .value = "hello"});
  change.commit();
  if (store.statistics().unsent != 1) return 1;
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
