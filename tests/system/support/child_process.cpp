#include "tests/system/support/child_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <system_error>

namespace skald::tests {
namespace {

void check(int error, const char* what) {
  if (error != 0) throw std::system_error(error, std::generic_category(), what);
}

struct pipe_pair {
  pipe_pair() {
    int ends[2];
    check(::pipe2(ends, O_CLOEXEC) == 0 ? 0 : errno, "pipe2");
    read = ends[0];
    write = ends[1];
  }
  int read;
  int write;
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> all;
  all.reserve(texts.size() + 1);
  for (const std::string& text : texts) all.push_back(const_cast<char*>(text.c_str()));
  all.push_back(nullptr);
  return all;
}

std::vector<std::string> merged_environment(const std::vector<std::string>& added) {
  std::vector<std::string> all = added;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view text(*each);
    const std::string_view name = text.substr(0, text.find('=') + 1);
    bool replaced = text.starts_with("SKALD_");  // settings of the person who runs the tests do not count
    for (const std::string& other : added) replaced = replaced || std::string_view(other).starts_with(name);
    if (!replaced) all.emplace_back(text);
  }
  return all;
}

}  // namespace

child_process::child_process(const std::string& program, const std::vector<std::string>& arguments,
                             const std::vector<std::string>& environment) {
  std::signal(SIGPIPE, SIG_IGN);  // write() says so instead
  pipe_pair input, output, errors;
  std::vector<std::string> all{program};
  all.insert(all.end(), arguments.begin(), arguments.end());
  const std::vector<std::string> variables = merged_environment(environment);
  const std::vector<char*> argument_pointers = pointers(all);
  const std::vector<char*> variable_pointers = pointers(variables);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    // Only what is safe after a fork of a process with threads. No process outlives a test that crashes.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    ::dup2(input.read, STDIN_FILENO);
    ::dup2(output.write, STDOUT_FILENO);
    ::dup2(errors.write, STDERR_FILENO);
    ::signal(SIGPIPE, SIG_DFL);
    ::execve(program.c_str(), argument_pointers.data(), variable_pointers.data());
    ::_exit(127);  // as a shell says it: there is no such program
  }
  const int error = pid_ < 0 ? errno : 0;
  for (const int descriptor : {input.read, output.write, errors.write}) ::close(descriptor);
  input_ = input.write;
  output_.descriptor = output.read;
  errors_.descriptor = errors.read;
  check(error, "fork");
  stop_ = ::eventfd(0, EFD_CLOEXEC);
  collector_ = std::thread([this] { collect(); });
}

child_process::~child_process() {
  close_input();
  if (exit_code_ == -1) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  finish_collecting();
  for (const int descriptor : {output_.descriptor, errors_.descriptor, stop_}) {
    if (descriptor != -1) ::close(descriptor);
  }
}

bool child_process::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(input_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

void child_process::close_input() {
  if (input_ != -1) ::close(input_);
  input_ = -1;
}

// The collector owns the descriptors while it runs, so it is the one to close this.
void child_process::close_output() {
  {
    const std::lock_guard lock(mutex_);
    output_.abandoned = true;
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(stop_, &one, sizeof one);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return output_.ended; });
}

void child_process::collect() {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (output_.abandoned && !output_.ended) {
        ::close(output_.descriptor);
        output_.descriptor = -1;
        output_.ended = true;
        changed_.notify_all();
      }
      if (finishing_ || (output_.ended && errors_.ended)) {
        output_.ended = errors_.ended = true;
        changed_.notify_all();
        return;
      }
    }
    pollfd waiting[3] = {{output_.ended ? -1 : output_.descriptor, POLLIN, 0},
                         {errors_.ended ? -1 : errors_.descriptor, POLLIN, 0},
                         {stop_, POLLIN, 0}};
    if (::poll(waiting, 3, -1) < 0) continue;
    if (waiting[2].revents != 0) {
      std::uint64_t count = 0;
      [[maybe_unused]] const ssize_t taken = ::read(stop_, &count, sizeof count);
    }
    for (int i = 0; i < 2; ++i) {
      if (waiting[i].revents == 0) continue;
      stream& from = i == 0 ? output_ : errors_;
      char buffer[64 * 1024];
      const ssize_t count = ::read(from.descriptor, buffer, sizeof buffer);
      const std::lock_guard lock(mutex_);
      if (count > 0) from.text.append(buffer, static_cast<std::size_t>(count));
      if (count == 0) from.ended = true;
      changed_.notify_all();
    }
  }
}

void child_process::finish_collecting() {
  if (!collector_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    finishing_ = true;
  }
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(stop_, &one, sizeof one);
  collector_.join();
}

bool child_process::wait_for(const stream& in, std::string_view text) {
  std::unique_lock lock(mutex_);
  const auto found = [&] { return in.text.find(text) != std::string::npos; };
  changed_.wait_for(lock, patience, [&] { return found() || in.ended; });
  return found();
}

bool child_process::wait_output(std::string_view text) {
  return wait_for(output_, text);
}

bool child_process::wait_errors(std::string_view text) {
  return wait_for(errors_, text);
}

void child_process::send_signal(int signal) const {
  ::kill(pid_, signal);
}

process_result child_process::wait() {
  close_input();
  {
    // Its streams end with it, unless it closed one itself.
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, patience, [&] { return output_.ended && errors_.ended; });
  }
  const int descriptor = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  pollfd waiting{descriptor, POLLIN, 0};
  const int ready = ::poll(&waiting, 1, static_cast<int>(std::chrono::milliseconds(patience).count()));
  if (descriptor != -1) ::close(descriptor);
  if (ready != 1) ::kill(pid_, SIGKILL);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  finish_collecting();
  return {ready == 1 ? exit_code_ : -1, output_.text, errors_.text};
}

std::string child_process::output() const {
  const std::lock_guard lock(mutex_);
  return output_.text;
}

std::string child_process::errors() const {
  const std::lock_guard lock(mutex_);
  return errors_.text;
}

process_result run_process(const std::string& program, const std::vector<std::string>& arguments,
                           std::string_view input, const std::vector<std::string>& environment) {
  child_process process(program, arguments, environment);
  process.write(input);
  return process.wait();
}

}  // namespace skald::tests
