// Receiving a topic's records as they are published.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <skald/detail/completion.hpp>
#include <skald/options.hpp>
#include <skald/record.hpp>
#include <skald/topic.hpp>

namespace skald {

class commit;

namespace detail {
class subscriber;
}

// Where a subscription is in one partition.
struct partition_position {
  partition_id partition;
  offset next;            // after the last record that receive() gave
  offset high_watermark;  // as last heard from the broker: the offset that the next record gets
  std::string topic;
  std::uint64_t lag() const { return next < high_watermark ? high_watermark - next : 0; }
};

// A running subscription; made by client::subscribe(). The handle is movable; destroying it unsubscribes.
//
// Delivery. Records of one partition come in order, each once; the order between partitions is undefined.
// After a lost connection it goes on behind the last record that has arrived here, without loss or
// repetition. It remembers positions in memory only: a program that restarts passes its own as
// subscribe_options::positions.
//
// Patterns. Instead of a topic a subscription may name a pattern: in `orders.*` the star stands for one token
// between dots, in `orders.>` the rest for one or more. It receives from all topics that match, each record
// and each `records` says from which, and order holds within each partition. Topics that are created later
// and match join by themselves, from their first record; one that is deleted leaves, and the others go on.
//
// Consumer groups. With subscribe_options::group it is a member of that group: the broker divides the
// partitions among the members, and moves some when members come and go. What a partition's next member gets
// begins at its committed position. With commit_mode::automatic, receive() and close() say that everything
// received before has been done, and commit it: every record is received at least once, and after a crash
// those of the last receive() again. With commit_mode::manual only commit() commits. A partition that is to
// move is given back by itself, once what was received of it is committed; until then its next member waits,
// for release_timeout at most. Destroying the subscription, or an exception that does, commits nothing that
// was not done. close(), leave() and destruction leave the group at once; a static member stays one for its
// session timeout.
//
// A delivery may have no records: it reports a gap (records::gap()), or how far there was nothing for a
// subscription with a filter (records::end_offset()).
//
// Flow. The broker sends ahead as many bytes as subscribe_options::credit_bytes; receiving a delivery grants
// as many new ones. A slow receiver costs this much memory and nobody else anything.
//
// Errors of receive(), each of which it repeats until seek() or for good:
//   unknown_topic    the topic was deleted, or deleted and created anew
//   fenced_member    a new process has taken the place of this static member
//   corrupt_batch    a batch fails its checksum; names topic, partition and offset; seek() past it to go on
//   others           as the broker says
// A lost connection is none: receive() waits for the next. Records that retention removed before they could
// be delivered are reported by records::gap().
//
// Threading: as the client's.
class subscription {
 public:
  using default_token = boost::asio::use_awaitable_t<>;

  subscription();
  explicit subscription(std::shared_ptr<detail::subscriber> core);
  ~subscription();
  subscription(subscription&&) noexcept;
  subscription& operator=(subscription&&) noexcept;

  // The next delivery; waits for one without limit unless options.timeout says so. A cancelled or timed out
  // receive() loses nothing. One at a time. -> records
  template <class Token = default_token>
  auto receive(call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_receive(options), std::forward<Token>(token));
  }

  // What has arrived and not been received, if anything. Throws what receive() would.
  std::optional<records> try_receive();

  // Goes on at `to` in every partition, or in those listed. Once this is begun, receive() gives nothing from
  // before it. In a subscription to a pattern a partition_start names its topic.
  // -> void
  template <class Token = default_token>
  auto seek(start_point to, call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_seek_all(to, options), std::forward<Token>(token));
  }
  template <class Token = default_token>
  auto seek(std::span<const partition_start> to, call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_seek(to, options), std::forward<Token>(token));
  }

  // Commits the position after this record, or after all of these; completes when that is durable. Of a
  // group's member only. Fails with fenced_member when another member has the partition by now, and with
  // connection_lost when there is no connection: then the position goes with the next commit. Positions may
  // go back.
  // -> void
  template <class Token = default_token>
  auto commit(const record& last, call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_commit(last.topic(), last.partition(), last.offset() + 1, options),
                            std::forward<Token>(token));
  }
  template <class Token = default_token>
  auto commit(const records& done, call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_commit(done.topic(), done.partition(), done.end_offset(), options),
                            std::forward<Token>(token));
  }

  // As close(), and completes when the positions are durable and the group knows that this member has left.
  // -> void
  template <class Token = default_token>
  auto leave(call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_leave(options), std::forward<Token>(token));
  }

  // The topic, or the pattern.
  std::string_view topic() const;
  // One for each partition, in order of topic id and partition.
  std::vector<partition_position> positions() const;

  // Ends it; a pending receive() completes with errc::closed. Idempotent.
  void close();

 private:
  friend class blocking_subscription;
  friend class skald::commit;
  bool is_member() const;
  detail::operation<records> prepare_receive(call_options options);
  detail::operation<> prepare_commit(std::string_view topic, partition_id partition, offset next,
                                     call_options options);
  detail::operation<> prepare_leave(call_options options);
  detail::operation<> prepare_seek(std::span<const partition_start> to, call_options options);
  detail::operation<> prepare_seek_all(start_point to, call_options options);

  std::shared_ptr<detail::subscriber> core_;
};

}  // namespace skald
