// A real process under test: its input is a pipe, and what it writes is collected as it comes.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace skald::tests {

// No condition of a healthy process takes this long, whatever else the machine does.
inline constexpr std::chrono::seconds patience{60};

struct process_result {
  int exit_code = -1;  // 128 + the signal when one ended it, as shells say it
  std::string output;
  std::string errors;
};

class child_process {
 public:
  // Starts `program`; `environment` is "NAME=value" and adds to this process's. Throws std::system_error.
  child_process(const std::string& program, const std::vector<std::string>& arguments,
                const std::vector<std::string>& environment = {});
  // Kills it if it still runs; so does the end of the thread that made it.
  ~child_process();
  child_process(const child_process&) = delete;
  child_process& operator=(const child_process&) = delete;

  // Writes to its standard input. False when it no longer reads.
  bool write(std::string_view bytes);
  void close_input();
  // Closes the reading end of its standard output; what it writes next fails with EPIPE.
  void close_output();

  // Whether the text appeared in what it wrote to standard output, or error, before the process ended or
  // patience did.
  bool wait_output(std::string_view text);
  bool wait_errors(std::string_view text);

  void send_signal(int signal) const;
  // Waits for it to end; its input is closed first. Kills it, and gives -1, when patience ends.
  process_result wait();
  pid_t id() const { return pid_; }

  std::string output() const;
  std::string errors() const;

 private:
  struct stream {
    int descriptor = -1;
    std::string text;
    bool ended = false;
    bool abandoned = false;
  };
  bool wait_for(const stream& in, std::string_view text);
  void collect();
  void finish_collecting();

  pid_t pid_ = -1;
  int input_ = -1;
  int stop_ = -1;  // an eventfd that has the collector look at what changed
  int exit_code_ = -1;
  mutable std::mutex mutex_;  // guards the streams' text and flags
  std::condition_variable changed_;
  stream output_;
  stream errors_;
  bool finishing_ = false;
  std::thread collector_;
};

// Runs it to its end with this input.
process_result run_process(const std::string& program, const std::vector<std::string>& arguments,
                           std::string_view input = {}, const std::vector<std::string>& environment = {});

}  // namespace skald::tests
