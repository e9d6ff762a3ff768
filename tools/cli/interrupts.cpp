#include "tools/cli/interrupts.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <utility>

namespace skald::cli {
namespace {

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

bool output_is_pipe() {
  struct stat status{};
  return ::fstat(STDOUT_FILENO, &status) == 0 && (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode));
}

void make_readable(int eventfd) {
  const std::uint64_t one = 1;
  // Fails only when the counter is about to overflow, when it is readable anyway.
  [[maybe_unused]] const ssize_t written = ::write(eventfd, &one, sizeof one);
}

}  // namespace

interrupts::interrupts(std::function<void()> on_stop, bool watch_output)
    : on_stop_(std::move(on_stop)), watch_output_(watch_output && output_is_pipe()) {
  const sigset_t set = stop_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  finished_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (signals_ < 0 || wake_ < 0 || finished_ < 0) {
    throw command_error(exit_code::failed, "cannot watch for signals: no file descriptors are left");
  }
  thread_ = std::thread([this] { watch(); });
}

interrupts::~interrupts() {
  make_readable(finished_);
  thread_.join();
  for (const int descriptor : {signals_, wake_, finished_}) ::close(descriptor);
}

void interrupts::wake() {
  make_readable(wake_);
}

std::optional<exit_code> interrupts::reason() const {
  const int reason = reason_.load();
  if (reason == 0) return std::nullopt;
  return static_cast<exit_code>(reason);
}

void interrupts::watch() {
  pollfd waiting[3] = {
      {finished_, POLLIN, 0}, {signals_, POLLIN, 0}, {watch_output_ ? STDOUT_FILENO : -1, 0, 0}};
  while (::poll(waiting, 3, -1) < 0 && errno == EINTR) {
  }
  if (waiting[0].revents != 0) return;
  exit_code reason = exit_code::broken_pipe;
  signalfd_siginfo signal{};
  if (waiting[1].revents != 0 && ::read(signals_, &signal, sizeof signal) == sizeof signal) {
    reason = signal.ssi_signo == SIGINT ? exit_code::interrupted : exit_code::terminated;
  }
  reason_ = static_cast<int>(reason);
  const sigset_t set = stop_signals();
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);  // here, so that a second signal takes its usual effect
  wake();
  if (on_stop_) on_stop_();
  while (::poll(waiting, 1, -1) < 0 && errno == EINTR) {
  }
}

}  // namespace skald::cli
