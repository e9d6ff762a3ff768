// The real `skald` against a real skaldd, for the system tests of the command line.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/system/support/skaldd_process.hpp"

namespace skald::tests {

using arguments = std::vector<std::string>;

// One broker for a whole test executable: every test case uses topics of its own.
inline skaldd_process& shared_broker() {
  static const scratch_directory directory;
  static skaldd_process broker(SKALDD_PROGRAM, directory.path() / "data");
  return broker;
}

inline std::vector<std::string> broker_environment(const skaldd_process& broker) {
  return {"SKALD_BROKER=" + broker.address()};
}

// Runs `skald` with these arguments and this input, on the shared broker, to its end.
inline process_result skald(const arguments& given, std::string_view input = {}) {
  return run_process(SKALD_PROGRAM, given, input, broker_environment(shared_broker()));
}

// A `skald` that is still running.
struct running_skald : child_process {
  explicit running_skald(const arguments& given) : running_skald(given, shared_broker()) {}
  running_skald(const arguments& given, const skaldd_process& broker)
      : child_process(SKALD_PROGRAM, given, broker_environment(broker)) {}
};

inline void create_topic(const std::string& name, const arguments& settings = {}) {
  arguments all{"topic", "create", name};
  all.insert(all.end(), settings.begin(), settings.end());
  const process_result created = skald(all);
  REQUIRE_MESSAGE(created.exit_code == 0, created.errors);
}

// Everything in the topic so far.
inline std::string contents(const std::string& topic, const std::string& format = "text") {
  const process_result read = skald({"sub", topic, "--from", "earliest", "--no-follow", "--format", format});
  CHECK_MESSAGE(read.exit_code == 0, read.errors);
  return read.output;
}

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace skald::tests
