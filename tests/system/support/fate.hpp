// A process that kills, or stops, itself at one of its steps; and how another sees that.
#pragma once

#include <signal.h>
#include <sys/wait.h>

#include <cstdlib>
#include <string_view>

#include "tests/system/support/child_process.hpp"

namespace skald::tests {

struct fate {
  int signal = 0;
  int steps_left = 0;
  void step() {
    if (signal != 0 && --steps_left == 0) raise(signal);
  }
};

// Of the command line: `die AT` or `stop AT`, from the argument `at` on. Without it, nothing happens.
inline fate fate_in(int argc, char** argv, int at) {
  if (argc <= at + 1) return {};
  const std::string_view what = argv[at];
  if (what != "die" && what != "stop") return {};
  return {what == "die" ? SIGKILL : SIGSTOP, std::atoi(argv[at + 1])};
}

// Whether it has ended (WEXITED) or is stopped (WSTOPPED), without taking notice of it.
inline bool is_now(const child_process& one, int state) {
  siginfo_t found{};
  ::waitid(P_PID, static_cast<id_t>(one.id()), &found, state | WNOHANG | WNOWAIT);
  return found.si_pid != 0;
}

}  // namespace skald::tests
