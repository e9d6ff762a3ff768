// A table small enough to be all in memory. It knows which rows the store has not got yet.
//
// Threading: the reactor's, but for what freeze() returns, which is the caller's.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/state/rows.hpp"
#include "broker/state/store.hpp"

namespace skald::state {

template <class Key, class Value>
class resident_table {
  struct slot {
    Value value;
    bool dirty = false;  // its key is in dirty_
  };
  using rows = std::map<Key, slot>;

 public:
  using generation = std::vector<std::pair<Key, std::optional<Value>>>;

  class iterator {
   public:
    explicit iterator(typename rows::const_iterator at) : at_(at) {}
    std::pair<const Key&, const Value&> operator*() const { return {at_->first, at_->second.value}; }
    iterator& operator++() { return ++at_, *this; }
    friend bool operator==(iterator, iterator) = default;

   private:
    typename rows::const_iterator at_;
  };

  explicit resident_table(table_id id) : id_(id) {}

  void load(const store& from) {
    const std::unique_ptr<cursor> stored = from.read(id_);
    for (bool there = stored->seek_at_or_after({}); there; there = stored->next()) {
      Key key;
      Value value;
      decode(stored->key(), key);
      decode(stored->value(), value);
      rows_.emplace_hint(rows_.end(), key, slot{std::move(value)});
    }
  }

  const Value* find(const Key& key) const {
    const auto found = rows_.find(key);
    return found == rows_.end() ? nullptr : &found->second.value;
  }
  // The row, to be changed; null when there is none. Valid until the row is erased.
  Value* edit(const Key& key) {
    const auto found = rows_.find(key);
    if (found == rows_.end()) return nullptr;
    mark(found->first, found->second);
    return &found->second.value;
  }
  // The row, made with default values if it is not there.
  Value& edit_or_add(const Key& key) {
    const auto found = rows_.try_emplace(key).first;
    mark(found->first, found->second);
    return found->second.value;
  }
  void put(const Key& key, Value value) { edit_or_add(key) = std::move(value); }
  void erase(const Key& key) {
    const auto found = rows_.find(key);
    if (found == rows_.end()) return;
    mark(found->first, found->second);
    rows_.erase(found);
  }

  iterator begin() const { return iterator(rows_.begin()); }
  iterator end() const { return iterator(rows_.end()); }
  iterator lower_bound(const Key& from) const { return iterator(rows_.lower_bound(from)); }
  std::size_t size() const { return rows_.size(); }
  bool empty() const { return rows_.empty(); }

  std::size_t changed_rows() const { return dirty_.size(); }

  // The rows that changed since the last time, as they are now.
  generation freeze() {
    generation changed;
    changed.reserve(dirty_.size());
    for (const Key& key : std::exchange(dirty_, {})) {
      const auto found = rows_.find(key);
      if (found == rows_.end()) {
        changed.emplace_back(key, std::nullopt);
      } else if (std::exchange(found->second.dirty, false)) {
        changed.emplace_back(key, found->second.value);
      }
    }
    return changed;
  }

 private:
  void mark(const Key& key, slot& row) {
    if (!std::exchange(row.dirty, true)) dirty_.push_back(key);
  }

  table_id id_;
  rows rows_;
  std::vector<Key> dirty_;  // each once, but for rows that were erased and made again
};

}  // namespace skald::state
