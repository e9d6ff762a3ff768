#include "skald/outbox/sqlite_store.hpp"

#include <thread>

#include "client/outbox/src/statements.hpp"
#include "skald/outbox/sqlite_statement.hpp"

namespace skald::outbox {

namespace {

using detail::time_from;

constexpr std::chrono::microseconds busy_wait{500};
constexpr std::chrono::seconds busy_patience{10};

// Writers do not queue for SQLite's lock, they try again. Its own busy timeout sleeps up to 100 ms between
// two tries, so that a service that writes without a pause would keep a relay out for minutes; this one asks
// often enough to get in between two of its transactions.
int wait_while_busy(void*, int tries) {
  if (tries * busy_wait >= busy_patience) return 0;
  std::this_thread::sleep_for(busy_wait);
  return 1;
}

// AUTOINCREMENT, so that a position is never given again: a relay that comes late may still remove a row by
// the position that it read. The index of parked rows is what the question "is an earlier one of this key
// parked" costs, which is nothing while none is.
constexpr const char* schema = R"(
CREATE TABLE IF NOT EXISTS skald_outbox (
  position  INTEGER PRIMARY KEY AUTOINCREMENT,
  id        TEXT NOT NULL,
  topic     TEXT NOT NULL,
  key       BLOB,
  value     BLOB,
  headers   BLOB NOT NULL DEFAULT x'',
  partition INTEGER,
  time_ms   INTEGER NOT NULL,
  failure   TEXT
);
CREATE INDEX IF NOT EXISTS skald_outbox_parked ON skald_outbox (topic, key, position) WHERE failure IS NOT NULL;
CREATE TABLE IF NOT EXISTS skald_inbox (
  consumer    TEXT NOT NULL,
  id          TEXT NOT NULL,
  received_ms INTEGER NOT NULL,
  answer      BLOB,
  PRIMARY KEY (consumer, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS skald_inbox_age ON skald_inbox (received_ms);
)";

constexpr const char* select_unsent = R"(
SELECT position, id, topic, key, value, headers, partition, time_ms FROM skald_outbox AS waiting
WHERE failure IS NULL AND NOT EXISTS (
  SELECT 1 FROM skald_outbox AS parked
  WHERE parked.failure IS NOT NULL AND parked.topic = waiting.topic AND parked.key = waiting.key
    AND parked.position < waiting.position)
ORDER BY position LIMIT ?1)";

std::int64_t now_ms() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now())
      .time_since_epoch()
      .count();
}

// Commits do not wait for the disk while it lives. What they change is lost in a power cut, unless a durable
// commit came after; the database stays whole. Nothing for a connection that is not ours.
class sync_less {
 public:
  explicit sync_less(sqlite3* connection) : connection_(connection) {
    if (connection_ != nullptr) execute_sqlite(connection_, "PRAGMA synchronous = NORMAL");
  }
  ~sync_less() {
    // It fails only within a transaction; every one is over.
    if (connection_ != nullptr)
      sqlite3_exec(connection_, "PRAGMA synchronous = FULL", nullptr, nullptr, nullptr);
  }
  sync_less(const sync_less&) = delete;
  sync_less& operator=(const sync_less&) = delete;

 private:
  sqlite3* connection_;
};

}  // namespace

struct sqlite_store::impl {
  impl(sqlite3* given, bool own) : connection(given), owned(own) {}
  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;
  // The statements go after this: the connection stays until the last of them is gone.
  ~impl() {
    if (owned) sqlite3_close_v2(connection);
  }

  sqlite3* connection;
  bool owned;
  sqlite_statement begin, commit, begin_part, keep_part, undo_part;
  sqlite_statement add, receive, keep_answer, kept_answer, unsent, remove, park, parked, retry, clean,
      statistics;
};

sqlite_store::sqlite_store(sqlite3* connection) : impl_(std::make_unique<impl>(connection, false)) {}

sqlite_store::sqlite_store(const std::filesystem::path& file) {
  sqlite3* opened = nullptr;
  const int result =
      sqlite3_open_v2(file.c_str(), &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  impl_ = std::make_unique<impl>(opened, true);
  if (result != SQLITE_OK) throw_sqlite_error(opened, "open " + file.string());
  sqlite3_busy_handler(opened, wait_while_busy, nullptr);
  execute_sqlite(opened, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL");
}

sqlite_store::~sqlite_store() = default;

sqlite3* sqlite_store::connection() const {
  return impl_->connection;
}

void sqlite_store::create_tables() {
  execute_sqlite(impl_->connection, schema);
}

void sqlite_store::begin() {
  // Not the deferred kind, whose first write may find that somebody else has written since its first read.
  impl_->begin.on(impl_->connection, "BEGIN IMMEDIATE").run();
}

void sqlite_store::commit() {
  impl_->commit.on(impl_->connection, "COMMIT").run();
}

void sqlite_store::rollback() noexcept {
  // Some failures have rolled back already, which makes this one fail, rightly.
  sqlite3_exec(impl_->connection, "ROLLBACK", nullptr, nullptr, nullptr);
}

void sqlite_store::begin_part() {
  // Outside of a transaction a savepoint would begin one, which keeping the part would commit.
  if (sqlite3_get_autocommit(impl_->connection) != 0)
    throw database_error(database_problem::other, std::to_string(SQLITE_ABORT_ROLLBACK),
                         "SQLite: the transaction was rolled back by an earlier failure, or none is open");
  impl_->begin_part.on(impl_->connection, "SAVEPOINT skald_part").run();
}

void sqlite_store::keep_part() {
  impl_->keep_part.on(impl_->connection, "RELEASE skald_part").run();
}

void sqlite_store::undo_part() {
  impl_->undo_part.on(impl_->connection, "ROLLBACK TO skald_part").run();
  keep_part();
}

void sqlite_store::add(const new_row& what) {
  auto& insert = impl_->add.on(impl_->connection, detail::insert_row);
  insert.bind_text(1, what.id).bind_text(2, what.topic).bind_blob(3, what.key).bind_blob(4, what.value);
  insert.bind_blob(5, what.headers).bind(7, what.time.time_since_epoch().count());
  if (what.partition)
    insert.bind(6, what.partition->value());
  else
    insert.bind_blob(6, std::nullopt);
  insert.run();
}

bool sqlite_store::receive(std::string_view consumer, std::string_view message_id) {
  impl_->receive
      .on(impl_->connection,
          "INSERT INTO skald_inbox (consumer, id, received_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")
      .bind_text(1, consumer)
      .bind_text(2, message_id)
      .bind(3, now_ms())
      .run();
  return sqlite3_changes(impl_->connection) == 1;
}

void sqlite_store::keep_answer(std::string_view consumer, std::string_view message_id,
                               std::string_view answer) {
  impl_->keep_answer.on(impl_->connection, detail::update_answer)
      .bind_blob(1, answer)
      .bind_text(2, consumer)
      .bind_text(3, message_id)
      .run();
}

std::optional<std::string> sqlite_store::kept_answer(std::string_view consumer, std::string_view message_id) {
  auto& select = impl_->kept_answer.on(impl_->connection, detail::select_answer)
                     .bind_text(1, consumer)
                     .bind_text(2, message_id);
  std::optional<std::string> found;
  while (select.step()) found = select.optional_bytes(0);
  return found;
}

std::vector<row> sqlite_store::unsent(std::uint32_t rows_max, std::uint64_t bytes_max) {
  std::vector<row> result;
  std::uint64_t bytes = 0;
  auto& select = impl_->unsent.on(impl_->connection, select_unsent).bind(1, rows_max);
  while (select.step()) {
    row each{.position = select.integer(0),
             .id = select.bytes(1),
             .topic = select.bytes(2),
             .key = select.optional_bytes(3),
             .value = select.optional_bytes(4),
             .headers = select.bytes(5),
             .partition = std::nullopt,
             .time = time_from(select.integer(7))};
    if (!select.is_null(6)) each.partition = partition_id(static_cast<std::uint32_t>(select.integer(6)));
    bytes += each.topic.size() + each.headers.size() + (each.key ? each.key->size() : 0) +
             (each.value ? each.value->size() : 0);
    result.push_back(std::move(each));
    if (bytes >= bytes_max) {
      select.reset();  // a statement that is not done keeps its read transaction
      break;
    }
  }
  return result;
}

void sqlite_store::remove(std::span<const std::int64_t> positions) {
  const sync_less without(impl_->owned ? impl_->connection : nullptr);
  begin();
  try {
    auto& erase = impl_->remove.on(impl_->connection, "DELETE FROM skald_outbox WHERE position = ?1");
    for (const std::int64_t each : positions) erase.bind(1, each).run();
    commit();
  } catch (...) {
    rollback();
    throw;
  }
}

void sqlite_store::park(std::int64_t position, std::string_view reason) {
  impl_->park.on(impl_->connection, detail::update_failure).bind_text(1, reason).bind(2, position).run();
}

std::vector<parked_row> sqlite_store::parked(std::uint32_t rows_max) {
  std::vector<parked_row> result;
  auto& select = impl_->parked.on(impl_->connection, detail::select_parked).bind(1, rows_max);
  while (select.step())
    result.push_back({.position = select.integer(0),
                      .id = select.bytes(1),
                      .topic = select.bytes(2),
                      .key = select.optional_bytes(3),
                      .reason = select.bytes(4)});
  return result;
}

std::uint64_t sqlite_store::retry_parked() {
  impl_->retry.on(impl_->connection, detail::forget_failures).run();
  return static_cast<std::uint64_t>(sqlite3_changes(impl_->connection));
}

std::uint64_t sqlite_store::clean_inbox(std::chrono::seconds older_than, std::uint32_t rows_max) {
  const std::int64_t before = now_ms() - std::chrono::milliseconds(older_than).count();
  impl_->clean
      .on(impl_->connection,
          "DELETE FROM skald_inbox WHERE (consumer, id) IN (SELECT consumer, id FROM skald_inbox "
          "WHERE received_ms < ?1 ORDER BY received_ms LIMIT ?2)")
      .bind(1, before)
      .bind(2, rows_max)
      .run();
  return static_cast<std::uint64_t>(sqlite3_changes(impl_->connection));
}

outbox_statistics sqlite_store::statistics() {
  outbox_statistics result;
  auto& select = impl_->statistics.on(impl_->connection, detail::select_statistics);
  while (select.step()) {
    result.unsent = static_cast<std::uint64_t>(select.integer(0));
    result.parked = static_cast<std::uint64_t>(select.integer(1));
    if (!select.is_null(2)) result.oldest_unsent = time_from(select.integer(2));
  }
  return result;
}

}  // namespace skald::outbox
