#include "skald/outbox/postgresql_store.hpp"

#include <algorithm>
#include <limits>

#include "client/outbox/postgresql/src/query.hpp"
#include "client/outbox/src/statements.hpp"

namespace skald::outbox {

namespace {

using detail::query;
using detail::time_from;

// The position is given by the trigger, after the lock of the key: a default of the column would be evaluated
// before any trigger. The lock is released when the transaction has become visible to others, so that the
// next holder's position is higher, and whoever sees its row sees this one. Keys whose hashes are equal wait
// for one another needlessly. 1936422244 is "skld".
//
// Several services may make the tables at the same time, which CREATE ... IF NOT EXISTS alone does not bear.
constexpr const char* schema = R"(
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT pg_advisory_xact_lock(1936422244, 0);
CREATE TABLE IF NOT EXISTS skald_outbox (
  position  bigint PRIMARY KEY,
  id        text NOT NULL,
  topic     text NOT NULL,
  key       bytea,
  value     bytea,
  headers   bytea NOT NULL DEFAULT '',
  partition bigint,
  time_ms   bigint NOT NULL,
  failure   text
);
CREATE SEQUENCE IF NOT EXISTS skald_outbox_position OWNED BY skald_outbox.position;
CREATE INDEX IF NOT EXISTS skald_outbox_parked ON skald_outbox (topic, position) WHERE failure IS NOT NULL;
CREATE TABLE IF NOT EXISTS skald_inbox (
  consumer    text NOT NULL,
  id          text NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  answer      bytea,
  PRIMARY KEY (consumer, id)
);
CREATE INDEX IF NOT EXISTS skald_inbox_age ON skald_inbox (received_at);
CREATE OR REPLACE FUNCTION skald_outbox_place() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.key IS NOT NULL THEN
    PERFORM pg_advisory_xact_lock(1936422244, hashtext(NEW.topic || ':' || encode(NEW.key, 'hex')));
  END IF;
  NEW.position := nextval('skald_outbox_position');
  RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER skald_outbox_place BEFORE INSERT ON skald_outbox
  FOR EACH ROW EXECUTE FUNCTION skald_outbox_place();
COMMIT;
)";

// The result comes whole, so that the database has to see to it that it is not too large.
constexpr const char* select_unsent = R"(
SELECT position, id, topic, key, value, headers, partition, time_ms FROM (
  SELECT *, sum(bytes) OVER (ORDER BY position) - bytes AS bytes_before FROM (
    SELECT *, octet_length(topic) + octet_length(headers) + coalesce(octet_length(key), 0)
        + coalesce(octet_length(value), 0) AS bytes
    FROM skald_outbox AS waiting
    WHERE failure IS NULL AND NOT EXISTS (
      SELECT 1 FROM skald_outbox AS parked
      WHERE parked.failure IS NOT NULL AND parked.topic = waiting.topic AND parked.key = waiting.key
        AND parked.position < waiting.position)
    ORDER BY position LIMIT $1) AS first_rows) AS counted_rows
WHERE bytes_before < $2 ORDER BY position)";

}  // namespace

struct postgresql_store::impl {
  impl(PGconn* given, bool own) : connection(given), owned(own) {}
  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;
  ~impl() {
    if (owned) PQfinish(connection);
  }

  // Statements without parameters; several may be separated by semicolons.
  void execute(const char* sql) const {
    const detail::query_result result(PQexec(connection, sql));
    if (!result.succeeded()) result.fail(connection, sql);
  }

  PGconn* connection;
  bool owned;
};

postgresql_store::postgresql_store(PGconn* connection) : impl_(std::make_unique<impl>(connection, false)) {}

postgresql_store::postgresql_store(const std::string& where)
    : impl_(std::make_unique<impl>(PQconnectdb(where.c_str()), true)) {
  if (PQstatus(impl_->connection) != CONNECTION_OK)
    detail::throw_postgresql_error(impl_->connection, nullptr, "connect");
}

postgresql_store::~postgresql_store() = default;

PGconn* postgresql_store::connection() const {
  return impl_->connection;
}

void postgresql_store::create_tables() {
  try {
    impl_->execute(schema);
  } catch (...) {
    rollback();
    throw;
  }
}

void postgresql_store::begin() {
  impl_->execute("BEGIN");
}

void postgresql_store::commit() {
  try {
    const detail::query_result result(PQexec(impl_->connection, "COMMIT"));
    if (!result.succeeded()) result.fail(impl_->connection, "COMMIT");
    // The answer to committing a transaction in which something has failed is no failure.
    if (result.command() == "ROLLBACK")
      throw database_error(
          database_problem::other, "25P02",
          "PostgreSQL, COMMIT: an earlier statement of the transaction had failed, so that it "
          "was rolled back");
  } catch (const database_error& failed) {
    if (failed.problem() != database_problem::unreachable) throw;
    throw database_error(database_problem::unknown_outcome, failed.code(),
                         std::string(failed.what()) + " (whether it is committed is unknown)");
  }
}

void postgresql_store::rollback() noexcept {
  if (PQtransactionStatus(impl_->connection) == PQTRANS_IDLE) return;
  // Fails when the connection is lost, which rolls back by itself.
  PQclear(PQexec(impl_->connection, "ROLLBACK"));
}

void postgresql_store::begin_part() {
  impl_->execute("SAVEPOINT skald_part");
}

void postgresql_store::keep_part() {
  impl_->execute("RELEASE SAVEPOINT skald_part");
}

void postgresql_store::undo_part() {
  impl_->execute("ROLLBACK TO SAVEPOINT skald_part; RELEASE SAVEPOINT skald_part");
}

void postgresql_store::add(const new_row& what) {
  query insert(impl_->connection, detail::insert_row);
  insert.text(what.id).text(what.topic).blob(what.key).blob(what.value).blob(what.headers);
  insert.integer(what.partition ? std::optional<std::int64_t>(what.partition->value()) : std::nullopt);
  insert.integer(what.time.time_since_epoch().count());
  insert.run();
}

bool postgresql_store::receive(std::string_view consumer, std::string_view message_id) {
  // Of two transactions with the same message the second waits here for the first to end.
  return query(impl_->connection,
               "INSERT INTO skald_inbox (consumer, id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
             .text(consumer)
             .text(message_id)
             .run()
             .changed() == 1;
}

void postgresql_store::keep_answer(std::string_view consumer, std::string_view message_id,
                                   std::string_view answer) {
  query(impl_->connection, detail::update_answer).blob(answer).text(consumer).text(message_id).run();
}

std::optional<std::string> postgresql_store::kept_answer(std::string_view consumer,
                                                         std::string_view message_id) {
  const detail::query_result found =
      query(impl_->connection, detail::select_answer).text(consumer).text(message_id).run();
  return found.rows() == 1 ? found.optional_bytes(0, 0) : std::nullopt;
}

std::vector<row> postgresql_store::unsent(std::uint32_t rows_max, std::uint64_t bytes_max) {
  const auto bytes = static_cast<std::int64_t>(
      std::clamp<std::uint64_t>(bytes_max, 1, std::numeric_limits<std::int64_t>::max()));
  const detail::query_result found =
      query(impl_->connection, select_unsent).integer(rows_max).integer(bytes).run();
  std::vector<row> result;
  result.reserve(static_cast<std::size_t>(found.rows()));
  for (int i = 0; i < found.rows(); ++i) {
    row each{.position = found.integer(i, 0),
             .id = found.bytes(i, 1),
             .topic = found.bytes(i, 2),
             .key = found.optional_bytes(i, 3),
             .value = found.optional_bytes(i, 4),
             .headers = found.bytes(i, 5),
             .partition = std::nullopt,
             .time = time_from(found.integer(i, 7))};
    if (!found.is_null(i, 6)) each.partition = partition_id(static_cast<std::uint32_t>(found.integer(i, 6)));
    result.push_back(std::move(each));
  }
  return result;
}

void postgresql_store::remove(std::span<const std::int64_t> positions) {
  std::string list = "{";
  for (const std::int64_t each : positions) {
    if (list.size() > 1) list += ',';
    list += std::to_string(each);
  }
  list += '}';
  query(impl_->connection, "DELETE FROM skald_outbox WHERE position = ANY ($1::text::bigint[])")
      .text(list)
      .run();
}

void postgresql_store::park(std::int64_t position, std::string_view reason) {
  query(impl_->connection, detail::update_failure).text(reason).integer(position).run();
}

std::vector<parked_row> postgresql_store::parked(std::uint32_t rows_max) {
  const detail::query_result found = query(impl_->connection, detail::select_parked).integer(rows_max).run();
  std::vector<parked_row> result;
  result.reserve(static_cast<std::size_t>(found.rows()));
  for (int i = 0; i < found.rows(); ++i)
    result.push_back({.position = found.integer(i, 0),
                      .id = found.bytes(i, 1),
                      .topic = found.bytes(i, 2),
                      .key = found.optional_bytes(i, 3),
                      .reason = found.bytes(i, 4)});
  return result;
}

std::uint64_t postgresql_store::retry_parked() {
  return query(impl_->connection, detail::forget_failures).run().changed();
}

std::uint64_t postgresql_store::clean_inbox(std::chrono::seconds older_than, std::uint32_t rows_max) {
  return query(impl_->connection,
               "DELETE FROM skald_inbox WHERE (consumer, id) IN (SELECT consumer, id FROM skald_inbox "
               "WHERE received_at < now() - $1 * interval '1 second' ORDER BY received_at LIMIT $2)")
      .integer(older_than.count())
      .integer(rows_max)
      .run()
      .changed();
}

outbox_statistics postgresql_store::statistics() {
  const detail::query_result found = query(impl_->connection, detail::select_statistics).run();
  outbox_statistics result{.unsent = static_cast<std::uint64_t>(found.integer(0, 0)),
                           .parked = static_cast<std::uint64_t>(found.integer(0, 1)),
                           .oldest_unsent = std::nullopt};
  if (!found.is_null(0, 2)) result.oldest_unsent = time_from(found.integer(0, 2));
  return result;
}

void postgresql_store::reconnect() {
  if (!impl_->owned) return;
  // The status says only what libpq has noticed; an empty query finds out.
  const std::unique_ptr<PGresult, decltype(&PQclear)> alive(PQexec(impl_->connection, ""), PQclear);
  if (PQresultStatus(alive.get()) == PGRES_EMPTY_QUERY) return;
  PQreset(impl_->connection);
  if (PQstatus(impl_->connection) != CONNECTION_OK)
    detail::throw_postgresql_error(impl_->connection, nullptr, "reconnect");
}

}  // namespace skald::outbox
