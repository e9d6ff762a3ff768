// A command that answers one request: its input is the request's body, its output the reply.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace skald::cli {

struct command_outcome {
  int exit_code = 0;  // 128 + the signal when one ended it, as shells say it
  std::string output;
  std::string errors;   // the end of what it wrote to standard error
  bool killed = false;  // because its time was up, or its output too long
};

struct command_limits {
  std::chrono::milliseconds time{0};
  std::size_t output_bytes_max = 0;
  // Asked now and then: whether nobody waits for the outcome any more.
  std::function<bool()> abandoned = {};
};

// Runs `arguments` (a program, found by PATH, and its arguments) to its end, in a process group of its own,
// with `environment` ("NAME=value") added to this process's. It is killed with its group when the time is up.
// What it writes to standard error goes to ours as well. Throws std::system_error when it cannot be started.
// Any number of threads may run commands at once.
command_outcome run_command(const std::vector<std::string>& arguments,
                            const std::vector<std::string>& environment, std::string_view input,
                            const command_limits& limits);

// The last line that has anything in it; empty if there is none.
std::string_view last_line(std::string_view text);

}  // namespace skald::cli
