#include "tools/bench/yardstick.hpp"

#include <algorithm>

#include "tools/cli/quantity.hpp"

namespace skald::cli::bench {
namespace {

using kind = yardstick::kind;
using unit = yardstick::unit;

constexpr std::size_t frame_bytes = 64u << 10;          // what a broker writes at a time is many records
constexpr std::size_t window_bytes_max = 64u << 20;     // the measurement's own limit is a segment
constexpr std::size_t read_bytes = 1u << 20;            // the most that a fetch answers with
constexpr std::size_t write_bytes_max = 4u << 20;       // likewise, of a single write
constexpr std::size_t message_bytes_max = 64u << 10;    // of what is passed on
constexpr std::size_t messages_bytes_max = 256u << 10;  // that sockets hold while the client still sends
constexpr std::size_t messages_max = 1024;
constexpr std::size_t saga_commit_bytes = 1024;  // an instance with its state, or a command, about
constexpr unsigned saga_commits = 6;             // see orchestrating.hpp

yardstick none(const std::string& why) {
  return {.text = why};
}

yardstick fdatasync_of(std::size_t bytes, unsigned in_a_row = 1) {
  std::string text = "one fdatasync of " + format_size(bytes);
  if (in_a_row != 1)
    text = std::to_string(in_a_row) + " of " + format_size(bytes) + " each, one fdatasync after the other";
  return {.what = kind::fdatasync, .in = unit::us, .bytes = bytes, .in_a_row = in_a_row, .text = text};
}

yardstick group_commit_of(std::size_t bytes, std::uint64_t in_flight) {
  const std::size_t window = std::clamp<std::size_t>(bytes * in_flight, bytes, window_bytes_max);
  // Few records are a frame each; many travel together.
  const std::size_t frame = std::min(std::max(bytes, frame_bytes), window);
  const std::size_t frames = std::max<std::size_t>(window / frame, 1);
  return {
      .what = kind::group_commit,
      .in = unit::bytes_per_s,
      .bytes = frame,
      .in_flight = frames,
      .text = "group commit behind TCP, " + format_count(frames) + " x " + format_size(frame) + " in flight"};
}

yardstick delivery_of(std::size_t bytes, std::uint64_t per_second) {
  return {.what = kind::delivery,
          .in = unit::us,
          .bytes = bytes,
          .per_second = static_cast<double>(per_second),
          .text = format_count(per_second) + "/s of " + format_size(bytes) +
                  " through TCP, written, synced and sent on"};
}

yardstick stream_of() {
  return {.what = kind::stream,
          .in = unit::bytes_per_s,
          .bytes = read_bytes,
          .text = "a stream from the page cache through TCP"};
}

yardstick routed_echo_of(std::size_t bytes, std::uint64_t in_flight, bool timed) {
  if (bytes > message_bytes_max) return none("a routed echo is of at most " + format_size(message_bytes_max));
  const std::size_t fit = std::min(messages_max, messages_bytes_max / bytes);
  const std::size_t messages = std::clamp<std::size_t>(in_flight, 1, fit);
  return {.what = kind::routed_echo,
          .in = timed ? unit::us : unit::per_s,
          .bytes = bytes,
          .in_flight = messages,
          .text = "a routed echo of " + format_size(bytes) + ", " + format_count(messages) + " in flight"};
}

}  // namespace

std::string_view to_string(yardstick::unit of) noexcept {
  switch (of) {
    case unit::bytes_per_s:
      return "bytes_per_s";
    case unit::per_s:
      return "per_s";
    case unit::us:
      return "us";
  }
  return "";
}

yardstick yardstick_for(const options& with, double mean_bytes) {
  const auto bytes = static_cast<std::size_t>(std::max(mean_bytes, 1.0));
  const std::uint64_t in_flight = in_flight_of(with, mean_bytes) * with.producers;
  const bool timed = with.rate != 0 || in_flight == 1;
  switch (with.what) {
    case workload::consume:
      return stream_of();
    case workload::request:
      return routed_echo_of(bytes, timed ? 1 : in_flight, timed);
    case workload::saga:
      if (timed) return fdatasync_of(saga_commit_bytes, saga_commits);
      return none("many sagas at a time share their fsyncs, and processors are what they wait for");
    case workload::publish:
    case workload::pubsub:
    case workload::queue:
    case workload::fanout:
      break;
  }
  if (with.durability == skald::durability::memory)
    return none("what is acknowledged from memory does not wait for the disk");
  const bool delivers = with.what == workload::pubsub || with.what == workload::queue;
  if (with.rate != 0 && delivers && bytes <= message_bytes_max) return delivery_of(bytes, with.rate);
  if (timed) return fdatasync_of(std::min(bytes, write_bytes_max));
  if (with.what == workload::fanout) return stream_of();
  if (with.compression != skald::compression::none)
    return none("how many bytes compressed records have is known only afterwards");
  return group_commit_of(bytes, in_flight);
}

}  // namespace skald::cli::bench
