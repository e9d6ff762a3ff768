#pragma once

// The operating system, as the measurements need it: system calls that report errors as exceptions, a clean
// way out on SIGINT and SIGTERM, and child processes that never outlive their parent.

#include <sys/types.h>

#include <cerrno>
#include <exception>
#include <functional>
#include <system_error>

namespace skald::bench::limit {

// Thrown at the next system call or deadline check after SIGINT or SIGTERM, so that the stack unwinds and
// scratch files and children go away.
class interrupted : public std::exception {
 public:
  const char* what() const noexcept override { return "interrupted"; }
};

// Makes SIGINT and SIGTERM raise `interrupted`. Call once, before the first child or thread.
void handle_interrupts();
bool interrupt_requested();
void throw_if_interrupted();

// Calls until the call is not cut short by a signal; throws std::system_error with `what` when it fails.
template <class Call>
auto checked(const char* what, Call call) {
  for (;;) {
    const auto result = call();
    if (result >= 0) return result;
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), what);
    throw_if_interrupted();
  }
}

// Ends a child whose body or thread has failed, and says why. A connection that broke is no failure: the
// parent closes it when it has measured enough.
[[noreturn]] void end_child(const std::exception& error);

// Runs a function in a forked process, which ends when the function returns, when this object goes, or when
// the parent dies. Fork only while the parent has a single thread.
class child_process {
 public:
  explicit child_process(const std::function<void()>& body);
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;
  ~child_process();

 private:
  pid_t pid_;
};

}  // namespace skald::bench::limit
