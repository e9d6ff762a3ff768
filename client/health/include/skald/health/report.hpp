// What an instance of a service says about itself: what waits in its outboxes, how its circuit breakers
// stand.
//
// A report is a record of the compacted topic `skald.health`, its key SERVICE/INSTANCE, its value JSON, its
// time when it was made. Instances make them anew every so often; one that ends as it should withdraws its
// report (a tombstone), so that what is there and has grown old is from an instance that died, hangs or
// cannot reach the broker. Programs in other languages may publish the same.
//
//   {"every_ms": 5000,
//    "outboxes": [{"name": "customers.db", "unsent": 3, "parked": 1, "oldest_ms": 1764421200000,
//                  "why": "topic 'customer-events': there is none"}],
//    "breakers": [{"name": "price", "state": "open", "since_ms": 1764421260000, "failure_rate": 75.0,
//                  "refused": 12}]}
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <skald/protocol/types.hpp>

namespace skald::health {

using std::chrono::milliseconds;

inline constexpr std::string_view topic = "skald.health";

struct outbox_report {
  std::string name;
  std::uint64_t unsent = 0;  // parked ones included
  std::uint64_t parked = 0;
  std::optional<timestamp> oldest = {};  // of those unsent
  std::string why = {};                  // of the first parked row; or why the database could not be asked
};

struct breaker_report {
  std::string name;
  std::string state;  // as resilience::to_string() has it
  timestamp since;    // by the clock of who reports
  std::optional<double> failure_rate = {};
  std::uint64_t refused = 0;  // calls that were not permitted
};

struct report {
  std::string service;
  std::string instance;
  milliseconds every{0};  // the next is to be expected after
  std::vector<outbox_report> outboxes = {};
  std::vector<breaker_report> breakers = {};
};

std::string key_of(std::string_view service, std::string_view instance);
std::string encode(const report& what);
// Throws skald::error (invalid_request) for what is none.
report decode(std::string_view key, std::string_view json);

}  // namespace skald::health
