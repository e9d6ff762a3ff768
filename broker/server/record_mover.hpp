// Moves records of a queue into another topic: each chunk is removed from the one and appended to the other
// by one command, so that a record is in exactly one place whenever the broker dies. Dead letters go this
// way, and come back this way.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/server/queue_host.hpp"

namespace skald::server {

// Headers that tell of a dead letter's life. Names of the protocol, see SPEC.md.
namespace dead_header {
inline constexpr std::string_view reason = "skald-dead-reason";
inline constexpr std::string_view topic = "skald-dead-topic";
inline constexpr std::string_view partition = "skald-dead-partition";
inline constexpr std::string_view offset = "skald-dead-offset";
inline constexpr std::string_view attempts = "skald-dead-attempts";
inline constexpr std::string_view queue = "skald-dead-queue";
inline constexpr std::string_view prefix = "skald-dead-";
}  // namespace dead_header

class record_mover : public std::enable_shared_from_this<record_mover> {
 public:
  struct target {
    std::string topic;
    partition_id partition;
    friend bool operator==(const target&, const target&) = default;
  };
  // Changes the headers of a record as they are to be in its new place, and says which that is. What they
  // point to must last until the next call.
  using rewrite = std::function<target(const protocol::record_view&, std::vector<protocol::header_view>&)>;
  using range = std::pair<offset, offset>;
  // Told after each chunk: the records in it have moved.
  using progress = std::function<void(offset first, offset end)>;
  using done = std::function<void(shard::failure)>;

  // `records` in order, within one partition of the topic that `queue` reads.
  record_mover(queue_host& host, partition_ref from, queue_id queue, std::vector<range> records,
               rewrite change);
  // Stops at the first failure; what was told by `moved` has moved nevertheless.
  void run(progress moved, done finished);

 private:
  void step();
  void take(fetched_records found);
  void fill();
  std::size_t chunk_bytes_max(const target& to) const;
  void flush();

  queue_host& host_;
  const partition_ref from_;
  const queue_id queue_;
  std::vector<range> left_;
  std::size_t next_ = 0;  // in left_
  const rewrite rewrite_;
  progress moved_;
  done finished_;
  std::shared_ptr<stored_records> batch_;

  // The chunk that is being filled.
  target to_;
  std::size_t chunk_bytes_max_ = 0;
  protocol::batch_builder builder_;
  std::vector<range> taken_;
  std::uint32_t largest_ = 0;
  std::vector<protocol::header_view> headers_;
};

}  // namespace skald::server
