#include "skald/outbox/sqlite_statement.hpp"

#include <skald/outbox/database_error.hpp>

namespace skald::outbox {

namespace {

void check(sqlite3* connection, int result, std::string_view doing) {
  if (result != SQLITE_OK) throw_sqlite_error(connection, doing);
}

// A null pointer would be bound as NULL, which an empty value is not.
const char* not_null(std::string_view value) {
  return value.data() == nullptr ? "" : value.data();
}

}  // namespace

void throw_sqlite_error(sqlite3* connection, std::string_view doing) {
  const int code = sqlite3_extended_errcode(connection);
  const int primary = code & 0xff;
  const bool busy = primary == SQLITE_BUSY || primary == SQLITE_LOCKED;
  const char* file = sqlite3_db_filename(connection, "main");
  throw database_error(busy ? database_problem::conflict : database_problem::other, std::to_string(code),
                       "SQLite, " + std::string(file != nullptr && *file != 0 ? file : "in memory") + ", " +
                           std::string(doing) + ": " + sqlite3_errmsg(connection) + " (" +
                           std::to_string(code) + ")");
}

void execute_sqlite(sqlite3* connection, const char* sql) {
  check(connection, sqlite3_exec(connection, sql, nullptr, nullptr, nullptr), sql);
}

sqlite_statement::~sqlite_statement() {
  sqlite3_finalize(prepared_);
}

sqlite_statement& sqlite_statement::on(sqlite3* connection, const char* sql) {
  if (prepared_ == nullptr) {
    connection_ = connection;
    check(connection, sqlite3_prepare_v3(connection, sql, -1, SQLITE_PREPARE_PERSISTENT, &prepared_, nullptr),
          sql);
  }
  return *this;
}

sqlite_statement& sqlite_statement::bind(int at, std::int64_t value) {
  check(connection_, sqlite3_bind_int64(prepared_, at, value), "bind");
  return *this;
}

sqlite_statement& sqlite_statement::bind_text(int at, std::string_view value) {
  check(connection_,
        sqlite3_bind_text64(prepared_, at, not_null(value), value.size(), SQLITE_STATIC, SQLITE_UTF8),
        "bind");
  return *this;
}

sqlite_statement& sqlite_statement::bind_blob(int at, std::optional<std::string_view> value) {
  check(connection_,
        value ? sqlite3_bind_blob64(prepared_, at, not_null(*value), value->size(), SQLITE_STATIC)
              : sqlite3_bind_null(prepared_, at),
        "bind");
  return *this;
}

bool sqlite_statement::step() {
  const int result = sqlite3_step(prepared_);
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) {
    reset();
    return false;
  }
  try {
    throw_sqlite_error(connection_, sqlite3_sql(prepared_));
  } catch (...) {
    reset();
    throw;
  }
}

void sqlite_statement::reset() {
  sqlite3_reset(prepared_);
}

std::int64_t sqlite_statement::integer(int at) const {
  return sqlite3_column_int64(prepared_, at);
}

bool sqlite_statement::is_null(int at) const {
  return sqlite3_column_type(prepared_, at) == SQLITE_NULL;
}

std::string sqlite_statement::bytes(int at) const {
  const void* data = sqlite3_column_blob(prepared_, at);
  const int size = sqlite3_column_bytes(prepared_, at);
  return data == nullptr ? std::string()
                         : std::string(static_cast<const char*>(data), static_cast<std::size_t>(size));
}

std::optional<std::string> sqlite_statement::optional_bytes(int at) const {
  if (is_null(at)) return std::nullopt;
  return bytes(at);
}

}  // namespace skald::outbox
