// skald sub TOPIC --queue QUEUE: takes records of a queue, writes them, and acknowledges what it has written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tools/cli/command.hpp"
#include "tools/cli/record_format.hpp"

namespace skald::cli {

struct queue_sub_options {
  std::string topic;
  std::string queue;
  bool create = false;
  std::uint32_t prefetch = 64;
  std::optional<std::uint64_t> count;
  bool follow = true;  // false: ends when nothing is ready
  record_format format;
};

exit_code take_from_queue(const global_options& globals, queue_sub_options options);

}  // namespace skald::cli
