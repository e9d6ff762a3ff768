// A prepared statement of SQLite, and its errors as exceptions.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace skald::outbox::detail {

// Throws database_error with what the connection says about its last failure.
[[noreturn]] void throw_sqlite_error(sqlite3* connection, std::string_view doing);

// Of statements without results; several may be separated by semicolons.
void execute(sqlite3* connection, const char* sql);

// Prepared once, used again and again. Parameters are numbered from 1, columns from 0, as in SQLite. What is
// bound must live until the next step, what a column gives lives until the next step or reset.
class statement {
 public:
  statement() = default;
  statement(const statement&) = delete;
  statement& operator=(const statement&) = delete;
  ~statement();

  // Prepares at the first use.
  statement& on(sqlite3* connection, const char* sql);

  statement& bind(int at, std::int64_t value);
  statement& bind_text(int at, std::string_view value);
  statement& bind_blob(int at, std::optional<std::string_view> value);

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

}  // namespace skald::outbox::detail
