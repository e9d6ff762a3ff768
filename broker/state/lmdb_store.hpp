// The store in an LMDB environment: one file, a B+tree per table, crash-safe by itself (copy on write, full
// sync at each commit).
//
// LMDB has no checksums, so each value lies behind a CRC32C (little-endian) of its key and itself: a bit that
// flipped on the disk makes the row storage_corrupt when it is read, instead of something else than was
// written.
//
// MDB_NOTLS, because read transactions belong to objects and not to threads. No MDB_WRITEMAP: a stray write
// into memory must not reach the file. Never MDB_NOSYNC: the journal is recycled on the strength of a commit.
#pragma once

#include <lmdb.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "broker/state/store.hpp"

namespace skald::state {

class lmdb_store final : public store {
 public:
  enum class access { read_write, read_only };

  // Opens or (unless read_only) creates the environment in `directory`, which must exist. `map_bytes` is the
  // address space to reserve, hence the most it can hold. Throws skald::error: storage_error,
  // storage_corrupt, or unsupported_version when LMDB says that the file is of another version.
  lmdb_store(const std::filesystem::path& directory, std::uint64_t map_bytes,
             access how = access::read_write);
  ~lmdb_store() override;
  lmdb_store(const lmdb_store&) = delete;
  lmdb_store& operator=(const lmdb_store&) = delete;

  std::optional<std::string> get(table_id table, std::string_view key) const override;
  std::unique_ptr<cursor> read(table_id table) const override;
  result<> commit(const std::function<void(writer&)>& changes) override;

 private:
  class lmdb_cursor;
  class lmdb_writer;
  // A read transaction is renewed for each read and reset after it: cheaper than a new one, and between reads
  // it holds nothing.
  struct read_transaction;

  // A table that is younger than the environment, which is not to be written to: it has no rows.
  static constexpr MDB_dbi absent = ~MDB_dbi{0};
  bool has(table_id table) const { return tables_[static_cast<std::size_t>(table)] != absent; }

  std::string where() const;
  // The value itself. Throws storage_corrupt when it is not what was written.
  std::string_view checked(table_id table, std::string_view key, std::string_view stored) const;
  bool is_full(int code) const;
  MDB_txn* begin_read() const;
  void end_read(MDB_txn* transaction) const noexcept;

  std::filesystem::path directory_;
  std::uint64_t map_bytes_;
  MDB_env* environment_ = nullptr;
  std::array<MDB_dbi, table_count> tables_{};
  mutable MDB_txn* idle_read_ = nullptr;  // of the reading thread
};

}  // namespace skald::state
