// What `skald doctor` looks at, and what it makes of it. observe() asks the broker; diagnose() and measure()
// are pure functions of what it has answered.
#pragma once

#include <cstdint>
#include <optional>
#include <skald/blocking_client.hpp>
#include <skald/health/report.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tools/cli/saga_text.hpp"

namespace skald::cli {

// ---- what is seen ----------------------------------------------------------------------------------------

struct seen_queue {
  queue_info is;
  std::optional<timestamp> oldest_waiting = {};  // the time of the oldest record that is not settled
  std::string reason = {};                       // why its last attempt failed
  std::optional<timestamp> oldest_dead = {};
  std::string dead_reason = {};
};

struct seen_group {
  group_summary is;
  std::optional<timestamp> oldest_behind = {};  // the time of the first record that it has not done
};

// What an instance of a service has last said about itself.
struct seen_instance {
  health::report said;
  timestamp at;
};

struct observations {
  timestamp now;  // by the broker's clock
  broker_status broker = {};
  std::vector<found_saga> sagas = {};   // those that are not final
  std::vector<seen_queue> queues = {};  // without those of dead letters
  std::vector<seen_group> groups = {};
  std::vector<service_info> services = {};
  std::vector<timer_info> timers = {};
  std::vector<seen_instance> instances = {};
};

// What is deleted meanwhile is left out. Throws skald::error.
observations observe(blocking_client& broker);

// ---- what is made of it ----------------------------------------------------------------------------------

struct doctor_limits {
  std::chrono::milliseconds patience{5 * 60'000};  // what waits longer is stuck
  std::chrono::milliseconds overdue{10'000};       // of a timer
  std::uint64_t disk_free_bytes_min = 1ull << 30;
  std::vector<std::string> expected_services = {};  // that have to be there
};

struct finding {
  std::string kind;     // a word for programs, such as "saga-parked"
  std::string subject;  // what it is about, such as the saga's id
  std::string what;
  std::optional<timestamp> since = {};
  std::string why = {};
  std::vector<std::string> help = {};  // commands
};

// The most urgent first: what nobody but an operator can help is before what is slow.
std::vector<finding> diagnose(const observations& of, const doctor_limits& limits);

// A figure, named as Prometheus names them.
struct metric {
  std::string name;
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;
};
std::vector<metric> measure(const observations& of);

// ---- how it is told --------------------------------------------------------------------------------------

std::string findings_text(const std::vector<finding>& all, timestamp now);
// One line, for when there are none.
std::string healthy_text(const observations& of);
boost::json::object doctor_json(const std::vector<finding>& all, const std::vector<metric>& metrics,
                                timestamp now);
// In the text format of Prometheus.
std::string metrics_text(const std::vector<metric>& metrics);

}  // namespace skald::cli
