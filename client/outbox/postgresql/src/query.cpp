#include "client/outbox/postgresql/src/query.hpp"

#include <charconv>

#include <skald/outbox/database_error.hpp>

namespace skald::outbox::detail {

namespace {

// Of pg_type.dat; they are part of the protocol and do not change.
constexpr Oid bytea_type = 17;
constexpr Oid bigint_type = 20;
constexpr Oid text_type = 25;

database_problem problem_of(PGconn* connection, std::string_view state) {
  // A failure without a state is not the server's: libpq could not send or receive.
  if (PQstatus(connection) != CONNECTION_OK || state.empty()) return database_problem::unreachable;
  if (state == "40001" || state == "40P01" || state == "55P03") return database_problem::conflict;
  // The server is going down, or not up yet.
  if (state.starts_with("57P")) return database_problem::unreachable;
  return database_problem::other;
}

}  // namespace

void throw_postgresql_error(PGconn* connection, const PGresult* failed, std::string_view doing) {
  const char* field = failed != nullptr ? PQresultErrorField(failed, PG_DIAG_SQLSTATE) : nullptr;
  const std::string state = field != nullptr ? field : "";
  std::string said = failed != nullptr ? PQresultErrorMessage(failed) : PQerrorMessage(connection);
  while (said.ends_with('\n')) said.pop_back();
  const char* host = PQhost(connection);
  const char* database = PQdb(connection);
  throw database_error(problem_of(connection, state), state,
                       "PostgreSQL at " + std::string(host != nullptr ? host : "?") + ", database " +
                           (database != nullptr ? database : "?") + ", " + std::string(doing) + ": " + said);
}

std::int64_t query_result::integer(int row, int column) const {
  const auto* bytes = reinterpret_cast<const unsigned char*>(PQgetvalue(result_.get(), row, column));
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | bytes[i];
  return static_cast<std::int64_t>(value);
}

std::string query_result::bytes(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column),
          static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

std::optional<std::string> query_result::optional_bytes(int row, int column) const {
  if (is_null(row, column)) return std::nullopt;
  return bytes(row, column);
}

std::uint64_t query_result::changed() const {
  const std::string_view text = PQcmdTuples(result_.get());
  std::uint64_t result = 0;
  std::from_chars(text.data(), text.data() + text.size(), result);
  return result;
}

bool query_result::succeeded() const {
  const ExecStatusType status = PQresultStatus(result_.get());
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

void query::bind(const char* value, std::size_t size, Oid type, bool binary) {
  values_[count_] = value;
  sizes_[count_] = static_cast<int>(size);
  formats_[count_] = binary ? 1 : 0;
  types_[count_] = type;
  ++count_;
}

query& query::text(std::string_view value) {
  owned_[count_] = value;
  bind(owned_[count_].c_str(), value.size(), text_type, false);
  return *this;
}

query& query::blob(std::optional<std::string_view> value) {
  // A null pointer is NULL, which an empty value is not.
  const char* data = value && value->data() == nullptr ? "" : value.value_or("").data();
  bind(value ? data : nullptr, value ? value->size() : 0, bytea_type, true);
  return *this;
}

query& query::integer(std::optional<std::int64_t> value) {
  owned_[count_] = value ? std::to_string(*value) : std::string();
  bind(value ? owned_[count_].c_str() : nullptr, 0, bigint_type, false);
  return *this;
}

query_result query::run() {
  constexpr int binary_results = 1;
  query_result result(PQexecParams(connection_, sql_, static_cast<int>(count_), types_.data(), values_.data(),
                                   sizes_.data(), formats_.data(), binary_results));
  if (!result.succeeded()) result.fail(connection_, sql_);
  return result;
}

}  // namespace skald::outbox::detail
