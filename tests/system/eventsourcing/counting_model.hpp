// A read model that counts: how often each value was seen, and in which order those of a key came.
#pragma once

#include <sqlite3.h>

#include <skald/eventsourcing/projection.hpp>
#include <stdexcept>
#include <string>

namespace skald::tests {

// The first value that a statement gives, or 0.
inline std::int64_t query(sqlite3* db, const std::string& sql) {
  sqlite3_stmt* prepared = nullptr;
  if (sqlite3_prepare_v2(db, sql.c_str(), -1, &prepared, nullptr) != SQLITE_OK)
    throw std::runtime_error(sqlite3_errmsg(db));
  const int stepped = sqlite3_step(prepared);
  const std::int64_t result = stepped == SQLITE_ROW ? sqlite3_column_int64(prepared, 0) : 0;
  sqlite3_finalize(prepared);
  if (stepped != SQLITE_ROW && stepped != SQLITE_DONE) throw std::runtime_error(sqlite3_errmsg(db));
  return result;
}

class counting_model final : public eventsourcing::read_model {
 public:
  explicit counting_model(sqlite3* db) {
    query(db,
          "CREATE TABLE IF NOT EXISTS seen (key TEXT, number INTEGER, times INTEGER, PRIMARY KEY (key, "
          "number))");
    query(db, "CREATE TABLE IF NOT EXISTS disorder (key TEXT)");
    prepare(db, &count_, "INSERT INTO seen VALUES (?1, ?2, 1) ON CONFLICT DO UPDATE SET times = times + 1");
    prepare(db, &complain_,
            "INSERT INTO disorder SELECT ?1 WHERE ?2 <> (SELECT max(number) FROM seen WHERE key = ?1)");
  }
  ~counting_model() override {
    sqlite3_finalize(count_);
    sqlite3_finalize(complain_);
  }

  void apply(const record& event) override {
    run(count_, event);
    run(complain_, event);
  }

 private:
  static void prepare(sqlite3* db, sqlite3_stmt** into, const char* sql) {
    if (sqlite3_prepare_v2(db, sql, -1, into, nullptr) != SQLITE_OK)
      throw std::runtime_error(sqlite3_errmsg(db));
  }
  static void run(sqlite3_stmt* what, const record& event) {
    const std::string key(event.key().value_or(""));
    sqlite3_bind_text(what, 1, key.c_str(), -1, SQLITE_TRANSIENT);
    sqlite3_bind_int64(what, 2, std::stoll(std::string(event.value().value_or("0"))));
    const int stepped = sqlite3_step(what);
    sqlite3_reset(what);
    if (stepped != SQLITE_DONE) throw std::runtime_error("the model cannot be changed");
  }

  sqlite3_stmt* count_ = nullptr;
  sqlite3_stmt* complain_ = nullptr;
};

// A reader of the model's current file, opened anew.
class model_reader {
 public:
  explicit model_reader(const std::string& file) {
    if (sqlite3_open_v2(file.c_str(), &db_, SQLITE_OPEN_READONLY, nullptr) != SQLITE_OK)
      throw std::runtime_error("cannot open " + file);
  }
  ~model_reader() { sqlite3_close(db_); }
  model_reader(const model_reader&) = delete;
  model_reader& operator=(const model_reader&) = delete;

  std::int64_t records() const { return query(db_, "SELECT count(*) FROM seen"); }
  std::int64_t repeated() const { return query(db_, "SELECT count(*) FROM seen WHERE times <> 1"); }
  std::int64_t disorder() const { return query(db_, "SELECT count(*) FROM disorder"); }

 private:
  sqlite3* db_ = nullptr;
};

}  // namespace skald::tests
