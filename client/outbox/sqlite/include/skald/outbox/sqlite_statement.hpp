// A prepared statement of SQLite, and its errors as exceptions: for the store, and for a service's own SQL.
//
//   sqlite_statement insert_;  // a member: prepared once
//   insert_.on(store.connection(), "INSERT INTO customer (id, credit) VALUES (?1, ?2)")
//       .bind_text(1, id)
//       .bind(2, credit)
//       .run();
//
// Threading: as the connection's. Errors: database_error.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace skald::outbox {

// Throws database_error with what the connection says about its last failure.
[[noreturn]] void throw_sqlite_error(sqlite3* connection, std::string_view doing);

// Of statements without results; several may be separated by semicolons.
void execute_sqlite(sqlite3* connection, const char* sql);

// Prepared once, used again and again. Parameters are numbered from 1, columns from 0, as in SQLite. What is
// bound must live until the next step, what a column gives lives until the next step or reset. One that is
// not stepped to its end keeps a read transaction: reset() it.
class sqlite_statement {
 public:
  sqlite_statement() = default;
  sqlite_statement(const sqlite_statement&) = delete;
  sqlite_statement& operator=(const sqlite_statement&) = delete;
  ~sqlite_statement();

  // Prepares at the first use.
  sqlite_statement& on(sqlite3* connection, const char* sql);

  sqlite_statement& bind(int at, std::int64_t value);
  sqlite_statement& bind_text(int at, std::string_view value);
  sqlite_statement& bind_blob(int at, std::optional<std::string_view> value);

  // True: there is a row. At the end, and on failure, the statement is ready for its next use.
  bool step();
  void run() {
    while (step()) {
    }
  }
  // Ends it early.
  void reset();

  std::int64_t integer(int at) const;
  bool is_null(int at) const;
  std::string bytes(int at) const;
  std::optional<std::string> optional_bytes(int at) const;

 private:
  sqlite3* connection_ = nullptr;
  sqlite3_stmt* prepared_ = nullptr;
};

}  // namespace skald::outbox
