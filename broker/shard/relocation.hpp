// Moving live batches out of segments that hold little else, so that those can be reused.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "broker/base/executor.hpp"
#include "broker/journal/journal.hpp"
#include "broker/shard/command.hpp"
#include "broker/shard/shard.hpp"
#include "broker/state/tables.hpp"

namespace skald::shard {

struct segment_use {
  journal::generation segment;
  std::uint64_t live_bytes = 0;
};

// Which segment to empty next, if any: a pure policy. `candidates` are segments before the replay point.
//
// Nothing is moved while the journal is at most half as large again as what lives in it, plus two segments of
// slack. Beyond that the segment with the least goes first, if no more than half of it lives: so giving back
// a byte never costs writing more than one, and the journal stays within about twice its live bytes.
std::optional<journal::generation> choose_relocation(std::span<const segment_use> candidates,
                                                     std::uint64_t segments, std::uint64_t segment_bytes,
                                                     std::uint64_t live_bytes);

// Empties one segment at a time, in bounded steps: look up some batches, read and check them in the
// background, propose them again. A batch that no longer matches its checksum is reported; its segment is
// kept as it is.
//
// Threading: the shard's executor.
class relocator {
 public:
  // Proposes local entries and calls `applied` when all have been; false when there is no room.
  using propose = std::function<bool(std::vector<journal::new_entry> entries, std::function<void()> applied)>;

  relocator(const state::tables& in, const journal::journal& from, background& worker, executor& runs_on,
            propose how, std::function<void(const std::string&)> warn);
  ~relocator();
  relocator(const relocator&) = delete;
  relocator& operator=(const relocator&) = delete;

  bool busy() const { return busy_; }
  bool damaged(journal::generation segment) const { return damaged_.contains(segment); }
  // Begins emptying a segment; it must not be busy.
  void start(journal::generation segment);

 private:
  struct item {
    state::place_key from;
    state::place_row lies;
    std::uint32_t bytes = 0;
  };
  struct read_item {
    item what;
    slice batch;
    std::string damage;  // empty: it is sound
  };

  // Where what lies at a place should lie, by its own row; nothing when that is gone.
  std::optional<journal::place> place_of(const state::place_row& what) const;
  static read_item read(const item& what, const journal::segment_pin& from);
  void step();
  void propose_again(std::vector<read_item> batches);

  static constexpr std::uint64_t step_bytes_max = 4u << 20;
  static constexpr std::size_t step_batches_max = 256;

  const state::tables& tables_;
  const journal::journal& journal_;
  background& worker_;
  executor& runs_on_;
  propose propose_;
  std::function<void(const std::string&)> warn_;
  command_encoder encoder_;
  std::set<journal::generation> damaged_;
  state::place_key next_;
  bool busy_ = false;
  std::shared_ptr<relocator*> self_ = std::make_shared<relocator*>(this);
};

}  // namespace skald::shard
