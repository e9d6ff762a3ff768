// The same tests on both databases: what makes one, opens connections to it, and runs a service's own SQL.
#pragma once

#include <libpq-fe.h>
#include <sqlite3.h>

#include <memory>
#include <skald/outbox/postgresql_store.hpp>
#include <skald/outbox/sqlite_store.hpp>
#include <stdexcept>
#include <string>

#include "tests/system/outbox/postgresql_server.hpp"

namespace skald::tests {

class sqlite_database {
 public:
  using store_type = outbox::sqlite_store;
  static constexpr const char* name = "sqlite";

  std::unique_ptr<store_type> open() const { return std::make_unique<store_type>(where()); }
  std::string where() const { return (directory_.path() / "service.db").string(); }

  static void execute(const store_type& on, const std::string& sql) { number(on, sql); }
  // The first value that the statement gives, or 0.
  static std::int64_t number(const store_type& on, const std::string& sql) {
    sqlite3_stmt* prepared = nullptr;
    if (sqlite3_prepare_v2(on.connection(), sql.c_str(), -1, &prepared, nullptr) != SQLITE_OK)
      throw std::runtime_error(sqlite3_errmsg(on.connection()));
    std::int64_t result = 0;
    const int stepped = sqlite3_step(prepared);
    if (stepped == SQLITE_ROW) result = sqlite3_column_int64(prepared, 0);
    sqlite3_finalize(prepared);
    if (stepped != SQLITE_ROW && stepped != SQLITE_DONE)
      throw std::runtime_error(sqlite3_errmsg(on.connection()));
    return result;
  }

 private:
  scratch_directory directory_;
};

class postgresql_database {
 public:
  using store_type = outbox::postgresql_store;
  static constexpr const char* name = "postgresql";

  std::unique_ptr<store_type> open() const { return std::make_unique<store_type>(where_); }
  std::string where() const { return where_; }

  static void execute(const store_type& on, const std::string& sql) { number(on, sql); }
  static std::int64_t number(const store_type& on, const std::string& sql) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(on.connection(), sql.c_str()), PQclear);
    const ExecStatusType status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
      throw std::runtime_error(PQresultErrorMessage(result.get()));
    return PQntuples(result.get()) > 0 ? std::stoll(PQgetvalue(result.get(), 0, 0)) : 0;
  }

  // One for all tests of the program.
  static postgresql_server& server() {
    static postgresql_server running;
    return running;
  }

 private:
  std::string where_ = server().make_database();
};

}  // namespace skald::tests
