// How far the encoded command at the front of a journal entry reaches: the batch behind it, if any, is
// aligned.
#pragma once

#include <cstddef>

namespace skald::shard {

inline constexpr std::size_t head_alignment = 8;

constexpr std::size_t aligned_head(std::size_t bytes) {
  return (bytes + head_alignment - 1) / head_alignment * head_alignment;
}

}  // namespace skald::shard
