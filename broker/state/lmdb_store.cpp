#include "broker/state/lmdb_store.hpp"

#include <boost/endian/conversion.hpp>
#include <cerrno>
#include <span>
#include <utility>

#include "skald/protocol/crc32c.hpp"
#include "skald/protocol/error.hpp"

namespace skald::state {

namespace {

constexpr std::array<std::string_view, table_count> names = {
    "meta",        "topics",          "partitions", "batches",          "places",        "producers",
    "segments",    "garbage",         "keys",       "key_records",      "message_ids",   "commits",
    "committers",  "group_positions", "queues",     "queue_partitions", "queue_records", "timers",
    "timer_names", "named_producers"};

MDB_val as_value(std::string_view bytes) {
  // LMDB does not write through the pointers it is given, but its interface does not say so.
  return {bytes.size(), const_cast<char*>(bytes.data())};
}
std::string_view as_view(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

errc kind_of(int code) {
  switch (code) {
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
      return errc::storage_corrupt;
    case MDB_VERSION_MISMATCH:
      return errc::unsupported_version;
    default:
      return errc::storage_error;
  }
}

[[noreturn]] void fail(int code, const std::string& what) {
  throw error(kind_of(code), what + ": " + mdb_strerror(code));
}

constexpr std::size_t checksum_bytes = 4;

std::uint32_t checksum_of(std::string_view key, std::string_view value) {
  using protocol::crc32c;
  return crc32c(std::as_bytes(std::span(value)), crc32c(std::as_bytes(std::span(key))));
}

struct abort_transaction {
  void operator()(MDB_txn* transaction) const noexcept { mdb_txn_abort(transaction); }
};
using transaction = std::unique_ptr<MDB_txn, abort_transaction>;

}  // namespace

std::string_view to_string(table_id table) noexcept {
  return names[static_cast<std::size_t>(table)];
}

class lmdb_store::lmdb_cursor final : public cursor {
 public:
  lmdb_cursor(const lmdb_store& in, table_id table)
      : store_(in), table_(table), transaction_(in.begin_read()) {
    if (!in.has(table)) return;
    const int code = mdb_cursor_open(transaction_, in.tables_[static_cast<std::size_t>(table)], &cursor_);
    if (code == 0) return;
    in.end_read(transaction_);
    fail(code, in.where());
  }
  ~lmdb_cursor() override {
    if (cursor_ != nullptr) mdb_cursor_close(cursor_);
    store_.end_read(transaction_);
  }
  lmdb_cursor(const lmdb_cursor&) = delete;
  lmdb_cursor& operator=(const lmdb_cursor&) = delete;

  bool seek_at_or_after(std::string_view key) override {
    if (key.empty()) return move(MDB_FIRST);
    key_ = as_value(key);
    return move(MDB_SET_RANGE);
  }
  bool seek_at_or_before(std::string_view key) override {
    if (key.empty()) return false;
    if (!seek_at_or_after(key)) return move(MDB_LAST);
    return as_view(key_) == key || move(MDB_PREV);
  }
  bool next() override { return move(MDB_NEXT); }
  std::string_view key() const override { return as_view(key_); }
  std::string_view value() const override { return store_.checked(table_, key(), as_view(value_)); }

 private:
  bool move(MDB_cursor_op how) {
    if (cursor_ == nullptr) return false;
    const int code = mdb_cursor_get(cursor_, &key_, &value_, how);
    if (code != 0 && code != MDB_NOTFOUND) fail(code, store_.where());
    return code == 0;
  }

  const lmdb_store& store_;
  table_id table_;
  MDB_txn* transaction_;
  MDB_cursor* cursor_ = nullptr;  // null: the table is not there
  MDB_val key_{};
  MDB_val value_{};
};

class lmdb_store::lmdb_writer final : public writer {
 public:
  lmdb_writer(const lmdb_store& in, MDB_txn* to) : store_(in), transaction_(to) {}

  void put(table_id table, std::string_view key, std::string_view value) override {
    if (failed_ != 0) return;
    MDB_val stored_key = as_value(key);
    stored_.resize(checksum_bytes);
    boost::endian::store_little_u32(reinterpret_cast<unsigned char*>(stored_.data()),
                                    checksum_of(key, value));
    stored_ += value;
    MDB_val stored_value = as_value(stored_);
    failed_ = mdb_put(transaction_, of(table), &stored_key, &stored_value, 0);
  }
  void erase(table_id table, std::string_view key) override {
    if (failed_ != 0) return;
    MDB_val stored_key = as_value(key);
    const int code = mdb_del(transaction_, of(table), &stored_key, nullptr);
    if (code != MDB_NOTFOUND) failed_ = code;
  }
  int failed() const { return failed_; }

 private:
  MDB_dbi of(table_id table) const { return store_.tables_[static_cast<std::size_t>(table)]; }

  const lmdb_store& store_;
  MDB_txn* transaction_;
  std::string stored_;  // kept for its capacity
  int failed_ = 0;
};

lmdb_store::lmdb_store(const std::filesystem::path& directory, std::uint64_t map_bytes, access how)
    : directory_(directory), map_bytes_(map_bytes) {
  const auto attempt = [this](int code) {
    if (code == 0) return;
    mdb_env_close(std::exchange(environment_, nullptr));
    fail(code, where());
  };
  if (const int code = mdb_env_create(&environment_)) fail(code, where());
  attempt(mdb_env_set_mapsize(environment_, map_bytes));
  attempt(mdb_env_set_maxdbs(environment_, static_cast<MDB_dbi>(table_count)));
  const bool read_only = how == access::read_only;
  attempt(mdb_env_open(environment_, directory.c_str(), MDB_NOTLS | (read_only ? MDB_RDONLY : 0u), 0640));

  MDB_txn* opened = nullptr;
  attempt(mdb_txn_begin(environment_, nullptr, read_only ? MDB_RDONLY : 0u, &opened));
  transaction opening(opened);
  for (std::size_t i = 0; i < table_count; ++i) {
    const int code =
        mdb_dbi_open(opened, std::string(names[i]).c_str(), read_only ? 0u : MDB_CREATE, &tables_[i]);
    if (read_only && code == MDB_NOTFOUND && table_id(i) != table_id::meta) {
      tables_[i] = absent;
      continue;
    }
    if (code != 0) opening.reset();  // before the environment is closed
    attempt(code);
  }
  attempt(mdb_txn_commit(opening.release()));
}

lmdb_store::~lmdb_store() {
  if (idle_read_ != nullptr) mdb_txn_abort(idle_read_);
  mdb_env_close(environment_);
}

std::string lmdb_store::where() const {
  return "cannot use the state in " + directory_.string();
}

std::string_view lmdb_store::checked(table_id table, std::string_view key, std::string_view stored) const {
  if (stored.size() >= checksum_bytes) {
    const std::string_view value = stored.substr(checksum_bytes);
    const auto* sum = reinterpret_cast<const unsigned char*>(stored.data());
    if (boost::endian::load_little_u32(sum) == checksum_of(key, value)) return value;
  }
  throw error(errc::storage_corrupt,
              where() + ": a row of table " + std::string(to_string(table)) +
                  " does not match its checksum; restore the data directory as a whole "
                  "from a copy");
}

MDB_txn* lmdb_store::begin_read() const {
  if (MDB_txn* renewed = std::exchange(idle_read_, nullptr)) {
    const int code = mdb_txn_renew(renewed);
    if (code == 0) return renewed;
    mdb_txn_abort(renewed);
    fail(code, where());
  }
  MDB_txn* begun = nullptr;
  if (const int code = mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &begun)) fail(code, where());
  return begun;
}

void lmdb_store::end_read(MDB_txn* done) const noexcept {
  if (idle_read_ != nullptr) {  // of a read within another
    mdb_txn_abort(done);
    return;
  }
  mdb_txn_reset(done);
  idle_read_ = done;
}

std::optional<std::string> lmdb_store::get(table_id table, std::string_view key) const {
  if (!has(table)) return std::nullopt;
  MDB_txn* const reading = begin_read();
  MDB_val stored_key = as_value(key);
  MDB_val stored_value{};
  const int code = mdb_get(reading, tables_[static_cast<std::size_t>(table)], &stored_key, &stored_value);
  std::optional<std::string> found;
  if (code == 0) found = as_view(stored_value);
  end_read(reading);
  if (code != 0 && code != MDB_NOTFOUND) fail(code, where());
  if (found) found->erase(0, found->size() - checked(table, key, *found).size());
  return found;
}

// LMDB reports a short write, which is how a disk usually fills up, as EIO. Trying again is safe either way:
// a transaction that failed is referred to by nothing, and the next one writes all of its pages anew.
bool lmdb_store::is_full(int code) const {
  if (code != EIO) return code == ENOSPC;
  constexpr std::uint64_t hardly_anything = 1u << 20;
  std::error_code ignored;
  const std::filesystem::space_info space = std::filesystem::space(directory_, ignored);
  return !ignored && space.available < hardly_anything;
}

std::unique_ptr<cursor> lmdb_store::read(table_id table) const {
  return std::make_unique<lmdb_cursor>(*this, table);
}

result<> lmdb_store::commit(const std::function<void(writer&)>& changes) {
  MDB_txn* begun = nullptr;
  int code = mdb_txn_begin(environment_, nullptr, 0, &begun);
  if (code == 0) {
    transaction writing(begun);
    lmdb_writer to(*this, begun);
    changes(to);
    code = to.failed();
    if (code == 0) code = mdb_txn_commit(writing.release());
  }
  if (code == 0) return {};
  std::string why = where() + ": " + mdb_strerror(code);
  if (code == MDB_MAP_FULL)
    why += "; it has grown to the " + std::to_string(map_bytes_) + " bytes reserved: reserve more";
  return failure{is_full(code) ? errc::storage_full : kind_of(code), std::move(why)};
}

}  // namespace skald::state
