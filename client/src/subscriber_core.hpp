// What a subscription does, without I/O: where it is in each partition, what waits to be received, how much
// credit the broker has, and how to resume on a new connection.
//
// A connection's life: (DescribeTopic answered) described() -> Subscribe -> attached() -> deliveries ->
// detached(). On the first connection the broker says where each partition begins; on later ones every
// partition goes on at the first offset that has not arrived here. A subscription to all partitions resumes
// in two steps, since only one without a list of partitions is told of partitions to come: it subscribes
// without credit, then seeks.
//
// Not thread safe.
#pragma once

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

class subscriber_core {
 public:
  // Throws skald::error (invalid_request) when both partitions and positions are given, or no credit.
  subscriber_core(std::string_view topic, const subscribe_options& options);

  const std::shared_ptr<const std::string>& topic() const { return topic_; }
  std::uint32_t delivery_bytes_max() const { return delivery_bytes_max_; }

  // ---- attaching ---------------------------------------------------------------------------------------
  // Fails with unknown_topic when it is not the topic that it was.
  result<> described(topic_id id);
  // What to subscribe to now, and with how much credit. No positions: all partitions, from `start`.
  struct subscribe_order {
    std::vector<partition_start> positions;
    start_point start = earliest;
    std::uint64_t credit = 0;
  };
  subscribe_order begin_attach();
  // Returns what to seek before anything can be delivered, if anything; then resumed() is to be called.
  struct seek_order {
    std::uint32_t seek = 0;
    std::vector<partition_start> partitions;
  };
  std::optional<seek_order> attached(const std::vector<partition_offset>& begins);
  void resumed();
  void detached() { attached_ = resuming_ = false; }
  bool is_attached() const { return attached_; }

  // ---- deliveries --------------------------------------------------------------------------------------
  void delivered(std::uint32_t seek, delivery_facts facts, std::span<const std::byte> payload,
                 std::shared_ptr<const void> owner);
  void missed(partition_id partition, offset_gap gap);
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
  // Nothing from before is given out any more. No partitions: all of them. Returns what to tell the broker.
  result<seek_order> seek(const std::vector<partition_start>& to);
  result<seek_order> seek_all(start_point to);
  void sought(std::uint32_t seek, const std::vector<partition_offset>& begins);
  // The broker refused it. It goes on where it was, but what had arrived from there is dropped: returns what
  // to seek in order to go on behind what was given out.
  std::vector<partition_start> seek_failed(std::uint32_t seek) const;

  std::vector<partition_position> positions() const;

 private:
  struct partition_state {
    offset next_received;  // the first offset that has not arrived
    offset next_given;     // the first that receive() has not given
    offset high_watermark;
    std::uint32_t seek_min = 0;         // deliveries from before that seek are stale
    std::optional<start_point> sought;  // where to go on, until the broker has said which offset that is
    std::optional<offset_gap> gap;      // to be reported with the next delivery
  };

  partition_state& state_of(partition_id partition, offset first);
  bool extend_last(partition_id partition, const partition_state& state);
  void fail(const failure& why);
  std::uint64_t free_credit() const;

  std::shared_ptr<const std::string> topic_;
  std::shared_ptr<decoder_pool> decoders_ = std::make_shared<decoder_pool>();
  start_point start_;
  std::vector<partition_start> chosen_;  // empty: all partitions
  std::uint64_t credit_bytes_;
  std::uint32_t delivery_bytes_max_;

  std::optional<topic_id> topic_id_;

  bool attached_ = false;
  bool ever_attached_ = false;
  bool resuming_ = false;  // attached, but not yet where it was
  std::map<partition_id, partition_state> partitions_;
  std::deque<std::shared_ptr<received_batches>> queue_;
  std::uint64_t queued_bytes_ = 0;
  std::uint64_t credit_due_ = 0;
  std::uint32_t last_seek_ = 0;
  std::optional<failure> failed_;
};

}  // namespace skald::detail
