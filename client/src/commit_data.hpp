// What a commit holds until it is sent.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <skald/commit.hpp>
#include <skald/tracing.hpp>
#include "client/src/session.hpp"
#include "client/src/subscriber_core.hpp"
#include "protocol/wire.hpp"

namespace skald::detail {

class connection;
class subscriber;

// As which member of which group a subscriber commits.
struct membership {
  std::string group;
  std::uint64_t member = 0;
  std::uint32_t epoch = 0;
};

struct commit_data {
  struct append {
    std::string topic;
    std::optional<partition_id> partition;  // absent: by key
    std::uint32_t batch_bytes = 0;
    std::optional<std::uint64_t> expected_version;
    std::string message_id;
    std::optional<due> when{};
    std::optional<milliseconds> ttl{};
    std::string timer{};  // OWNER/NAME
  };
  struct timer_change {
    std::string name;
    std::optional<due> move_to;  // absent: it is cancelled
    bool if_exists = false;
  };
  // Consecutive records of one lease.
  struct acked_run {
    std::uint64_t client = 0;
    std::uint64_t consumer = 0;
    std::uint64_t lease = 0;
    std::uint64_t first = 0;
    std::uint32_t count = 0;
  };
  // Where a group goes on. It is committed as the member that the subscriber is when that is sent: another
  // one on each connection.
  struct position {
    std::weak_ptr<subscriber> by;
    std::string topic;
    partition_id partition;
    offset next;
    topic_partition of{};  // that topic and partition
    membership as{};       // when it was last sent
  };
  std::vector<append> appends;
  std::vector<timer_change> timers;
  std::vector<acked_run> acked;
  std::vector<position> positions;
  std::vector<std::byte> payload;  // their batches
  tracing::lineage traced;

  // Finds out where the positions are. Fails unless all inputs were received through that connection, by who
  // still receives.
  result<> resolve(const connection& through);
  // Of the deliveries, the one that a run begins with.
  std::size_t first_delivery(std::size_t run) const;
  flatbuffers::Offset<wire::Commit> encode(flatbuffers::FlatBufferBuilder& to, producer_id producer,
                                           producer_epoch epoch, std::uint64_t sequence) const;
};

// "OWNER/NAME" taken apart at its last slash; without one, it is all name.
struct timer_name {
  explicit timer_name(std::string_view text)
      : owner(text.substr(0, text.find_last_of('/') == std::string_view::npos ? 0 : text.find_last_of('/'))),
        name(text.substr(text.find_last_of('/') + 1)) {}
  std::string_view owner;
  std::string_view name;
};

// Decodes CommitOk or CommitRefused; the latter as the exception that it is thrown as.
result<committed> decode_committed(const commit_data& of, const incoming_frame& answer,
                                   std::exception_ptr& refused);

}  // namespace skald::detail
