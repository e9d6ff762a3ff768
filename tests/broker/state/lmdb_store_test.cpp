#include "broker/state/lmdb_store.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <random>

#include "skald/protocol/error.hpp"
#include "tests/broker/support/temporary_directory.hpp"

namespace skald::state {

namespace {

constexpr std::uint64_t map_bytes = 64u << 20;

void put(store& to, std::string_view key, std::string_view value) {
  REQUIRE(to.commit([&](writer& w) { w.put(table_id::batches, key, value); }).has_value());
}

}  // namespace

TEST_CASE("what was committed is there after the store is opened again") {
  const testing::temporary_directory directory;
  {
    put(*std::make_unique<lmdb_store>(directory.path(), map_bytes), "key", "value");
  }
  const lmdb_store reopened(directory.path(), map_bytes);
  CHECK(reopened.get(table_id::batches, "key") == "value");
  CHECK_FALSE(reopened.get(table_id::topics, "key"));
}

TEST_CASE("cursors find their place in both directions") {
  const testing::temporary_directory directory;
  lmdb_store store(directory.path(), map_bytes);
  std::map<std::string, std::string, std::less<>> model;
  std::mt19937_64 random(1);
  const auto filled = store.commit([&](writer& w) {
    for (int i = 0; i < 500; ++i) {
      const std::string key = std::to_string(random() % 1'000);
      w.put(table_id::batches, key, std::to_string(i));
      model[key] = std::to_string(i);
    }
    for (int i = 0; i < 200; ++i) {
      const std::string key = std::to_string(random() % 1'000);
      w.erase(table_id::batches, key);
      model.erase(key);
    }
  });
  REQUIRE(filled.has_value());
  for (int i = 0; i < 1'000; ++i) {
    const std::string key = std::to_string(i);
    const auto rows = store.read(table_id::batches);
    auto expected = model.lower_bound(key);
    CHECK(rows->seek_at_or_after(key) == (expected != model.end()));
    if (expected != model.end()) {
      CHECK(rows->key() == expected->first);
      CHECK(rows->value() == expected->second);
      CHECK(rows->next() == (++expected != model.end()));
    }
    auto after = model.upper_bound(key);
    CHECK(rows->seek_at_or_before(key) == (after != model.begin()));
    if (after != model.begin()) CHECK(rows->key() == std::prev(after)->first);
  }
}

TEST_CASE("a cursor sees one committed state, whatever is committed meanwhile") {
  const testing::temporary_directory directory;
  lmdb_store store(directory.path(), map_bytes);
  put(store, "a", "1");
  const auto rows = store.read(table_id::batches);
  put(store, "b", "2");
  REQUIRE(rows->seek_at_or_after("a"));
  CHECK_FALSE(rows->next());
  CHECK(store.get(table_id::batches, "b") == "2");
}

TEST_CASE("a store that has outgrown its reservation says so, changes nothing and can still be read") {
  const testing::temporary_directory directory;
  lmdb_store store(directory.path(), 1u << 20);
  put(store, "before", "it");
  const auto grown = store.commit([](writer& w) {
    w.put(table_id::batches, "before", "changed");
    for (int i = 0; i < 100'000; ++i) w.put(table_id::batches, std::to_string(i), std::string(100, 'x'));
  });
  REQUIRE_FALSE(grown.has_value());
  CHECK(grown.error().code == errc::storage_error);
  CHECK(grown.error().message.find("reserve more") != std::string::npos);
  CHECK(store.get(table_id::batches, "before") == "it");
  put(store, "after", "it");
}

TEST_CASE("a directory that is not there is a storage error that names it") {
  const testing::temporary_directory directory;
  try {
    const lmdb_store store(directory.path() / "nowhere", map_bytes);
    FAIL("it was opened");
  } catch (const error& refused) {
    CHECK(refused.code() == errc::storage_error);
    CHECK(refused.message().find("nowhere") != std::string::npos);
  }
}

TEST_CASE("a file that is not LMDB's is refused") {
  const testing::temporary_directory directory;
  std::FILE* const file = std::fopen((directory.path() / "data.mdb").c_str(), "w");
  REQUIRE(file != nullptr);
  for (int i = 0; i < 2'000; ++i) std::fputs("garbage!", file);
  std::fclose(file);
  try {
    const lmdb_store store(directory.path(), map_bytes);
    FAIL("it was opened");
  } catch (const error& refused) {
    CHECK(refused.code() == errc::storage_corrupt);
  }
}

TEST_CASE("a flipped bit in a stored value is corruption, however it is read") {
  const testing::temporary_directory directory;
  const std::string value = "a value that is easily found in the file";
  {
    put(*std::make_unique<lmdb_store>(directory.path(), map_bytes), "key", value);
  }
  const auto path = directory.path() / "data.mdb";
  std::ifstream in(path, std::ios::binary);
  const std::string sound((std::istreambuf_iterator<char>(in)), {});
  const std::size_t begin = sound.find(value);
  REQUIRE(begin != std::string::npos);
  // The four bytes before the value are its checksum, those before it the key.
  for (std::size_t at = begin - 4; at < begin + value.size(); ++at) {
    std::string damaged = sound;
    damaged[at] = static_cast<char>(damaged[at] ^ 1 << at % 8);
    std::ofstream(path, std::ios::binary) << damaged;
    const lmdb_store store(directory.path(), map_bytes, lmdb_store::access::read_only);
    const auto is_corrupt = [](const auto& read) {
      try {
        read();
      } catch (const error& refused) {
        return refused.code() == errc::storage_corrupt &&
               refused.message().find("table batches") != std::string::npos;
      }
      return false;
    };
    CHECK(is_corrupt([&] { store.get(table_id::batches, "key"); }));
    CHECK(is_corrupt([&] {
      const auto rows = store.read(table_id::batches);
      REQUIRE(rows->seek_at_or_after({}));
      rows->value();
    }));
  }
}

TEST_CASE("a store opened read-only reads") {
  const testing::temporary_directory directory;
  {
    put(*std::make_unique<lmdb_store>(directory.path(), map_bytes), "key", "value");
  }
  const lmdb_store store(directory.path(), map_bytes, lmdb_store::access::read_only);
  CHECK(store.get(table_id::batches, "key") == "value");
}

// An environment as an older program left it, with the first table and no other.
TEST_CASE("a table that is younger than the store is empty, and made when the store is written to") {
  const testing::temporary_directory directory;
  MDB_env* older = nullptr;
  REQUIRE(mdb_env_create(&older) == 0);
  REQUIRE(mdb_env_set_maxdbs(older, 1) == 0);
  REQUIRE(mdb_env_open(older, directory.path().c_str(), MDB_NOTLS, 0640) == 0);
  MDB_txn* made = nullptr;
  MDB_dbi table = 0;
  REQUIRE(mdb_txn_begin(older, nullptr, 0, &made) == 0);
  REQUIRE(mdb_dbi_open(made, "meta", MDB_CREATE, &table) == 0);
  REQUIRE(mdb_txn_commit(made) == 0);
  mdb_env_close(older);
  {
    const lmdb_store store(directory.path(), map_bytes, lmdb_store::access::read_only);
    CHECK_FALSE(store.get(table_id::batches, "key"));
    const auto rows = store.read(table_id::batches);
    CHECK_FALSE(rows->seek_at_or_after({}));
    CHECK_FALSE(rows->seek_at_or_after("key"));
    CHECK_FALSE(rows->seek_at_or_before("key"));
  }
  lmdb_store store(directory.path(), map_bytes);
  put(store, "key", "value");
  CHECK(store.get(table_id::batches, "key") == "value");
}

}  // namespace skald::state
