// What stands behind skald::records and skald::record: received batches, the buffers that keep their bytes,
// and the walk over them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <skald/protocol/record_batch.hpp>
#include <skald/protocol/result.hpp>
#include <skald/record.hpp>

namespace skald::detail {

// Decoders with their decompression contexts and buffers, for reuse. Threading: any thread.
class decoder_pool : public std::enable_shared_from_this<decoder_pool> {
 public:
  // Returns by itself.
  std::shared_ptr<protocol::batch_decoder> take();

 private:
  std::mutex mutex_;  // guards spare_
  std::vector<std::unique_ptr<protocol::batch_decoder>> spare_;
};

// Keeps the bytes of records alive, and knows where they are from.
class record_source {
 public:
  record_source(std::shared_ptr<const std::string> topic, partition_id partition,
                std::shared_ptr<const void> bytes)
      : topic_(std::move(topic)), partition_(partition), bytes_(std::move(bytes)) {}
  std::string_view topic() const { return topic_ ? std::string_view(*topic_) : std::string_view(); }
  const std::shared_ptr<const std::string>& topic_name() const { return topic_; }
  partition_id partition() const { return partition_; }

 private:
  std::shared_ptr<const std::string> topic_;
  partition_id partition_;
  std::shared_ptr<const void> bytes_;
};

// What the broker said along with some batches of a partition.
struct delivery_facts {
  std::shared_ptr<const std::string> topic;
  partition_id partition;
  offset wanted;  // records before it are dropped
  offset high_watermark;
  offset log_start;
  std::optional<offset_gap> gap = {};
  // Of selected records, one for each, rising; empty: the payload is whole batches.
  std::vector<offset> offsets = {};
  // Where to go on; absent: after the payload.
  std::optional<offset> next = {};
  topic_id topic_is = {};
};

class received_batches {
 public:
  // Looks at the bounds of the batches only. Fails with corrupt_batch, also when there are not as many
  // offsets as records.
  static result<std::shared_ptr<received_batches>> create(delivery_facts facts,
                                                          std::span<const std::byte> payload,
                                                          std::shared_ptr<const void> owner,
                                                          std::shared_ptr<decoder_pool> decoders);
  // Verifies every batch, uncompressed ones to the last record. To be called before any records are given
  // out. Fails with corrupt_batch, naming topic, partition and offset.
  result<> verify();

  const delivery_facts& facts() const { return facts_; }
  // There is nothing more before `end`. To be called before any records are given out.
  void extend(offset end, offset high_watermark) { end_ = end, facts_.high_watermark = high_watermark; }
  std::uint64_t count() const { return count_; }
  offset end_offset() const { return end_; }
  std::size_t bytes() const { return payload_.size(); }

 private:
  friend class batch_cursor;
  struct part {
    protocol::batch_view view;
    protocol::record_range records;  // of an uncompressed batch, once verified
    bool compressed;
    std::size_t first;       // its first record among those of the payload
    bool uncounted = false;  // how many of its records are wanted is known once they are decoded
  };
  received_batches() = default;
  result<> add_whole();
  result<> add_selected();
  protocol::record_range numbered(const part& batch, const protocol::record_range& records) const;
  failure out_of_bounds(const failure& why) const;
  failure corrupt(const protocol::batch_view& batch, const failure& why) const;

  delivery_facts facts_;
  std::span<const std::byte> payload_;
  std::shared_ptr<const record_source> source_;
  std::shared_ptr<decoder_pool> decoders_;
  std::vector<part> batches_;
  std::uint64_t count_ = 0;
  offset end_;
};

// Walks over the batches, decompressing each when its turn comes.
class batch_cursor {
 public:
  explicit batch_cursor(std::shared_ptr<const received_batches> of) : of_(std::move(of)) {}
  struct step {
    protocol::record_range::iterator at;
    protocol::record_range::iterator end;
    std::shared_ptr<const record_source> source;
  };
  // The next batch with wanted records, at the first of these; nothing when all are done. Throws
  // skald::error.
  std::optional<step> next();

 private:
  std::shared_ptr<const received_batches> of_;
  std::size_t next_ = 0;
};

}  // namespace skald::detail
