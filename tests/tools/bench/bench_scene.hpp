// `skald bench` as its tests run it.
#pragma once

#include <boost/json.hpp>
#include <filesystem>
#include <string>
#include <thread>

#include "tests/tools/cli_scene.hpp"

namespace skald::tests {

namespace json = boost::json;

// "bench WORKLOAD" with no warm-up, for programs, and these.
inline arguments bench(const std::string& workload, const arguments& more) {
  arguments all{"bench", workload, "--warm-up", "0", "--output", "json"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

// Of a run that was verified.
inline json::value report_of(const process_result& ended) {
  REQUIRE_MESSAGE(ended.exit_code == 0, ended.errors, ended.output);
  const json::value report = json::parse(ended.output);
  CHECK(report.at("status") == "ok");
  CHECK(report.at("error").is_null());
  const json::value& verified = report.at("verified");
  CHECK(verified.at("missing") == 0);
  CHECK(verified.at("repeated") == 0);
  CHECK(verified.at("damaged") == 0);
  return report;
}

inline json::value bench_report(const std::string& workload, const arguments& more) {
  return report_of(skald(bench(workload, more)));
}

template <class Condition>
bool eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

inline std::int64_t records_in(const skaldd_process& broker) {
  const process_result status =
      run_process(SKALD_PROGRAM, {"status", "--output", "json"}, {}, broker_environment(broker));
  REQUIRE_MESSAGE(status.exit_code == 0, status.errors);
  return json::parse(status.output).at("records_in").as_int64();
}

// Whether a run has left a topic behind on the shared broker.
inline bool left_topics() {
  return contains(skald({"topic", "list", "--names"}).output, "skald-bench-");
}

}  // namespace skald::tests
