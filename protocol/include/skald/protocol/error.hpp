// Error codes: the same numbers on the wire, in the client and in the broker.
//
// A code says what kind of failure it was; the message beside it says what, where and what to do. Codes are
// never renumbered. `skald::error` is what the client throws (or passes as exception_ptr).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace skald {

enum class errc : std::uint16_t {
  ok = 0,

  // The request itself.
  invalid_request = 1,      // malformed, contradictory or out of range
  unsupported_version = 2,  // no common protocol version, or a message this broker does not know
  frame_too_large = 3,      // over the frame limit that HelloOk announced
  invalid_topic_name = 4,
  unknown_topic = 5,
  topic_exists = 6,
  unknown_partition = 7,
  invalid_settings = 8,  // a topic setting out of range
  unknown_subscription = 9,
  unknown_group = 10,
  unknown_member = 11,  // not, or no longer, in the group: join again
  fenced_member = 12,   // the partition belongs to another member by now
  unknown_queue = 13,
  queue_exists = 14,
  unknown_lease = 15,  // never given, run out, another's, or settled already
  unknown_timer = 16,  // never set, cancelled, or fired
  unknown_key = 17,    // no record has this key
  group_in_use = 18,   // members of the group have the partitions in question

  // Batches.
  corrupt_batch = 20,  // the checksum does not match, or the records do not parse
  batch_too_large = 21,
  record_too_large = 22,
  unsupported_compression = 23,
  out_of_order_sequence = 24,  // an idempotent producer skipped a sequence number
  fenced_producer = 25,        // a newer epoch of this producer has published
  offset_out_of_range = 26,
  key_too_large = 27,     // over the limit of topics with an index of keys
  key_required = 28,      // the topic has an index of keys, and a record has none
  version_conflict = 29,  // the key is not at the version that was expected
  not_indexed = 30,       // the topic has no index of keys

  // The broker's state.
  storage_full = 40,  // no room on disk; reads go on; retry when there is room
  topic_full = 41,    // the topic's bytes_max is reached
  shutting_down = 42,
  overloaded = 43,       // too many connections, subscriptions or requests
  storage_corrupt = 44,  // the data directory fails its checksums
  storage_error = 45,    // an operating system error on the data directory
  internal_error = 46,

  // Services.
  no_responders = 50,      // no instance of the service takes requests
  responder_lost = 51,     // the instance went away with the request
  responder_failed = 52,   // the instance answered that it could not do it
  unknown_request = 53,    // a reply to a request that nobody waits for, or that was another's
  payload_too_large = 54,  // a request or reply is over the broker's limit
  unknown_responder = 55,
  instance_replaced = 56,  // another responder has taken the instance id over

  // The client's own.
  connection_lost = 60,  // and not (yet) re-established
  deadline_exceeded = 61,
  cancelled = 62,
  closed = 63,          // the object was closed or shut down
  protocol_error = 64,  // the peer broke the protocol
  cannot_connect = 65,
};

// The category of skald::errc; its name is "skald".
const std::error_category& error_category() noexcept;

inline std::error_code make_error_code(errc code) noexcept {
  return {static_cast<int>(code), error_category()};
}

// The stable spelling of a code, such as "unknown_topic"; "unknown_error" for a number this version lacks.
std::string_view to_string(errc code) noexcept;

// A failure with its story: code() is comparable with errc, what() is a sentence a user can act on.
class error : public std::system_error {
 public:
  error(errc code, const std::string& message);
  // The message alone, without the text of the code.
  const std::string& message() const noexcept { return message_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
};

}  // namespace skald

template <>
struct std::is_error_code_enum<skald::errc> : std::true_type {};
