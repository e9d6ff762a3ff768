#include "tools/bench/limit_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "bench/limit/files.hpp"
#include "bench/limit/measurements.hpp"
#include "bench/limit/process.hpp"
#include "tools/bench/child_pipe.hpp"
#include "tools/cli/exit_code.hpp"

namespace skald::cli::bench {
namespace {

namespace limit = ::skald::bench::limit;

constexpr std::chrono::milliseconds measuring_time{1000};
constexpr std::uint64_t files_beside_bytes = 64u << 20;

double value_of(const std::vector<limit::metric>& metrics, std::string_view name) {
  return std::ranges::find(metrics, name, &limit::metric::name)->value;
}

double group_commit(const yardstick& what, limit::recycled_segments& segments) {
  const auto bytes_per_s = [&](limit::commit_threads threads, std::chrono::milliseconds time) {
    constexpr double megabyte = 1e6;
    return megabyte *
           value_of(limit::measure_group_commit(segments, threads, what.bytes, what.in_flight, time),
                    "throughput");
  };
  if (what.in_flight < 2) return bytes_per_s(limit::commit_threads::one, measuring_time);
  // Which of them is the limit depends on the disk.
  return std::max(bytes_per_s(limit::commit_threads::one, measuring_time / 2),
                  bytes_per_s(limit::commit_threads::two, measuring_time / 2));
}

limit_reading latency_of(const std::vector<limit::metric>& metrics) {
  return {.value = value_of(metrics, "median"), .p99 = value_of(metrics, "p99")};
}

// Of several in a row, one is slow.
limit_reading fdatasync(const yardstick& what, limit::recycled_segments& segments) {
  limit_reading one = latency_of(limit::measure_recycled(segments, what.bytes, measuring_time));
  const double others = one.value * (what.in_a_row - 1);
  return {.value = one.value + others, .p99 = one.p99 + others};
}

limit_reading measure_once(const yardstick& what, std::optional<limit::recycled_segments>& segments) {
  constexpr double gigabyte = 1e9;
  switch (what.what) {
    case yardstick::kind::none:
      return {};
    case yardstick::kind::group_commit:
      return {.value = group_commit(what, *segments)};
    case yardstick::kind::fdatasync:
      return fdatasync(what, *segments);
    case yardstick::kind::delivery:
      return latency_of(limit::measure_delivery(*segments, what.bytes, what.per_second, measuring_time));
    case yardstick::kind::stream:
      return {.value =
                  gigabyte * value_of(limit::measure_stream(segments->first(), what.bytes, measuring_time),
                                      "throughput")};
    case yardstick::kind::routed_echo: {
      const auto echo = limit::measure_routed_echo(what.bytes, what.in_flight, measuring_time);
      if (what.in == yardstick::unit::us) return latency_of(echo);
      return {.value = value_of(echo, "rate")};
    }
  }
  return {};
}

// Waits for the parent's word; false when there is none any more. SIGTERM is blocked but while it waits: one
// that came between a look at the flag and a plain read would be noticed by nobody.
bool is_asked(int asks) {
  sigset_t ends;
  sigset_t before;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &ends, &before);
  limit::throw_if_interrupted();
  pollfd waiting{asks, POLLIN, 0};
  limit::checked("wait", [&] { return ::ppoll(&waiting, 1, nullptr, &before); });
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  char one = 0;
  return ::read(asks, &one, 1) == 1;
}

void answer_all(const yardstick& what, const std::filesystem::path& parent, int asks, int answers) {
  std::optional<limit::scratch_directory> directory;
  std::optional<limit::recycled_segments> segments;
  if (what.uses_disk()) {
    directory.emplace(parent, limit::segment_count * limit::segment_bytes + files_beside_bytes);
    segments.emplace(directory->path());
  }
  write_whole(answers, "ready\n");
  while (is_asked(asks)) {
    const limit_reading is = measure_once(what, segments);
    write_whole(answers, std::to_string(is.value) + " " + std::to_string(is.p99) + "\n");
  }
}

// The whole life of the child. What it answers is the reading, two numbers, or why there is none.
[[noreturn]] void serve(const yardstick& what, const std::filesystem::path& parent, int asks, int answers,
                        pid_t parent_process) {
  limit::handle_interrupts();    // SIGTERM unwinds it
  std::signal(SIGINT, SIG_IGN);  // of the terminal: the parent's affair
  std::signal(SIGPIPE, SIG_IGN);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  try {
    if (::getppid() == parent_process) answer_all(what, parent, asks, answers);
  } catch (const std::exception& why) {
    write_whole(answers, "!" + std::string(why.what()) + "\n");
  }
  ::_exit(EXIT_SUCCESS);
}

}  // namespace

limit_process::limit_process(const yardstick& what, const std::filesystem::path& parent) {
  std::array<int, 2> asks{-1, -1};
  std::array<int, 2> answers{-1, -1};
  const pid_t self = ::getpid();
  if (::pipe2(asks.data(), O_CLOEXEC) != 0 || ::pipe2(answers.data(), O_CLOEXEC) != 0 ||
      (process_ = ::fork()) < 0) {
    const command_error failed(
        exit_code::failed, "cannot start measuring the machine: " + std::system_category().message(errno));
    for (const int one : {asks[0], asks[1], answers[0], answers[1]})
      if (one >= 0) ::close(one);
    throw failed;
  }
  if (process_ == 0) {
    ::close(asks[1]);
    ::close(answers[0]);
    serve(what, parent, asks[0], answers[1], self);
  }
  ::close(asks[0]);
  ::close(answers[1]);
  asks_ = asks[1];
  answers_ = answers[0];
  const std::string said = read_line(answers_);
  if (said == "ready") return;
  end();
  throw command_error(exit_code::failed,
                      "--limit: " + (said.empty() ? "the measuring process ended" : said.substr(1)));
}

limit_process::~limit_process() {
  end();
}

limit_reading limit_process::measure(int interrupted) {
  write_whole(asks_, "m");
  std::array<pollfd, 2> waiting{{{answers_, POLLIN, 0}, {interrupted, POLLIN, 0}}};
  while (::poll(waiting.data(), waiting.size(), -1) < 0 && errno == EINTR) {
  }
  if (waiting[1].revents != 0) throw command_error(exit_code::interrupted, "interrupted");
  const std::string said = read_line(answers_);
  if (said.empty() || said.front() == '!')
    throw command_error(exit_code::failed,
                        "the limit could not be measured: " + (said.empty() ? "it ended" : said.substr(1)));
  std::size_t value_chars = 0;
  const double value = std::stod(said, &value_chars);
  return {.value = value, .p99 = std::stod(said.substr(value_chars))};
}

void limit_process::end() noexcept {
  ::kill(process_, SIGTERM);
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
  ::close(asks_);
  ::close(answers_);
}

}  // namespace skald::cli::bench
