// A process that measures what the machine can do, before and after a benchmark and in the same run: a
// virtual disk drifts by a factor of two within minutes.
//
// It is this program, forked, because the measurements fork servers of their own, which a process with
// threads must not. It ends with this object, or with the parent, and takes its files along.
#pragma once

#include <sys/types.h>

#include <filesystem>

#include "tools/bench/yardstick.hpp"

namespace skald::cli::bench {

class limit_process {
 public:
  // Makes the files that are measured in `parent`, which takes a second or two. Called before this process
  // has threads or a broker. Throws command_error, with nothing left behind.
  limit_process(const yardstick& what, const std::filesystem::path& parent);
  ~limit_process();
  limit_process(const limit_process&) = delete;
  limit_process& operator=(const limit_process&) = delete;

  // Measures once, which takes about a second; in the yardstick's unit. Throws command_error when it cannot
  // be done, or when `interrupted` becomes readable.
  limit_reading measure(int interrupted);

 private:
  void end() noexcept;

  pid_t process_ = -1;
  int asks_ = -1;
  int answers_ = -1;
};

}  // namespace skald::cli::bench
