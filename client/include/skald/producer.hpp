// Publishing many records fast.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <skald/client.hpp>
#include <skald/detail/completion.hpp>
#include <skald/options.hpp>
#include <skald/protocol/error.hpp>
#include <skald/record.hpp>

namespace skald {

// What became of one batch: its records were stored one after the other from base_offset on, or, when
// `failed` is set, not at all.
struct delivery_report {
  std::string_view topic = {};
  partition_id partition = {};
  std::uint32_t records = 0;
  std::optional<offset> base_offset = {};  // absent when it failed, or is not known yet (durability::memory)
  skald::durability durability = skald::durability::disk;
  // Why it failed; it may be stored nevertheless if code() is deadline_exceeded or closed, and what() says
  // so.
  std::optional<error> failed = {};
};

struct producer_statistics {
  std::uint64_t accepted_records = 0;
  std::uint64_t acknowledged_records = 0;
  std::uint64_t failed_records = 0;
  std::uint64_t batches = 0;         // acknowledged or failed
  std::uint64_t resent_batches = 0;  // repetitions, after a lost connection or a refusal that may pass
  std::uint64_t buffered_bytes = 0;  // accepted and neither acknowledged nor failed
};

// A producer gathers records into batches, one stream of batches for each partition, and keeps several on
// their way.
//
// Order. The records of one partition are stored in the order in which they were accepted, by whichever of
// the functions below. That holds across lost connections and resends.
//
// Once. Batches are numbered; after a lost connection those without an acknowledgement are sent again under
// their old numbers, and the broker stores no number twice.
//
// Name. Of all producers with one producer_options::name, in whichever process, the one that asked the broker
// for the name last has it; each asks as soon as it is connected. So a process that is started again takes
// over from the one before. From that moment on, which comes no later than the first acknowledgement of the
// new one, the others are fenced: what they publish is refused, in every partition, also if they were only
// asleep or cut off. What they had on its way may be stored or not; nothing of it is stored after that
// moment. A fenced producer has failed for good: it never takes the name back, and all that it has accepted
// or is given, and flush(), fails with errc::fenced_producer. Over lost connections a producer keeps its
// identity, and with it the name. The broker forgets a name that was not used for a week; who had it is
// fenced then.
//
// Where to. A record goes to message::partition, else where its key says (Kafka's murmur2 partitioner), else
// to a partition that changes from batch to batch. When a topic gets more partitions, keys move.
//
// Failure. connection_lost, storage_full, overloaded and shutting_down are waited out until delivery_timeout.
// Any other refusal (topic_full, record_too_large, unknown_topic, ...) fails that batch: the batches behind
// it are still published, so a program that cannot have a hole in its stream stops at the first failure. A
// failure is told to whoever asked: publish() of the record, or on_delivery; a record that nobody asked about
// makes the next flush() throw.
//
// Memory. buffer_bytes_max bounds what is accepted and not yet settled.
//
// Threading: as the client's. Lifetime: destroying it abandons what is not acknowledged; flush() first. It
// keeps working until the client is closed.
class producer {
 public:
  using default_token = boost::asio::use_awaitable_t<>;

  // Throws skald::error (invalid_request) for a name that no producer can have.
  explicit producer(client& broker, producer_options options = {});
  ~producer();
  producer(producer&&) noexcept;
  producer& operator=(producer&&) noexcept;

  // Accepts a record if there is room now, and says whether it did. The fastest way. Bytes are copied before
  // it returns; they are sent when control returns to the executor. Throws skald::error (record_too_large,
  // invalid_topic_name, invalid_request, closed, fenced_producer).
  bool try_send(std::string_view topic, const message& what);

  // Accepts a record, as soon as there is room. -> void
  template <class Token = default_token>
  auto send(std::string_view topic, const message& what, Token&& token = {}) {
    return detail::initiate(prepare_send(topic, what), std::forward<Token>(token));
  }

  // Accepts a record and completes when it is acknowledged or has failed. -> published
  template <class Token = default_token>
  auto publish(std::string_view topic, const message& what, Token&& token = {}) {
    return detail::initiate(prepare_publish(topic, what), std::forward<Token>(token));
  }

  // Sends without linger, and completes when everything accepted before is acknowledged or has failed. Throws
  // the first failure that nobody was told about; what() says how many records failed. -> void
  template <class Token = default_token>
  auto flush(call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_flush(options), std::forward<Token>(token));
  }

  // Called for every batch, on the executor, in the order of each partition. Set it before the first record.
  // It must not throw.
  void on_delivery(std::function<void(const delivery_report&)> callback);

  producer_statistics statistics() const;

  // Abandons what is not acknowledged; pending operations complete with errc::closed. Idempotent.
  void close();

 private:
  detail::operation<> prepare_send(std::string_view topic, const message& what);
  detail::operation<published> prepare_publish(std::string_view topic, const message& what);
  detail::operation<> prepare_flush(call_options options);

  std::shared_ptr<detail::producer_engine> engine_;
};

}  // namespace skald
