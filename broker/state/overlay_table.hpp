// A table too large for memory: what changed lately, over what the store holds.
//
//   active generation     changed by put() and erase()
//   flushing generation   frozen; being written to the store by another thread, or just written
//   store                 everything before
//
// A lookup takes the newest of the three that knows the key. The store may already hold the flushing
// generation or not: it makes no difference, which is why nothing has to stop while it is being written.
//
// A generation only grows, and goes as a whole: its rows lie in memory of its own, taken in large pieces. So
// the thread that lets go of one does not compete with the reactor for the allocator, row by row.
//
// Threading: all on the reactor, except that frozen generations are immutable and may be read by the thread
// that writes them.
#pragma once

#include <map>
#include <memory>
#include <memory_resource>
#include <optional>
#include <string>
#include <utility>

#include "broker/state/rows.hpp"
#include "broker/state/store.hpp"

namespace skald::state {

template <class Key, class Value>
class overlay_table {
 public:
  using row = std::pair<Key, Value>;
  using generation = std::pmr::map<Key, std::optional<Value>>;  // without a value: erased

  overlay_table(const store& under, table_id id) : store_(under), id_(id) {}

  std::optional<Value> get(const Key& key) const {
    for (const generation* layer : {static_cast<const generation*>(&active()), flushing_.get()}) {
      if (layer == nullptr) continue;
      if (const auto found = layer->find(key); found != layer->end()) return found->second;
    }
    std::string bytes;
    encode(key, bytes);
    const std::optional<std::string> stored = store_.get(id_, bytes);
    if (!stored) return std::nullopt;
    Value value;
    decode(*stored, value);
    return value;
  }

  void put(const Key& key, Value value) { active().insert_or_assign(key, std::move(value)); }
  void erase(const Key& key) { active().insert_or_assign(key, std::nullopt); }

  // The last row whose key is not after `key`.
  std::optional<row> at_or_before(const Key& key) const {
    Key bound = key;
    std::unique_ptr<cursor> stored;
    for (bool inclusive = true;; inclusive = false) {
      const auto newest = floor(active(), bound, inclusive);
      const auto frozen = flushing_ ? floor(*flushing_, bound, inclusive) : std::nullopt;
      if (!stored) stored = store_.read(id_);
      const auto below = floor(*stored, bound, inclusive);
      const auto* best = better(better(newest, frozen), below);
      if (best == nullptr) return std::nullopt;
      if (best->second) return row(best->first, *best->second);
      bound = best->first;  // erased: go on before it
    }
  }

  // Calls visit(key, value) for each row from `from` on, in order, until it returns false.
  template <class Visitor>
  void scan(const Key& from, Visitor&& visit) const {
    auto newest = active().lower_bound(from);
    typename generation::const_iterator frozen;
    if (flushing_) frozen = flushing_->lower_bound(from);
    std::string bytes;
    encode(from, bytes);
    const std::unique_ptr<cursor> stored = store_.read(id_);
    // Not an optional: GCC 12 at -O2 takes the text of a key in one for uninitialised.
    Key below{};
    bool has_below = false;
    const auto load = [&](bool there) {
      has_below = there;
      if (there) decode(stored->key(), below);
    };
    load(stored->seek_at_or_after(bytes));

    while (true) {
      const bool has_newest = newest != active().end();
      const bool has_frozen = flushing_ && frozen != flushing_->end();
      if (!has_newest && !has_frozen && !has_below) return;
      const Key* first = has_below ? &below : nullptr;
      if (has_frozen && (first == nullptr || frozen->first <= *first)) first = &frozen->first;
      if (has_newest && (first == nullptr || newest->first <= *first)) first = &newest->first;
      const Key key = *first;

      // The newest layer that knows the key decides; the others step over it.
      std::optional<Value> value;
      if (has_below && below == key) {
        decode(stored->value(), value.emplace());
        load(stored->next());
      }
      if (has_frozen && frozen->first == key) value = (frozen++)->second;
      if (has_newest && newest->first == key) value = (newest++)->second;
      if (value && !visit(key, *value)) return;
    }
  }

  // Freezes what changed since the last time, for a writer to store; thawed() must have come in between.
  std::shared_ptr<const generation> freeze() {
    const auto frozen = std::exchange(active_, std::make_shared<growing>());
    flushing_ = std::shared_ptr<const generation>(frozen, &frozen->rows);
    return flushing_;
  }
  // The frozen generation is in the store.
  void thaw() { flushing_.reset(); }

  // Rows changed since the last freeze: what the active generation costs.
  std::size_t changed_rows() const { return active().size(); }

 private:
  struct growing {
    std::pmr::monotonic_buffer_resource memory;
    generation rows{&memory};
  };
  using candidate = std::optional<std::pair<Key, std::optional<Value>>>;

  generation& active() { return active_->rows; }
  const generation& active() const { return active_->rows; }

  static candidate floor(const generation& layer, const Key& bound, bool inclusive) {
    auto after = inclusive ? layer.upper_bound(bound) : layer.lower_bound(bound);
    if (after == layer.begin()) return std::nullopt;
    --after;
    return candidate(std::in_place, after->first, after->second);
  }
  static candidate floor(cursor& layer, const Key& bound, bool inclusive) {
    std::string bytes;
    encode(bound, bytes);
    if (!inclusive) step_down(bytes);
    if (!layer.seek_at_or_before(bytes)) return std::nullopt;
    candidate found(std::in_place, Key{}, Value{});
    decode(layer.key(), found->first);
    decode(layer.value(), *found->second);
    return found;
  }
  // The greatest key of the same length before this one. Keys have a fixed length, so nothing lies between;
  // before the least there is nothing, which the empty key stands for.
  static void step_down(std::string& key) {
    for (std::size_t i = key.size(); i-- > 0;)
      if (static_cast<unsigned char>(key[i]--) != 0) return;
    key.clear();
  }
  // The candidate with the greater key; of equals the first, which is from the newer layer.
  static const typename candidate::value_type* better(const candidate& newer, const candidate& older) {
    return better(newer ? &*newer : nullptr, older);
  }
  static const typename candidate::value_type* better(const typename candidate::value_type* newer,
                                                      const candidate& older) {
    if (!older) return newer;
    return newer == nullptr || newer->first < older->first ? &*older : newer;
  }

  const store& store_;
  table_id id_;
  std::shared_ptr<growing> active_ = std::make_shared<growing>();
  std::shared_ptr<const generation> flushing_;
};

}  // namespace skald::state
