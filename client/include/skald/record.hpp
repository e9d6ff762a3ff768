// What is published and what is received.
//
// `message` is what a program hands to publish(): views, read before the call returns. `record` is what comes
// out of receive(): it shares ownership of the bytes it points into, so that a copy of it is valid for as
// long as it is kept, wherever it is kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <skald/options.hpp>
#include <skald/protocol/record_batch.hpp>
#include <skald/protocol/types.hpp>

namespace skald {

// A record to publish. The bytes it points to must live until the call that it is passed to returns (not
// until that operation completes): the call encodes or copies them. Being made of views only, it can be
// written in place, also inside a co_await expression:
//
//   co_await broker.publish("orders", {.key = "42", .value = "created"});
//
// Headers are a view as well; put them into an array or vector first:
//
//   const std::array headers{skald::header{"trace", id}};
//   co_await broker.publish("orders", {.value = text, .headers = headers});
struct message {
  // Records with equal keys go to the same partition, in order. Absent: any partition. "" is a key.
  std::optional<std::string_view> key = {};
  // std::nullopt is a tombstone, which is different from "".
  std::optional<std::string_view> value = std::string_view();
  std::span<const header> headers = {};
  // Overrides the choice by key.
  std::optional<partition_id> partition = {};
  // The record's timestamp; absent: the time of the call.
  std::optional<timestamp> time = {};
};

// Where a record was stored, and what the acknowledgement promises.
struct published {
  partition_id partition = {};
  // Absent when the broker does not know it yet: with durability::memory, and while the record waits to be
  // due.
  std::optional<skald::offset> offset = {};
  // What was achieved, which may be more than what was asked for.
  skald::durability durability = skald::durability::disk;
};

namespace detail {
class record_source;  // what keeps the bytes of received records alive
class batch_cursor;
class received_batches;
class queue_consumer;
class peek_decoder;
}  // namespace detail

// A received record.
//
// Ownership: it shares the buffer that it was received in (typically 256 KiB to a few MiB) and never dangles;
// copying one costs a reference count, not its bytes. What is to be kept for long should be detached, which
// copies its own bytes and lets go of the buffer. The views that the accessors return live as long as some
// record or `records` with the same bytes does. Threading: distinct copies may be used and destroyed by
// different threads.
class record {
 public:
  record() = default;

  std::string_view topic() const;
  partition_id partition() const;
  skald::offset offset() const { return view_.offset; }
  timestamp time() const { return view_.timestamp; }
  // Absent: the record has no key; "" is a key.
  std::optional<std::string_view> key() const { return view_.key; }
  // Absent: the record is a tombstone.
  std::optional<std::string_view> value() const { return view_.value; }
  // Iterated as skald::header; parsed while iterating.
  protocol::header_range headers() const { return view_.headers; }

  // The same record with bytes of its own.
  record detach() const;

 private:
  friend class records;
  friend class detail::batch_cursor;
  friend class detail::queue_consumer;
  friend class detail::peek_decoder;
  protocol::record_view view_;
  std::shared_ptr<const detail::record_source> source_;
};

// Records that can no longer be delivered: `from` up to (not including) `to`.
struct offset_gap {
  offset from;
  offset to;
};

// The records of one delivery or fetch: of one partition, in order. Their offsets may leave some out: what
// was asked for was not all of the partition, or not all of it is kept. There may be none at all;
// end_offset() then says how far there was nothing.
//
// Ownership: shares the received buffer, as each of its records does; decompresses batch by batch while it is
// iterated over, otherwise nothing is copied. Copying one is cheap.
// Errors: the checksum of every batch was verified before receive() or fetch() returned. A batch that has the
// right checksum but makes no sense makes the iteration throw skald::error (corrupt_batch) when it gets
// there.
class records {
 public:
  class iterator;

  records() = default;
  explicit records(std::shared_ptr<const detail::received_batches> batches) : batches_(std::move(batches)) {}

  // A single pass; the record that an iterator refers to changes when the iterator moves on, so copy the
  // record (not a reference to it) to keep it. Each begin() starts again at the front.
  iterator begin() const;
  iterator end() const;

  std::string_view topic() const;
  partition_id partition() const;
  // How many records the iteration will yield, and from which offset on; end_offset() is where to go on
  // afterwards.
  std::uint64_t size() const;
  bool empty() const { return size() == 0; }
  offset begin_offset() const;
  offset end_offset() const;
  // The bytes as they travelled.
  std::size_t bytes() const;

  // Of the partition, when the broker sent this: the offset that its next record gets, and its oldest record.
  offset high_watermark() const;
  offset log_start() const;
  // How many offsets the partition had beyond these.
  std::uint64_t lag() const;
  // Set when records before these were removed by retention before they could be delivered. A gap is reported
  // as soon as it is known, if need be with no records.
  std::optional<offset_gap> gap() const;

 private:
  std::shared_ptr<const detail::received_batches> batches_;
};

class records::iterator {
 public:
  using value_type = record;
  using difference_type = std::ptrdiff_t;
  using iterator_category = std::input_iterator_tag;
  using reference = const record&;
  using pointer = const record*;

  iterator();
  explicit iterator(std::shared_ptr<const detail::received_batches> batches);
  iterator(iterator&&) noexcept;
  iterator& operator=(iterator&&) noexcept;
  ~iterator();

  const record& operator*() const { return current_; }
  const record* operator->() const { return &current_; }
  iterator& operator++() {
    if (++at_ == batch_end_) return next_batch(), *this;
    current_.view_ = *at_;
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const iterator& a, const iterator& b) { return a.done() == b.done(); }

 private:
  bool done() const { return cursor_ == nullptr; }
  void next_batch();

  record current_;
  protocol::record_range::iterator at_;
  protocol::record_range::iterator batch_end_;
  std::unique_ptr<detail::batch_cursor> cursor_;
};

}  // namespace skald
