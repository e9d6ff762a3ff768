#include "bench/compare/server.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "bench/limit/loopback.hpp"
#include "bench/limit/process.hpp"

namespace skald::bench::compare {
namespace {

using limit::checked;
using limit::unique_fd;
using clock = std::chrono::steady_clock;

constexpr std::chrono::seconds start_max{180};  // RabbitMQ's Erlang takes its time where others compute
constexpr std::chrono::seconds stop_max{10};
constexpr std::chrono::milliseconds between_looks{20};

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void replace_all(std::string& text, std::string_view what, const std::string& by) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
}

// Ends the process group that it is in when nobody holds the other end of the pipe any more, which also
// happens when this program is killed. The server alone would not do: some are scripts, which the system
// would end without what they have started.
void watch_over_group(int life) {
  if (::fork() != 0) return;
  char none = 0;
  while (::read(life, &none, 1) < 0 && errno == EINTR) {
  }
  ::kill(0, SIGKILL);
  ::_exit(0);
}

[[noreturn]] void become(const std::vector<std::string>& command, const std::vector<std::string>& environment,
                         const std::filesystem::path& log, int life) {
  ::setpgid(0, 0);  // which also keeps Ctrl-C for the comparison
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  const int in = ::open("/dev/null", O_RDONLY);
  if (out < 0 || in < 0) ::_exit(127);
  ::dup2(in, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  watch_over_group(life);
  for (const std::string& each : environment) ::putenv(const_cast<char*>(each.c_str()));
  std::vector<char*> argv;
  for (const std::string& argument : command) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

bool ended_within(pid_t process, std::chrono::milliseconds time) {
  const auto deadline = clock::now() + time;
  for (;;) {
    const pid_t ended = ::waitpid(process, nullptr, WNOHANG);
    if (ended == process || (ended < 0 && errno == ECHILD)) return true;
    if (clock::now() >= deadline) return false;
    std::this_thread::sleep_for(between_looks);
  }
}

}  // namespace

std::optional<std::filesystem::path> find_program(const char* variable, std::string_view name) {
  if (const char* const chosen = std::getenv(variable); chosen != nullptr && *chosen != '\0') {
    if (::access(chosen, X_OK) == 0) return chosen;
    return std::nullopt;
  }
  return find_on_path(name);
}

std::optional<std::filesystem::path> find_on_path(std::string_view name) {
  const char* const path = std::getenv("PATH");
  std::istringstream directories(std::string(path != nullptr ? path : "") + ":/usr/sbin:/sbin");
  for (std::string directory; std::getline(directories, directory, ':');) {
    const std::filesystem::path candidate = std::filesystem::path(directory) / name;
    if (!directory.empty() && ::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return std::nullopt;
}

std::filesystem::path write_settings(std::string_view name, const std::filesystem::path& directory,
                                     std::uint16_t port, std::uint16_t second_port) {
  const std::filesystem::path from = std::filesystem::path(SKALD_COMPARE_SETTINGS) / name;
  std::string text = contents(from);
  if (text.empty()) throw std::runtime_error("there are no settings in " + from.string());
  replace_all(text, "@PORT@", std::to_string(port));
  replace_all(text, "@PORT2@", std::to_string(second_port));
  replace_all(text, "@DIR@", directory.string());
  const std::filesystem::path to = directory / name;
  std::ofstream(to) << text;
  return to;
}

server::server(const std::vector<std::string>& command, const std::vector<std::string>& environment,
               const std::filesystem::path& directory)
    : log_(directory / "server.log") {
  std::array<int, 2> life{-1, -1};
  checked("pipe", [&] { return ::pipe2(life.data(), O_CLOEXEC); });
  const unique_fd watched(life[0]);
  life_ = unique_fd(life[1]);
  process_ = checked("fork", [] { return ::fork(); });
  if (process_ == 0) {
    ::close(life[1]);
    become(command, environment, log_, life[0]);
  }
  ::setpgid(process_, process_);  // whoever is first
}

server::~server() {
  ::kill(process_, SIGTERM);
  if (!ended_within(process_, stop_max)) ::kill(process_, SIGKILL);
  ended_within(process_, stop_max);
  ::kill(-process_, SIGKILL);  // what it has left behind
}

void server::wait_for(std::uint16_t port) const {
  const auto deadline = clock::now() + start_max;
  while (!limit::accepts(port)) {
    limit::throw_if_interrupted();
    if (::waitpid(process_, nullptr, WNOHANG) != 0) fail("it ended at once");
    if (clock::now() > deadline) fail("it does not accept connections");
    std::this_thread::sleep_for(between_looks);
  }
}

void server::fail(const std::string& what) const {
  constexpr std::size_t shown = 500;
  std::string said = contents(log_);
  if (said.size() > shown) said = "..." + said.substr(said.size() - shown);
  throw std::runtime_error(what + "; it said: " + said);
}

}  // namespace skald::bench::compare
