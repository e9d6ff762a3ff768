// Some records of stored batches as a batch of their own, for readers that are not to get whole batches:
// those that a filter lets through, those that were leased one by one, the one that a key leads to.
//
//   record_selection chosen;
//   chosen.begin(from, {.bytes_max = credit});
//   const auto more = chosen.add(batches, [](const protocol::record_view& record) { return ...; });
//   selected_records result = chosen.take(memory);      // what travels, and the offsets that go with it
//
// Stored batches are checked before anything of them is encoded anew: the fresh checksum would otherwise
// vouch for damaged bytes. Each is decoded once; the records' content is copied as it is encoded. What is
// selected is not compressed, whatever it was. Buffers are kept between uses. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "broker/base/buffer.hpp"
#include "broker/server/block_pool.hpp"
#include "skald/protocol/batch_builder.hpp"
#include "skald/protocol/record_batch.hpp"

namespace skald::server {

struct selection_limits {
  std::size_t bytes_max = std::numeric_limits<std::size_t>::max();  // a first record is selected in any case
  std::size_t records_max = 65'536;                                 // at most protocol::selected_max
};

struct selected_records {
  slice payload;                       // one batch; empty when nothing was selected
  std::vector<std::uint64_t> offsets;  // of its records
};

// Selects these offsets, which rise. It is used up as batches are added in order; batches that hold none of
// them are not decoded.
class listed_offsets {
 public:
  explicit listed_offsets(std::span<const offset> wanted) : rest_(wanted) {}

  bool any_within(offset first, offset last) {
    skip_before(first);
    return !rest_.empty() && rest_.front() <= last;
  }
  bool operator()(const protocol::record_view& record) {
    skip_before(record.offset);
    return !rest_.empty() && rest_.front() == record.offset;
  }

 private:
  void skip_before(offset at) {
    while (!rest_.empty() && rest_.front() < at) rest_ = rest_.subspan(1);
  }

  std::span<const offset> rest_;
};

class record_selection {
 public:
  // Starts a new selection, of records from `from` on.
  void begin(offset from, const selection_limits& limits);

  // Adds what `wanted`, a predicate of record_view, says of whole batches with their offsets patched in;
  // calls follow the order of the partition. False when the limits are reached: there may be more behind
  // next(). Fails with corrupt_batch, which names the batch's offset; what was selected before it stays.
  template <class Wanted>
  result<bool> add(std::span<const std::byte> batches, Wanted&& wanted) {
    for (protocol::batch_splitter rest(batches); !rest.done();) {
      const auto batch = rest.next();
      if (!batch) return batch.error();
      if (batch->last_offset() < next_) continue;
      if constexpr (requires { wanted.any_within(next_, next_); }) {
        if (!wanted.any_within(batch->base_offset(), batch->last_offset())) {
          next_ = batch->last_offset() + 1;
          continue;
        }
      }
      const auto records = decode(*batch);
      if (!records) return records.error();
      if (!add_records(*records, wanted)) return false;
      next_ = batch->last_offset() + 1;
    }
    return true;
  }

  bool empty() const { return offsets_.empty(); }
  std::size_t size() const { return offsets_.size(); }
  // Everything before it has been looked at.
  offset next() const { return next_; }

  // What was selected, in memory charged to that budget. begin() comes next.
  selected_records take(block_pool& memory);

 private:
  template <class Wanted>
  bool add_records(const protocol::record_range& records, Wanted& wanted) {
    const auto end = records.end();
    for (auto at = records.begin(); at != end; ++at) {
      if (at->offset < next_ || !wanted(*at)) continue;
      if (!append(at)) return false;
    }
    return true;
  }
  result<protocol::record_range> decode(const protocol::batch_view& batch);
  bool append(const protocol::record_range::iterator& at);

  protocol::batch_decoder decoder_;
  protocol::batch_builder builder_;
  selection_limits limits_;
  offset next_;
  std::vector<std::uint64_t> offsets_;
};

}  // namespace skald::server
