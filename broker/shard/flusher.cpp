#include "broker/shard/flusher.hpp"

#include <utility>

#include "skald/protocol/error.hpp"

namespace skald::shard {

flusher::flusher(state::tables& of, state::store& to, background& worker, executor& runs_on,
                 listener& reports, limits within)
    : tables_(of), store_(to), worker_(worker), runs_on_(runs_on), reports_(reports), limits_(within) {}

flusher::~flusher() {
  *self_ = nullptr;
}

void flusher::applied(journal::sequence which, journal::log_index index, journal::place payload) {
  const std::uint64_t bytes = journal::stored_bytes(payload.bytes);
  tables_.meta.applied = index;
  tables_.meta.replay_from = {
      .next = journal::sequence(which.value() + 1),
      .segment = payload.segment,
      .position = static_cast<std::uint32_t>(payload.position - journal::entry_header_bytes + bytes)};
  unstored_bytes_ += bytes;
}

bool flusher::due() const {
  return unstored_bytes_ >= limits_.replay_bytes_max / 2 ||
         tables_.changed_rows() >= limits_.changed_rows_max;
}

bool flusher::overrun() const {
  return busy() && due();
}

void flusher::start() {
  if (busy()) return;
  frozen_ = std::make_shared<const state::frozen_tables>(tables_.freeze());
  frozen_bytes_ = std::exchange(unstored_bytes_, 0);
  write();
}

void flusher::retry() {
  if (std::exchange(waits_for_space_, false)) write();
}

void flusher::write() {
  worker_.post([self = self_, frozen = frozen_, &store = store_, &runs_on = runs_on_]() mutable {
    auto outcome = store.commit(frozen->write);
    runs_on.post([self = std::move(self), outcome = std::move(outcome)] {
      if (*self != nullptr) (*self)->written(outcome);
    });
  });
}

void flusher::written(const result<>& outcome) {
  if (!outcome) {
    waits_for_space_ = outcome.error().code == errc::storage_full;
    reports_.on_flush_failed(outcome.error());
    return;
  }
  tables_.thaw();
  frozen_bytes_ = 0;
  const std::shared_ptr<const state::frozen_tables> stored = std::move(frozen_);
  frozen_ = nullptr;
  reports_.on_flushed(*stored);
  // Freeing a generation of many rows takes a while: the worker does it.
  worker_.post([stored] {});
}

}  // namespace skald::shard
