// Outbox and inbox in SQLite.
//
// SQLite has one writer at a time, so that the order of positions is the order of commits. Link
// skald::outbox_sqlite.
#pragma once

#include <filesystem>
#include <memory>

#include <skald/outbox/store.hpp>

struct sqlite3;

namespace skald::outbox {

class sqlite_store final : public store {
 public:
  // On a connection of the service, which outlives the store. Set a busy timeout on it.
  explicit sqlite_store(sqlite3* connection);
  // On a connection of its own, with write-ahead logging, durable commits and a busy timeout of 10 s; the
  // file is made if need be. Throws database_error.
  explicit sqlite_store(const std::filesystem::path& file);
  ~sqlite_store() override;

  sqlite3* connection() const;

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

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace skald::outbox
