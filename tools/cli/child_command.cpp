#include "tools/cli/child_command.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

namespace skald::cli {
namespace {

constexpr std::size_t errors_kept = 4096;
// How soon it is noticed that nobody waits any more.
constexpr std::chrono::milliseconds look_every{100};

class descriptor {
 public:
  explicit descriptor(int number = -1) : number_(number) {}
  ~descriptor() { close(); }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  void set(int number) { number_ = number; }
  int get() const { return number_; }
  void close() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }

 private:
  int number_;
};

struct pipe_ends {
  pipe_ends() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    read.set(ends[0]);
    write.set(ends[1]);
  }
  descriptor read;
  descriptor write;
};

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

pid_t start(const std::vector<std::string>& arguments, const std::vector<std::string>& environment, int input,
            int output, int errors) {
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, errors, STDERR_FILENO);
  // This process blocks and ignores signals that the command expects to have their usual effect.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t signals;
  ::sigemptyset(&signals);
  ::posix_spawnattr_setsigmask(&attributes, &signals);
  ::sigaddset(&signals, SIGPIPE);
  ::posix_spawnattr_setsigdefault(&attributes, &signals);
  ::posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::vector<std::string> variables = environment;
  for (char** one = environ; *one != nullptr; ++one) variables.emplace_back(*one);
  pid_t pid = -1;
  const int failed = ::posix_spawnp(&pid, arguments.front().c_str(), &files, &attributes,
                                    pointers_to(arguments).data(), pointers_to(variables).data());
  ::posix_spawn_file_actions_destroy(&files);
  ::posix_spawnattr_destroy(&attributes);
  if (failed != 0) throw std::system_error(failed, std::generic_category(), arguments.front());
  return pid;
}

// Reads once; closes the descriptor at the end of what there is.
void take(descriptor& from, std::string& into) {
  std::array<char, 65536> chunk;
  const ssize_t count = ::read(from.get(), chunk.data(), chunk.size());
  if (count > 0) {
    into.append(chunk.data(), static_cast<std::size_t>(count));
  } else if (count == 0 || errno != EINTR) {
    from.close();
  }
}

void give(descriptor& to, std::string_view& rest) {
  const ssize_t count = ::write(to.get(), rest.data(), rest.size());
  if (count > 0) rest.remove_prefix(static_cast<std::size_t>(count));
  // A command need not read all of its input.
  if (rest.empty() || (count < 0 && errno != EINTR && errno != EAGAIN)) to.close();
}

void keep_end(std::string& errors, std::size_t& told) {
  // There is nobody to tell when our own standard error cannot be written.
  [[maybe_unused]] const ssize_t count = ::write(STDERR_FILENO, errors.data() + told, errors.size() - told);
  if (errors.size() > errors_kept) errors.erase(0, errors.size() - errors_kept);
  told = errors.size();
}

}  // namespace

command_outcome run_command(const std::vector<std::string>& arguments,
                            const std::vector<std::string>& environment, std::string_view input,
                            const command_limits& limits) {
  using clock = std::chrono::steady_clock;
  const auto deadline = clock::now() + limits.time;
  pipe_ends in;
  pipe_ends out;
  pipe_ends err;
  const pid_t pid = start(arguments, environment, in.read.get(), out.write.get(), err.write.get());
  in.read.close();
  out.write.close();
  err.write.close();
  ::fcntl(in.write.get(), F_SETFL, O_NONBLOCK);
  if (input.empty()) in.write.close();

  command_outcome outcome;
  const auto kill_if_over = [&] {
    const bool over =
        clock::now() >= deadline || outcome.output.size() > limits.output_bytes_max || limits.abandoned();
    if (over && !std::exchange(outcome.killed, true)) ::kill(-pid, SIGKILL);
  };
  std::size_t errors_told = 0;
  while (!outcome.killed && (out.read.get() >= 0 || err.read.get() >= 0)) {
    std::array<pollfd, 3> waiting{pollfd{out.read.get(), POLLIN, 0}, pollfd{err.read.get(), POLLIN, 0},
                                  pollfd{in.write.get(), POLLOUT, 0}};
    ::poll(waiting.data(), waiting.size(), static_cast<int>(look_every.count()));
    if (waiting[0].revents != 0) take(out.read, outcome.output);
    if (waiting[1].revents != 0) take(err.read, outcome.errors), keep_end(outcome.errors, errors_told);
    if (waiting[2].revents != 0) give(in.write, input);
    kill_if_over();
  }
  in.write.close();
  // It may have closed its output and go on.
  int status = 0;
  for (;;) {
    const pid_t ended = ::waitpid(pid, &status, outcome.killed ? 0 : WNOHANG);
    if (ended == pid) break;
    if (ended == 0) {
      ::poll(nullptr, 0, 1);
      kill_if_over();
    }
  }
  outcome.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return outcome;
}

std::string_view last_line(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.remove_suffix(1);
  }
  const std::size_t before = text.rfind('\n');
  return before == std::string_view::npos ? text : text.substr(before + 1);
}

}  // namespace skald::cli
