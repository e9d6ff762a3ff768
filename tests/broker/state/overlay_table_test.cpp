// The overlay against a plain map: whatever is changed, frozen, stored and thawed in whatever order, lookups
// see the newest of everything.
#include "broker/state/overlay_table.hpp"

#include <doctest/doctest.h>

#include <map>
#include <random>

#include "tests/broker/state/sim_store.hpp"

namespace skald::state {

namespace {

using table = overlay_table<batch_key, batch_row>;
using model = std::map<batch_key, batch_row>;

batch_key key_of(std::uint64_t topic, std::uint64_t partition, std::uint64_t base) {
  return {{topic_id(static_cast<std::uint32_t>(topic)), partition_id(static_cast<std::uint32_t>(partition))},
          offset(base)};
}

batch_row row_of(std::uint64_t bytes) {
  batch_row row;
  row.bytes_before = bytes;
  return row;
}

// Writes a generation as tables::freeze() does.
void store_generation(testing::sim_store& to, const table::generation& frozen) {
  const auto stored = to.commit([&](writer& writing) {
    std::string key;
    std::string value;
    for (const auto& [of, row] : frozen) {
      encode(of, key);
      if (row)
        encode(*row, value), writing.put(table_id::batches, key, value);
      else
        writing.erase(table_id::batches, key);
    }
  });
  REQUIRE(stored.has_value());
}

class history {
 public:
  explicit history(std::uint64_t seed) : random_(seed) {}

  void act() {
    const batch_key key = any_key();
    switch (random_() % 12) {
      case 0:
        if (!frozen_) frozen_ = overlay_.freeze();
        break;
      case 1:
        if (frozen_ && !stored_) store_generation(store_, *frozen_), stored_ = true;
        break;
      case 2:
        if (stored_) overlay_.thaw(), frozen_.reset(), stored_ = false;
        break;
      case 3:
      case 4:
      case 5:
        overlay_.erase(key);
        model_.erase(key);
        break;
      default:
        overlay_.put(key, row_of(++counter_));
        model_[key] = row_of(counter_);
    }
  }

  void check() {
    const batch_key key = any_key();
    const auto in_model = model_.find(key);
    CHECK(overlay_.get(key) == (in_model == model_.end() ? std::nullopt : std::optional(in_model->second)));

    auto after = model_.upper_bound(key);
    const auto before = overlay_.at_or_before(key);
    if (after == model_.begin()) {
      CHECK_FALSE(before);
    } else {
      --after;
      REQUIRE(before);
      CHECK(before->first == after->first);
      CHECK(before->second == after->second);
    }

    auto expected = model_.lower_bound(key);
    std::size_t limit = random_() % 20;
    overlay_.scan(key, [&](const batch_key& at, const batch_row& row) {
      REQUIRE(expected != model_.end());
      CHECK(at == expected->first);
      CHECK(row == expected->second);
      ++expected;
      return limit-- > 0;
    });
    if (limit != std::size_t(-1)) CHECK(expected == model_.end());
  }

 private:
  // Few of them, at the edges too, so that every layer often knows the same key.
  batch_key any_key() {
    const std::uint64_t edge = random_() % 16;
    const std::uint64_t base = edge == 0 ? 0 : edge == 1 ? UINT64_MAX : random_() % 12;
    return key_of(random_() % 3, random_() % 2, base);
  }

  std::mt19937_64 random_;
  testing::sim_store store_;
  table overlay_{store_, table_id::batches};
  model model_;
  std::shared_ptr<const table::generation> frozen_;
  bool stored_ = false;
  std::uint64_t counter_ = 0;
};

}  // namespace

TEST_CASE("an overlay table behaves as one ordered map") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    history one(seed);
    for (int i = 0; i < 400; ++i) {
      one.act();
      one.check();
    }
  }
}

TEST_CASE("only changes since the last freeze count as changed") {
  testing::sim_store store;
  table overlay(store, table_id::batches);
  overlay.put(key_of(1, 0, 0), row_of(1));
  overlay.erase(key_of(1, 0, 7));
  CHECK(overlay.changed_rows() == 2);
  CHECK(overlay.freeze()->size() == 2);
  CHECK(overlay.changed_rows() == 0);
  CHECK(overlay.get(key_of(1, 0, 0)));
}

}  // namespace skald::state
