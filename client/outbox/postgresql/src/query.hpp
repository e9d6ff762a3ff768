// A query of libpq with its parameters, and its errors as exceptions.
#pragma once

#include <libpq-fe.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace skald::outbox::detail {

// Throws database_error with what the connection says about its last failure; the result may be null.
[[noreturn]] void throw_postgresql_error(PGconn* connection, const PGresult* failed, std::string_view doing);

// What a query gave, in PostgreSQL's binary formats. Values are addressed by row and column.
class query_result {
 public:
  explicit query_result(PGresult* given) : result_(given, PQclear) {}

  int rows() const { return PQntuples(result_.get()); }
  bool is_null(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
  std::int64_t integer(int row, int column) const;  // of a bigint
  std::string bytes(int row, int column) const;
  std::optional<std::string> optional_bytes(int row, int column) const;
  // How many rows a command has changed.
  std::uint64_t changed() const;
  // The command that was done, as PostgreSQL calls it.
  std::string_view command() const { return PQcmdStatus(result_.get()); }

  bool succeeded() const;
  [[noreturn]] void fail(PGconn* connection, std::string_view doing) const {
    throw_postgresql_error(connection, result_.get(), doing);
  }

 private:
  std::unique_ptr<PGresult, decltype(&PQclear)> result_;
};

// Collects parameters in order, $1 first, and runs one statement. What is bound must live until run().
class query {
 public:
  query(PGconn* connection, const char* sql) : connection_(connection), sql_(sql) {}

  query& text(std::string_view value);
  query& blob(std::optional<std::string_view> value);
  query& integer(std::optional<std::int64_t> value);

  query_result run();

 private:
  static constexpr std::size_t parameters_max = 8;
  void bind(const char* value, std::size_t size, Oid type, bool binary);

  PGconn* connection_;
  const char* sql_;
  std::size_t count_ = 0;
  std::array<std::string, parameters_max> owned_;  // integers, and text that has to end with a zero
  std::array<const char*, parameters_max> values_{};
  std::array<int, parameters_max> sizes_{};
  std::array<int, parameters_max> formats_{};
  std::array<Oid, parameters_max> types_{};
};

}  // namespace skald::outbox::detail
