// The parts of producer_core: topics, the stream of batches of a partition, batches.
#pragma once

#include "client/src/owned_message.hpp"
#include "client/src/producer_core.hpp"

namespace skald::detail {

// What a frame needs beside one batch.
inline constexpr std::size_t frame_reserve_bytes = 64 * 1024;

struct sealed_batch {
  partition_stream* home = nullptr;
  std::uint64_t ordinal = 0;  // in its stream
  std::shared_ptr<std::vector<std::byte>> bytes;
  std::uint32_t records = 0;
  std::size_t buffered = 0;  // what it counts in buffered_bytes
  std::uint64_t generation = 0;
  steady_time expires;
  std::vector<std::pair<std::uint32_t, acknowledge>> waiting;
  std::optional<protocol::producer_stamp> stamped;
  bool in_flight = false;
  bool in_doubt = false;  // it was sent, and whether it was stored is unknown
  bool settled = false;
  bool sent_before = false;
  std::string trouble;  // the last refusal that was waited out
};

// The records gathered for the next batch.
struct open_batch {
  // A producer may have thousands of these, each with a record or two; one that fills grows as it does.
  protocol::batch_builder builder{1024};
  std::uint64_t generation = 0;
  steady_time opened;
  steady_time expires;
  std::vector<std::pair<std::uint32_t, acknowledge>> waiting;
};

struct partition_stream {
  using batch_ptr = std::shared_ptr<sealed_batch>;

  producer_topic* topic = nullptr;
  partition_id id;
  std::optional<std::size_t> active_at;  // its place among those with batches
  bool touched = false;
  bool ready = false;
  std::uint64_t next_ordinal = 1;
  open_batch open;
  std::deque<batch_ptr> waiting;    // in order of ordinal
  std::deque<batch_ptr> in_flight;  // in order of ordinal

  std::optional<producer_identity> identity;
  std::int32_t next_sequence = 0;     // of the next batch to be sent
  std::int32_t settled_sequence = 0;  // after the last batch that is (or must be taken to be) stored
  std::uint64_t settled_ordinal = 0;  // which batch that was
  bool recovering = false;  // something was refused; nothing is sent until all in flight is answered
  std::uint64_t refused_ordinal = 0;  // while recovering: the oldest batch refused
  bool refused_surely = false;  // and it is not stored from an earlier attempt either: nor is what follows it
  bool identity_lost = false;
  bool established = false;  // the broker has stored a batch of this identity, so that it will notice a hole
  unsigned refusals = 0;     // in a row
  steady_time not_before{};

  bool follows_refused(const sealed_batch& batch) const {
    return recovering && batch.ordinal > refused_ordinal;
  }
  // The broker stores no batch behind a hole.
  bool cannot_be_stored(const sealed_batch& batch) const { return refused_surely && follows_refused(batch); }
  bool idle() const { return open.builder.empty() && waiting.empty() && in_flight.empty(); }
};

struct producer_topic {
  struct held_record {
    owned_message what;
    timestamp at;
    acknowledge ack;
    std::size_t buffered = 0;
    std::uint64_t generation = 0;
    steady_time expires;
  };
  std::string name;
  std::optional<topic_facts> facts;
  bool asked = false;
  steady_time ask_not_before{};
  std::string trouble;
  std::deque<held_record> held;  // until the facts are known, or known to be current
  std::vector<std::unique_ptr<partition_stream>> streams;
  std::uint32_t keyless = 0;  // the partition of records without a key, until its batch is sealed
  std::size_t batch_bytes = 0;
};

}  // namespace skald::detail
