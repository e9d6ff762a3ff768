// What a subscription does, without I/O: where it is in each partition, what waits to be received, how much
// credit the broker has, and how to resume on a new connection.
//
// A connection's life: begin_attach() -> (Subscribe answered) attached() -> deliveries, partitions that join
// and leave -> detached(). On the first connection the broker says where each partition begins; on later ones
// every partition goes on at the first offset that has not arrived here, and those that came meanwhile begin
// at their beginning.
//
// Not thread safe.
#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <skald/options.hpp>
#include <skald/protocol/result.hpp>
#include <skald/subscription.hpp>
#include <skald/topic.hpp>
#include "client/src/received.hpp"

namespace skald::detail {

struct topic_partition {
  topic_id topic;
  partition_id partition;
  friend auto operator<=>(const topic_partition&, const topic_partition&) = default;
};

// Where to begin; topic 0 is the one that is subscribed to.
struct placed_start {
  topic_partition of;
  start_point from = earliest;
};

// Where the broker has begun.
struct placed_offset {
  topic_partition of;
  skald::offset offset;
};

struct named_topic {
  topic_id id;
  std::string name;
};

class subscriber_core {
 public:
  // Throws skald::error (invalid_request) when both partitions and positions are given, or either with a
  // pattern, or no credit.
  subscriber_core(std::string_view topic, const subscribe_options& options);

  const std::shared_ptr<const std::string>& topic() const { return topic_; }
  std::uint32_t delivery_bytes_max() const { return delivery_bytes_max_; }
  // Of a member of a group, partitions are what it is assigned on each connection, from what was given out
  // on.
  bool is_member() const { return member_; }

  // ---- attaching ---------------------------------------------------------------------------------------
  // What to subscribe to now, and with how much credit.
  struct subscribe_order {
    std::vector<placed_start> positions;
    bool others = false;  // all partitions that are not among the positions, from `start`
    start_point start = earliest;
    std::uint64_t credit = 0;
  };
  subscribe_order begin_attach();
  // Partitions that were followed and are not among `begins` have gone.
  void attached(const std::vector<named_topic>& topics, const std::vector<placed_offset>& begins);
  void detached() { attached_ = false; }
  bool is_attached() const { return attached_; }

  // ---- partitions that come and go ---------------------------------------------------------------------
  void joined(const std::vector<named_topic>& topics, const std::vector<placed_offset>& begins);
  // What has arrived of them is still given out; not of a member, whose they are no longer.
  void left(const std::vector<topic_partition>& gone);

  // ---- deliveries --------------------------------------------------------------------------------------
  // Of a partition that is not followed (any more), only its credit counts.
  void delivered(std::uint32_t seek, delivery_facts facts, std::span<const std::byte> payload,
                 std::shared_ptr<const void> owner);
  // Retention removed these before they could be delivered.
  void missed(const topic_partition& of, offset_gap gap);
  // No more will come, once what has arrived is received.
  void ended(failure why) { failed_ = std::move(why); }
  // Whether it has ended for good; a corrupt batch can be sought past.
  bool over() const { return failed_ && failed_->code != errc::corrupt_batch; }

  bool has_next() const { return !queue_.empty() || failed_; }
  // The next delivery, verified, or why there is none. Only if has_next().
  result<records> take();
  // Bytes to grant to the broker now; 0: none yet.
  std::uint64_t take_credit();

  // ---- seeking -----------------------------------------------------------------------------------------
  struct seek_order {
    std::uint32_t seek = 0;
    std::vector<placed_start> partitions;
  };
  // Nothing from before is given out any more. Returns what to tell the broker.
  result<seek_order> seek(const std::vector<placed_start>& to);
  result<seek_order> seek_all(start_point to);
  // What a caller names; fails with unknown_topic or unknown_partition.
  result<std::vector<placed_start>> resolve(const std::vector<partition_start>& named) const;
  result<topic_partition> place(std::string_view topic, partition_id partition) const;
  void sought(std::uint32_t seek, const std::vector<placed_offset>& begins);
  // The broker refused it. It goes on where it was, but what had arrived from there is dropped: returns what
  // to seek in order to go on behind what was given out.
  std::vector<placed_start> seek_failed(std::uint32_t seek) const;

  std::vector<partition_position> positions() const;

 private:
  struct partition_state {
    offset next_received;  // the first offset that has not arrived
    offset next_given;     // the first that receive() has not given
    offset high_watermark;
    std::uint32_t seek_min = 0;         // deliveries from before that seek are stale
    std::optional<start_point> sought;  // where to go on, until the broker has said which offset that is
  };

  bool extend_last(const topic_partition& of, const partition_state& state);
  void begin(const placed_offset& at);
  void remember(const std::vector<named_topic>& topics);
  std::shared_ptr<const std::string> name_of(topic_id topic) const;
  void fail(const failure& why);
  std::uint64_t free_credit() const;
  void drop_queued(const topic_partition& of);

  std::shared_ptr<const std::string> topic_;
  std::shared_ptr<decoder_pool> decoders_ = std::make_shared<decoder_pool>();
  start_point start_;
  std::vector<placed_start> chosen_;  // empty: all partitions
  std::uint64_t credit_bytes_;
  std::uint32_t delivery_bytes_max_;
  bool member_;

  bool attached_ = false;
  bool ever_attached_ = false;
  std::map<topic_id, std::shared_ptr<const std::string>> names_;
  std::map<topic_partition, partition_state> partitions_;
  std::deque<std::shared_ptr<received_batches>> queue_;
  std::uint64_t queued_bytes_ = 0;
  std::uint64_t credit_due_ = 0;
  std::uint32_t last_seek_ = 0;
  std::optional<failure> failed_;
};

}  // namespace skald::detail
