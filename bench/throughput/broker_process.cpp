#include "bench/throughput/broker_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "bench/limit/loopback.hpp"
#include "bench/limit/process.hpp"

namespace skald::bench {
namespace {

using limit::checked;

[[noreturn]] void become_daemon(const std::vector<std::string>& arguments, const std::filesystem::path& log) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (out >= 0) {
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
  }
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

}  // namespace

broker_process::broker_process(const std::filesystem::path& daemon,
                               const std::filesystem::path& data_directory, const std::filesystem::path& log,
                               const std::vector<std::string>& more_arguments) {
  address_ = "127.0.0.1:" + std::to_string(limit::free_port());
  std::vector<std::string> arguments{daemon.string(), "--data-dir", data_directory.string(), "--listen",
                                     address_};
  arguments.insert(arguments.end(), more_arguments.begin(), more_arguments.end());
  pid_ = checked("fork", [] { return ::fork(); });
  if (pid_ == 0) become_daemon(arguments, log);
}

broker_process::~broker_process() {
  try {
    stop();
  } catch (const std::exception&) {
    // Whoever wanted to know has called stop().
  }
}

bool broker_process::has_ended() const {
  siginfo_t found{};
  ::waitid(P_PID, static_cast<id_t>(pid_), &found, WEXITED | WNOHANG | WNOWAIT);
  return found.si_pid != 0;
}

int broker_process::wait() {
  int status = 0;
  checked("waitpid", [&] { return ::waitpid(pid_, &status, 0); });
  pid_ = -1;
  return status;
}

void broker_process::stop() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGTERM);
  const int status = wait();
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw std::runtime_error("skaldd did not end well (wait status " + std::to_string(status) + ")");
  }
}

void broker_process::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  wait();
}

std::uint64_t broker_process::status_bytes(const char* field) const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  const std::string wanted = std::string(field) + ":";
  for (std::string word; status >> word;) {
    if (word != wanted) continue;
    std::uint64_t kibibytes = 0;
    status >> kibibytes;
    return kibibytes * 1024;
  }
  throw std::runtime_error(std::string("no ") + field + " of skaldd: has it ended?");
}

std::uint64_t broker_process::anonymous_bytes() const {
  return status_bytes("RssAnon");
}
std::uint64_t broker_process::peak_resident_bytes() const {
  return status_bytes("VmHWM");
}

double broker_process::cpu_seconds() const {
  std::ifstream stat("/proc/" + std::to_string(pid_) + "/stat");
  std::string line;
  std::getline(stat, line);
  // The second field is the name in parentheses, which may hold anything; utime and stime are the 12th and
  // 13th after it.
  const auto after_name = line.rfind(')');
  if (after_name == std::string::npos) throw std::runtime_error("no CPU times of skaldd: has it ended?");
  const char* at = line.c_str() + after_name + 2;
  for (int field = 0; field < 11; ++field) {
    while (*at != '\0' && *at != ' ') ++at;
    if (*at == ' ') ++at;
  }
  char* end = nullptr;
  const auto user = std::strtoull(at, &end, 10);
  const auto system = std::strtoull(end, nullptr, 10);
  return static_cast<double>(user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace skald::bench
