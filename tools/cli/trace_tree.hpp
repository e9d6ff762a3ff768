// The order in which `skald trace` shows records: causes before what they caused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <skald/protocol/types.hpp>

namespace skald::cli {

// What the order depends on.
struct traced_place {
  std::string id;     // message id
  std::string cause;  // the message id of what caused it; empty: unknown
  timestamp time;
  std::string topic;
  std::uint32_t partition = 0;
  std::uint64_t offset = 0;
};

struct tree_line {
  std::size_t record = 0;  // its place in what was passed
  std::size_t depth = 0;   // 0: its cause is not among the records
};

// Depth first; what has one cause by time, and in a partition by offset. Each record once, whatever the ids
// say: of several with one id, the last that is not younger than its effect is the cause, and one of a ring
// begins it.
std::vector<tree_line> arrange(const std::vector<traced_place>& records);

}  // namespace skald::cli
