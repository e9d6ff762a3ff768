// Frames: what a connection carries, in both directions.
//
//   u32 frame_length | u32 header_length | header | payload        (little-endian)
//
// frame_length counts what follows it: 4 + header_length + the payload. The header is a FlatBuffer (see
// schema/wire.fbs and protocol/wire.hpp), the payload is whole record batches. This header finds the bounds
// of frames in received bytes; it looks into neither part.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <skald/protocol/result.hpp>

namespace skald::protocol {

inline constexpr std::size_t frame_prefix_bytes = 8;  // both lengths

struct frame_limits {
  std::uint32_t frame_bytes_max = 16u << 20;  // the largest frame_length; HelloOk announces it
  std::uint32_t header_bytes_max = 1u << 20;
};

struct frame_view {
  std::span<const std::byte> header;
  std::span<const std::byte> payload;
  // The whole frame with both lengths: how far to advance in the received bytes.
  std::size_t size() const { return frame_prefix_bytes + header.size() + payload.size(); }
};

// Either a frame or how many bytes it still lacks.
struct frame_progress {
  frame_view frame;               // when complete()
  std::size_t missing_bytes = 0;  // until the prefix is known: of the prefix; then: of the whole frame
  bool complete() const { return missing_bytes == 0; }
};

// Looks for one frame at the front of `received`. It fails as soon as the lengths are known: with
// frame_too_large over a limit, with protocol_error for lengths that contradict each other. After a failure
// the stream has no known bounds and the connection can only be closed.
result<frame_progress> parse_frame(std::span<const std::byte> received, const frame_limits& limits);

}  // namespace skald::protocol
