// The records of one stored batch, decoded once, to be picked and written into other batches.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/base/buffer.hpp"
#include "skald/protocol/batch_builder.hpp"
#include "skald/protocol/record_batch.hpp"

namespace skald::server {

// A hash of a record's key that is never 0; 0 for a record without a key.
std::uint64_t key_hash(const std::optional<std::string_view>& key);

class stored_records {
 public:
  // `batch` is one batch with its base offset patched in. Fails with corrupt_batch.
  static result<std::shared_ptr<stored_records>> decode(slice batch);

  offset first() const { return first_; }
  offset end() const { return end_; }
  bool holds(offset at) const { return first_from(at) == at && at < end_; }
  // The offset of the first record at or after `at`; end() when there is none. Compaction leaves gaps.
  offset first_from(offset at) const;
  // The ranges of offsets from `from` up to end() that have no record.
  void collect_gaps(offset from, std::vector<std::pair<offset, offset>>& into) const;
  std::size_t bytes() const { return batch_.size(); }

  // The record at an offset that the batch holds; valid until the next call.
  const protocol::record_view& at(offset at);
  // Appends the record at `from`, which the batch holds, and those that follow it without a gap, up to
  // `until` at most, until `to` has `bytes_max` bytes. Returns the offset after the last.
  offset copy(offset from, offset until, std::size_t bytes_max, protocol::batch_builder& to);
  // The key hashes of the records from `from` on; 0 where there is none.
  void hash_keys(offset from, std::vector<std::uint64_t>& into);

 private:
  explicit stored_records(slice batch) : batch_(std::move(batch)) {}
  void seek(offset at);
  std::size_t number_of(offset held) const;

  // Records can only be walked over; every so often a place to begin from is kept.
  static constexpr std::size_t mark_every = 64;

  slice batch_;
  protocol::batch_decoder decoder_;
  protocol::record_range records_;
  offset first_;
  offset end_;
  std::vector<offset> offsets_;  // of the records, where there are gaps between them
  std::vector<protocol::record_range::iterator> marks_;
  protocol::record_range::iterator next_;
  std::size_t next_number_ = 0;
};

// The headers of a record, as the builder wants them.
void collect_headers(const protocol::record_view& record, std::vector<protocol::header_view>& into);

}  // namespace skald::server
