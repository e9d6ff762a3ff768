// A broker in a process of its own, a client of it, and what tests of services ask it again and again. The
// target defines SKALDD_PROGRAM.
#pragma once

#include <algorithm>
#include <skald/blocking_client.hpp>
#include <string>
#include <vector>

#include "tests/system/support/becomes.hpp"
#include "tests/system/support/skaldd_process.hpp"

namespace skald::tests {

class live_broker {
 public:
  scratch_directory directory;
  skaldd_process server{SKALDD_PROGRAM, directory.path() / "broker"};
  std::string address = server.address();
  blocking_client broker{{.address = address,
                          .timeout = milliseconds(60'000),
                          .reconnect_delay_min = milliseconds(5),
                          .reconnect_delay_max = milliseconds(50)}};

  bool exists(const std::string& topic) {
    const std::vector<topic_info> all = broker.list_topics();
    return std::ranges::find(all, topic, &topic_info::name) != all.end();
  }
  std::uint64_t records(const char* topic) { return broker.describe_topic(topic).records; }
  // All of a key, in order.
  key_records of_key(const char* topic, const std::string& key) {
    try {
      return broker.read_key(topic, key);
    } catch (const error& why) {
      if (why.code() != errc::unknown_key) throw;
      return {};
    }
  }
  std::vector<std::string> values(const char* topic, const std::string& key) {
    std::vector<std::string> all;
    for (const record& one : of_key(topic, key).records) all.emplace_back(one.value().value_or(""));
    return all;
  }
};

}  // namespace skald::tests
