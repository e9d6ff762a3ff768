#include <ostream>
#include <skald/protocol/error.hpp>
#include <skald/protocol/result.hpp>

namespace skald {
namespace {

struct description {
  std::string_view name;
  const char* text;
};

description describe(errc code) {
  switch (code) {
    case errc::ok:
      return {"ok", "success"};
    case errc::invalid_request:
      return {"invalid_request", "the request is malformed or out of range"};
    case errc::unsupported_version:
      return {"unsupported_version", "the peer does not speak this version of the protocol"};
    case errc::frame_too_large:
      return {"frame_too_large", "the frame is larger than the peer accepts"};
    case errc::invalid_topic_name:
      return {"invalid_topic_name", "a topic cannot have this name"};
    case errc::unknown_topic:
      return {"unknown_topic", "there is no such topic"};
    case errc::topic_exists:
      return {"topic_exists", "a topic of this name exists already"};
    case errc::unknown_partition:
      return {"unknown_partition", "the topic has no such partition"};
    case errc::invalid_settings:
      return {"invalid_settings", "a topic setting is out of range"};
    case errc::unknown_subscription:
      return {"unknown_subscription", "there is no such subscription on this connection"};
    case errc::unknown_group:
      return {"unknown_group", "there is no such consumer group"};
    case errc::unknown_member:
      return {"unknown_member", "the consumer is not in the group; it has to join again"};
    case errc::fenced_member:
      return {"fenced_member", "the partition belongs to another member of the group by now"};
    case errc::unknown_queue:
      return {"unknown_queue", "the topic has no such queue"};
    case errc::queue_exists:
      return {"queue_exists", "the topic has a queue of this name already"};
    case errc::unknown_lease:
      return {"unknown_lease", "the lease was never given, has run out, or is settled"};
    case errc::unknown_timer:
      return {"unknown_timer", "there is no such timer; it may have fired"};
    case errc::unknown_key:
      return {"unknown_key", "no record has this key"};
    case errc::group_in_use:
      return {"group_in_use", "members of the group have these partitions"};
    case errc::corrupt_batch:
      return {"corrupt_batch", "the record batch is damaged or malformed"};
    case errc::batch_too_large:
      return {"batch_too_large", "the record batch is over the size limit"};
    case errc::record_too_large:
      return {"record_too_large", "a record is over the size limit"};
    case errc::unsupported_compression:
      return {"unsupported_compression", "the batch's compression is not supported"};
    case errc::out_of_order_sequence:
      return {"out_of_order_sequence", "an idempotent producer's sequence number is not the next one"};
    case errc::fenced_producer:
      return {"fenced_producer", "a newer epoch of this producer has published"};
    case errc::offset_out_of_range:
      return {"offset_out_of_range", "the partition does not hold this offset"};
    case errc::key_too_large:
      return {"key_too_large", "the key is over the size limit of indexed topics"};
    case errc::key_required:
      return {"key_required", "a record of an indexed topic has no key"};
    case errc::version_conflict:
      return {"version_conflict", "the key is not at the expected version"};
    case errc::not_indexed:
      return {"not_indexed", "the topic has no index of keys"};
    case errc::storage_full:
      return {"storage_full", "the broker's disk is full"};
    case errc::topic_full:
      return {"topic_full", "the topic has reached its size limit"};
    case errc::shutting_down:
      return {"shutting_down", "the broker is shutting down"};
    case errc::overloaded:
      return {"overloaded", "the broker is at one of its limits"};
    case errc::storage_corrupt:
      return {"storage_corrupt", "the data directory fails its checksums"};
    case errc::storage_error:
      return {"storage_error", "the operating system failed on the data directory"};
    case errc::internal_error:
      return {"internal_error", "an internal error"};
    case errc::no_responders:
      return {"no_responders", "no instance of the service takes requests"};
    case errc::responder_lost:
      return {"responder_lost", "the responder went away with the request"};
    case errc::responder_failed:
      return {"responder_failed", "the responder could not do what was asked"};
    case errc::unknown_request:
      return {"unknown_request", "nobody waits for a reply to this request"};
    case errc::payload_too_large:
      return {"payload_too_large", "the request or reply is over the size limit"};
    case errc::unknown_responder:
      return {"unknown_responder", "there is no such responder on this connection"};
    case errc::instance_replaced:
      return {"instance_replaced", "another responder has taken this instance id over"};
    case errc::connection_lost:
      return {"connection_lost", "the connection to the broker was lost"};
    case errc::deadline_exceeded:
      return {"deadline_exceeded", "the deadline passed"};
    case errc::cancelled:
      return {"cancelled", "the operation was cancelled"};
    case errc::closed:
      return {"closed", "the object is closed"};
    case errc::protocol_error:
      return {"protocol_error", "the peer broke the protocol"};
    case errc::cannot_connect:
      return {"cannot_connect", "no connection to the broker could be made"};
  }
  return {"unknown_error", "an error that this version does not know"};
}

class skald_category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "skald"; }
  std::string message(int code) const override { return describe(static_cast<errc>(code)).text; }
};

}  // namespace

const std::error_category& error_category() noexcept {
  static const skald_category category;
  return category;
}

std::string_view to_string(errc code) noexcept {
  return describe(code).name;
}

error::error(errc code, const std::string& message)
    : std::system_error(make_error_code(code), message), message_(message) {}

std::ostream& operator<<(std::ostream& out, const failure& failed) {
  return out << to_string(failed.code) << ": " << failed.message;
}

void throw_exception_from_error(const failure& failed, const boost::source_location&) {
  throw error(failed.code, failed.message);
}

}  // namespace skald
