#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <stdexcept>

#include "bench/limit/group_commit_server.hpp"
#include "bench/limit/loopback.hpp"
#include "bench/limit/stopwatch.hpp"

namespace skald::bench::limit {
namespace {

constexpr std::size_t stream_image_bytes = std::size_t{4} << 20;

// Whole frames in a row, to be sent over and over.
std::vector<std::byte> stream_image(std::size_t frame_bytes) {
  const auto length = static_cast<frame_length>(frame_bytes - sizeof(frame_length));
  const std::size_t frames = std::max<std::size_t>(1, stream_image_bytes / frame_bytes);
  std::vector<std::byte> image(frames * frame_bytes);
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = random_bytes()[i % random_bytes().size()];
  for (std::size_t i = 0; i < frames; ++i) std::memcpy(&image[i * frame_bytes], &length, sizeof length);
  return image;
}

// Keeps the window full, from one thread.
class streaming_client {
 public:
  streaming_client(const loopback_listener& server, std::size_t frame_bytes, std::size_t window_bytes)
      : image_(stream_image(frame_bytes)), window_bytes_(window_bytes), socket_(server.connect()) {}

  void run(const stopwatch& watch) {
    while (!watch.expired()) {
      const bool may_send = sent_ - durable_ < window_bytes_;
      pollfd ready{socket_.get(), static_cast<short>(may_send ? POLLIN | POLLOUT : POLLIN), 0};
      checked("poll", [&] { return poll(&ready, 1, 100); });
      if ((ready.revents & (POLLIN | POLLHUP | POLLERR)) != 0) receive();
      if ((ready.revents & POLLOUT) != 0) send();
    }
  }

  std::uint64_t durable() const { return durable_; }
  std::size_t groups() const { return groups_; }
  latencies& round_trips() { return round_trips_; }

 private:
  struct pending_send {
    std::uint64_t end;
    steady_clock::time_point at;
  };

  void send() {
    const std::size_t begin = sent_ % image_.size();
    const std::size_t allowed = window_bytes_ - static_cast<std::size_t>(sent_ - durable_);
    const std::size_t size = std::min(allowed, image_.size() - begin);
    const auto begin_time = steady_clock::now();
    const ssize_t sent = ::send(socket_.get(), &image_[begin], size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (sent < 0) throw std::system_error(errno, std::generic_category(), "send");
    sent_ += static_cast<std::uint64_t>(sent);
    pending_.push_back({sent_, begin_time});
  }

  void receive() {
    acknowledgement message = 0;
    receive_fully(socket_.get(), std::as_writable_bytes(std::span(&message, 1)));
    const auto now = steady_clock::now();
    durable_ = message;
    ++groups_;
    for (; !pending_.empty() && pending_.front().end <= durable_; pending_.pop_front())
      round_trips_.add(now - pending_.front().at);
  }

  std::vector<std::byte> image_;
  std::size_t window_bytes_;
  unique_fd socket_;
  std::uint64_t sent_ = 0;
  std::uint64_t durable_ = 0;
  std::size_t groups_ = 0;
  std::deque<pending_send> pending_;
  latencies round_trips_;
};

}  // namespace

std::vector<metric> measure_group_commit(recycled_segments& segments, commit_threads threads,
                                         std::size_t payload_bytes, std::size_t in_flight,
                                         steady_clock::duration duration) {
  const std::size_t frame_bytes = sizeof(frame_length) + payload_bytes;
  const std::size_t window = in_flight * frame_bytes;
  if (window + page_bytes > segment_bytes)
    throw std::runtime_error("what is in flight has to fit into a segment");
  const loopback_listener listener;
  const child_process server([&] {
    const unique_fd connection = listener.accept();
    group_commit_server(connection.get(), segments, window).serve(threads);
  });
  streaming_client client(listener, frame_bytes, window);
  const stopwatch watch(duration);
  client.run(watch);
  std::vector<metric> metrics{throughput_mb(client.durable(), watch.elapsed())};
  client.round_trips().summarize(metrics);
  const auto groups = static_cast<double>(std::max<std::size_t>(1, client.groups()));
  metrics.push_back({"group", "KiB", static_cast<double>(client.durable()) / groups / 1024});
  return metrics;
}

}  // namespace skald::bench::limit
