// Outbox and inbox in PostgreSQL, 14 or newer.
//
// Sequences count outside of transactions: a row with a lower position may be committed after one with a
// higher. So nothing remembers a position up to which all is done, and what commits late is found like
// anything else. Per key, positions are in the order of commits: a trigger of the table has the transactions
// that publish with one key wait for one another, from the insertion to their end. Two transactions that
// publish with the same keys in different orders may thus deadlock, which PostgreSQL resolves by failing one
// (database_problem::conflict). create_tables() makes the tables where the connection's search_path says.
// Link skald::outbox_postgresql.
#pragma once

#include <memory>
#include <string>

#include <skald/outbox/store.hpp>

struct pg_conn;

namespace skald::outbox {

class postgresql_store final : public store {
 public:
  // On a connection of the service (a PGconn*), which outlives the store.
  explicit postgresql_store(pg_conn* connection);
  // On a connection of its own, which reconnect() replaces; `where` is libpq's connection string. Throws
  // database_error.
  explicit postgresql_store(const std::string& where);
  ~postgresql_store() override;

  pg_conn* connection() const;

  void create_tables() override;
  void begin() override;
  void commit() override;
  void rollback() noexcept override;
  void begin_part() override;
  void keep_part() override;
  void undo_part() override;
  void add(const new_row& what) override;
  bool receive(std::string_view consumer, std::string_view message_id) override;
  void keep_answer(std::string_view consumer, std::string_view message_id, std::string_view answer) override;
  std::optional<std::string> kept_answer(std::string_view consumer, std::string_view message_id) override;
  std::vector<row> unsent(std::uint32_t rows_max, std::uint64_t bytes_max) override;
  void remove(std::span<const std::int64_t> positions) override;
  void park(std::int64_t position, std::string_view reason) override;
  std::vector<parked_row> parked(std::uint32_t rows_max) override;
  std::uint64_t retry_parked() override;
  std::uint64_t clean_inbox(std::chrono::seconds older_than, std::uint32_t rows_max) override;
  outbox_statistics statistics() override;
  void reconnect() override;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace skald::outbox
