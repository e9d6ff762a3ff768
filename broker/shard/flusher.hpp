// Brings the state to the store, so that a restart has little to replay.
//
// A flush freezes what has changed, writes it in the background in one transaction, together with the point
// of the journal that it reflects, and reports. There is one flush at a time; what changes meanwhile is in
// the next. When changes outrun it, overrun() asks the shard to propose nothing more for the moment: that
// bounds both the memory of the changes and the length of a replay.
//
// Threading: the shard's executor.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "broker/base/executor.hpp"
#include "broker/shard/shard.hpp"
#include "broker/state/tables.hpp"
#include "skald/protocol/result.hpp"

namespace skald::shard {

class flusher {
 public:
  class listener {
   public:
    // The store now holds this.
    virtual void on_flushed(const state::frozen_tables& stored) = 0;
    // storage_full: the flush waits for retry(). Anything else is fatal.
    virtual void on_flush_failed(const skald::failure& why) = 0;

   protected:
    ~listener() = default;
  };

  struct limits {
    std::uint64_t replay_bytes_max = 0;
    // Of one flush; twice as many are when proposals have to wait. Each costs some 150 bytes of memory, and,
    // where keys are random, a page of the store's for as long as it is being written.
    std::size_t changed_rows_max = 48 * 1024;
  };

  flusher(state::tables& of, state::store& to, background& worker, executor& runs_on, listener& reports,
          limits within);
  ~flusher();
  flusher(const flusher&) = delete;
  flusher& operator=(const flusher&) = delete;

  // An entry has been applied to the tables.
  void applied(journal::sequence which, journal::log_index index, journal::place payload);

  bool busy() const { return frozen_ != nullptr; }
  bool waits_for_space() const { return waits_for_space_; }
  // Whether anything has been applied or cleared away that the store does not hold.
  bool dirty() const { return unstored_bytes_ > 0 || tables_.changed_rows() > 0; }
  bool due() const;
  bool overrun() const;
  std::uint64_t replay_bytes() const { return frozen_bytes_ + unstored_bytes_; }

  // Begins a flush, unless there is one.
  void start();
  // Tries a flush again that failed for want of space.
  void retry();

 private:
  void write();
  void written(const result<>& outcome);

  state::tables& tables_;
  state::store& store_;
  background& worker_;
  executor& runs_on_;
  listener& reports_;
  limits limits_;
  std::shared_ptr<const state::frozen_tables> frozen_;  // being written
  std::uint64_t frozen_bytes_ = 0;                      // of the journal, reflected by what is being written
  std::uint64_t unstored_bytes_ = 0;                    // of the journal, reflected by nothing but memory
  bool waits_for_space_ = false;
  std::shared_ptr<flusher*> self_ = std::make_shared<flusher*>(this);
};

}  // namespace skald::shard
