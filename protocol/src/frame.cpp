#include <skald/protocol/frame.hpp>
#include <string>

#include "protocol/src/bytes.hpp"

namespace skald::protocol {
namespace {

constexpr std::size_t length_bytes = 4;
// No FlatBuffer with a root table is shorter: root offset, vtable of two entries, table.
constexpr std::uint32_t header_bytes_min = 12;

failure too_large(const char* what, std::uint32_t bytes, std::uint32_t bytes_max) {
  return {errc::frame_too_large, std::string(what) + " of " + std::to_string(bytes) +
                                     " bytes is over the limit of " + std::to_string(bytes_max)};
}

}  // namespace

result<frame_progress> parse_frame(std::span<const std::byte> received, const frame_limits& limits) {
  frame_progress progress;
  if (received.size() < frame_prefix_bytes) {
    progress.missing_bytes = frame_prefix_bytes - received.size();
    return progress;
  }
  const auto frame_length = load_little_endian<std::uint32_t>(received.data());
  const auto header_length = load_little_endian<std::uint32_t>(received.data() + length_bytes);
  if (frame_length > limits.frame_bytes_max)
    return too_large("a frame", frame_length, limits.frame_bytes_max);
  if (frame_length < length_bytes || header_length > frame_length - length_bytes)
    return failure{errc::protocol_error, "a header of " + std::to_string(header_length) +
                                             " bytes does not fit its frame of " +
                                             std::to_string(frame_length)};
  if (header_length > limits.header_bytes_max)
    return too_large("a frame header", header_length, limits.header_bytes_max);
  if (header_length < header_bytes_min)
    return failure{errc::protocol_error,
                   "a header of " + std::to_string(header_length) + " bytes is too short to be one"};

  const std::size_t frame_bytes = length_bytes + std::size_t{frame_length};
  if (received.size() < frame_bytes) {
    progress.missing_bytes = frame_bytes - received.size();
    return progress;
  }
  progress.frame.header = received.subspan(frame_prefix_bytes, header_length);
  progress.frame.payload = received.first(frame_bytes).subspan(frame_prefix_bytes + header_length);
  return progress;
}

}  // namespace skald::protocol
