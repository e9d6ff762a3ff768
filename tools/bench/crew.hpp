// The workers of each workload, and how to know afterwards that nothing was lost.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <skald/blocking_client.hpp>

#include "tools/bench/arrivals.hpp"
#include "tools/bench/control.hpp"
#include "tools/bench/options.hpp"
#include "tools/bench/payload.hpp"
#include "tools/bench/reading.hpp"
#include "tools/bench/worker.hpp"

namespace skald::cli::bench {

// What was sent, by stream.
struct sending {
  streams by{0, 0};
  std::vector<std::uint64_t> records;
};

struct verification {
  std::uint64_t records = 0;
  discrepancies found = {};
  std::uint64_t unsent = 0;
};

// Destroying it disbands it.
struct crew {
  crew() = default;
  ~crew();
  crew(crew&&) = default;
  crew& operator=(crew&&) = delete;

  std::vector<worker*> all() const;
  // Ends all of them, whatever they do, and waits for that.
  void disband();
  // Of all records that the leaders sent: whether they have come. After the leaders were joined.
  bool all_complete() const;

  // The workers use these two, where they are: of each producer; and what all of them sent, none of requests.
  std::unique_ptr<flows> in_flight = std::make_unique<flows>();
  std::unique_ptr<sending> sent;
  std::vector<std::unique_ptr<worker>> leaders;    // they end by themselves
  std::vector<std::unique_ptr<worker>> followers;  // they end when the leaders have, and all has come
  std::vector<const counter*> counted;             // whose numbers are those of the run
  std::string latency_of;
  // Collects what the leaders sent, after they were joined; then, after the followers were, what came of it.
  std::function<void()> collect_sent;
  std::function<verification(blocking_client&)> verify;
};

// Where a crew works.
struct scene {
  worker_setting connection;
  control* run = nullptr;
  std::string topic;                 // of requests: the subject
  std::uint64_t records_before = 0;  // in the topic
};

inline constexpr const char* queue_name = "bench";

crew publishing_crew(const options& with, const scene& on, const payload_pool& payloads);
crew subscribing_crew(const options& with, const scene& on, const payload_pool& payloads);  // pubsub, fanout
crew queueing_crew(const options& with, const scene& on, const payload_pool& payloads);
crew requesting_crew(const options& with, const scene& on, const payload_pool& payloads);
crew orchestrating_crew(const options& with, const scene& on);
// `published` is what fills the topic; null for one that holds somebody else's records.
crew consuming_crew(const options& with, const scene& on, const sending* published);
// The one producer that fills a topic for it.
crew filling_crew(const options& with, const scene& on, const payload_pool& payloads, std::uint64_t records);

}  // namespace skald::cli::bench
