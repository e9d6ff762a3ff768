// One measurement of one broker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "bench/compare/peer.hpp"

namespace skald::bench::compare {

// Publish for a time, from one connection, then read everything with another.
struct shape {
  std::size_t record_bytes = 1024;
  std::size_t in_flight_bytes = 4u << 20;
  milliseconds time{3000};
  std::uint64_t bytes_max = 2u << 30;  // end earlier then

  // Of each broker the same: few enough for the one with the smallest buffers.
  in_flight most() const;
};

struct figures {
  std::uint64_t records = 0;
  double publish_per_s = 0;
  double consume_per_s = 0;
};

// Starts the broker in a directory of its own below `parent`, measures, verifies that what is read is what
// was acknowledged, and removes both. Throws std::exception, with what is wrong.
figures measure_once(const candidate& what, const shape& how, const std::filesystem::path& parent);

}  // namespace skald::bench::compare
