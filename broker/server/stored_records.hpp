// The records of one stored batch, decoded once, to be picked and written into other batches.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
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
  offset end() const { return first_ + records_.size(); }
  bool holds(offset at) const { return at >= first_ && at < end(); }
  std::size_t bytes() const { return batch_.size(); }

  // The record at an offset that the batch holds; valid until the next call.
  const protocol::record_view& at(offset at);
  // Appends records from `from` on to `to`, at most up to `until`, until `to` has `bytes_max` bytes, but at
  // least one. Returns the offset after the last.
  offset copy(offset from, offset until, std::size_t bytes_max, protocol::batch_builder& to);
  // The key hashes of the records from `from` on.
  void hash_keys(offset from, std::vector<std::uint64_t>& into);

 private:
  explicit stored_records(slice batch) : batch_(std::move(batch)) {}
  void seek(offset at);

  // Records can only be walked over; every so often a place to begin from is kept.
  static constexpr std::uint64_t mark_every = 64;

  slice batch_;
  protocol::batch_decoder decoder_;
  protocol::record_range records_;
  offset first_;
  std::vector<protocol::record_range::iterator> marks_;
  protocol::record_range::iterator next_;
  offset next_at_;
};

// The headers of a record, as the builder wants them.
void collect_headers(const protocol::record_view& record, std::vector<protocol::header_view>& into);

}  // namespace skald::server
