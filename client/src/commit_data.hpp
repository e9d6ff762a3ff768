// What a commit holds until it is sent.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <skald/commit.hpp>
#include "client/src/session.hpp"
#include "protocol/wire.hpp"

namespace skald::detail {

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
  std::vector<append> appends;
  std::vector<timer_change> timers;
  std::vector<std::byte> payload;  // their batches

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
result<committed> decode_committed(const incoming_frame& answer, std::exception_ptr& refused);

}  // namespace skald::detail
