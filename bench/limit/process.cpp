#include "bench/limit/process.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

namespace skald::bench::limit {
namespace {

volatile sig_atomic_t interrupt_seen = 0;

void set_handler(void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;  // without SA_RESTART: a blocking call has to return
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

void handle_interrupts() {
  set_handler([](int) { interrupt_seen = 1; });
}

bool interrupt_requested() {
  return interrupt_seen != 0;
}

void throw_if_interrupted() {
  if (interrupt_requested()) throw interrupted();
}

void end_child(const std::exception& error) {
  const auto* system = dynamic_cast<const std::system_error*>(&error);
  if (system != nullptr &&
      (system->code() == std::errc::connection_reset || system->code() == std::errc::broken_pipe))
    _exit(0);
  std::fprintf(stderr, "skald-limit: server process: %s\n", error.what());
  _exit(1);
}

child_process::child_process(const std::function<void()>& body) {
  const pid_t parent = getpid();
  pid_ = checked("fork", [] { return fork(); });
  if (pid_ != 0) return;
  try {
    // A SIGINT from the terminal reaches the whole group; only the parent has something to clean up.
    set_handler(SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent) body();
  } catch (const std::exception& error) {
    end_child(error);
  }
  _exit(0);
}

child_process::~child_process() {
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace skald::bench::limit
