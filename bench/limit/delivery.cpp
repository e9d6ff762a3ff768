#include <poll.h>
#include <sys/prctl.h>

#include <stdexcept>
#include <thread>

#include "bench/limit/loopback.hpp"
#include "bench/limit/measurements.hpp"
#include "bench/limit/stopwatch.hpp"

namespace skald::bench::limit {
namespace {

constexpr std::size_t batch_bytes = std::size_t{1} << 20;
constexpr std::chrono::milliseconds start_delay{20};  // for all to be connected
constexpr std::chrono::milliseconds warm_up{200};

// When the records are due. The clock is that of all processes.
struct timetable {
  steady_clock::time_point start;
  double per_second;

  steady_clock::time_point due(std::uint64_t number) const {
    const double seconds = static_cast<double>(number) / per_second;
    return start + std::chrono::duration_cast<steady_clock::duration>(std::chrono::duration<double>(seconds));
  }
};

// Sends each record when it is due, late ones together, for as long as it is let.
void produce(int socket, std::size_t bytes, const timetable& times) {
  prctl(PR_SET_TIMERSLACK, 1);
  std::vector<std::byte> records(batch_bytes);
  std::uint64_t sent = 0;
  for (;;) {
    const auto now = steady_clock::now();
    std::size_t size = 0;
    for (; times.due(sent) <= now && size + bytes <= records.size(); ++sent, size += bytes) {
    }
    if (size == 0) {
      std::this_thread::sleep_until(times.due(sent));
    } else {
      send_fully(socket, std::span(records).first(size));
    }
    // What has been acknowledged is of no interest, but has to go.
    std::byte ignored[4096];
    pollfd ready{socket, POLLIN, 0};
    while (poll(&ready, 1, 0) > 0 && receive_some(socket, ignored) > 0) {
    }
  }
}

// One thread, as a broker's reactor that commits by itself: all that has come is written and synced, then
// delivered, then acknowledged.
void serve(int producer, int consumer, recycled_segments& segments) {
  std::vector<std::byte> received(batch_bytes + page_bytes);
  while (const std::size_t size = receive_some(producer, std::span(received).first(batch_bytes))) {
    const std::size_t pages = (size + page_bytes - 1) / page_bytes * page_bytes;
    const auto [file, position] = segments.advance(pages);
    write_fully(file, std::span(received).first(pages), position);
    sync_data(file);
    send_fully(consumer, std::span(received).first(size));
    const std::uint64_t acknowledged = size;
    send_fully(producer, std::as_bytes(std::span(&acknowledged, 1)));
  }
}

latencies consume(int socket, std::size_t bytes, const timetable& times, steady_clock::time_point end) {
  latencies taken;
  std::vector<std::byte> buffer(batch_bytes);
  std::uint64_t received = 0;
  std::uint64_t records = 0;
  for (auto now = steady_clock::now(); now < end;) {
    throw_if_interrupted();
    const std::size_t count = receive_some(socket, buffer);
    if (count == 0) throw std::runtime_error("the server process ended early");
    now = steady_clock::now();
    for (received += count; records < received / bytes; ++records) {
      const auto due = times.due(records);
      if (due >= times.start + warm_up) taken.add(now - due);
    }
  }
  if (end - times.due(records) > (end - times.start) / 4)
    throw std::runtime_error("this machine cannot write and pass on so many records a second");
  return taken;
}

}  // namespace

std::vector<metric> measure_delivery(recycled_segments& segments, std::size_t bytes, double per_second,
                                     steady_clock::duration duration) {
  const loopback_listener producers;
  const loopback_listener consumers;
  const timetable times{steady_clock::now() + start_delay, per_second};
  const auto end = times.start + warm_up + duration;
  const child_process server([&] {
    const unique_fd consumer = consumers.accept();
    const unique_fd producer = producers.accept();
    serve(producer.get(), consumer.get(), segments);
  });
  const child_process producer([&] {
    const unique_fd socket = producers.connect();
    produce(socket.get(), bytes, times);
  });
  const unique_fd socket = consumers.connect();
  latencies taken = consume(socket.get(), bytes, times, end);
  if (taken.count() == 0) throw std::runtime_error("no record was due in time");
  std::vector<metric> metrics;
  taken.summarize(metrics);
  return metrics;
}

}  // namespace skald::bench::limit
