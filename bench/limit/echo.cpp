#include <poll.h>

#include <algorithm>
#include <stdexcept>

#include "bench/limit/loopback.hpp"
#include "bench/limit/measurements.hpp"
#include "bench/limit/stopwatch.hpp"

namespace skald::bench::limit {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{64} << 10;

// Sends what there is to receive from one socket to the other; false when the first has closed.
bool forward(int from, int to, std::span<std::byte> buffer) {
  const std::size_t count = receive_some(from, buffer);
  send_fully(to, buffer.first(count));
  return count > 0;
}

void respond(int connection) {
  std::vector<std::byte> buffer(buffer_bytes);
  while (forward(connection, connection, buffer)) {
  }
}

// One thread between two connections, as a broker's reactor is.
void route(int client, int responder) {
  std::vector<std::byte> buffer(buffer_bytes);
  for (;;) {
    pollfd ready[] = {{client, POLLIN, 0}, {responder, POLLIN, 0}};
    checked("poll", [&] { return poll(ready, 2, -1); });
    if (ready[0].revents != 0 && !forward(client, responder, buffer)) return;
    if (ready[1].revents != 0 && !forward(responder, client, buffer)) return;
  }
}

// Replies come in order, so the oldest message in flight is the one that is answered.
std::vector<metric> exchange(int socket, std::size_t bytes, std::size_t in_flight,
                             steady_clock::duration duration) {
  std::vector<std::byte> buffer(std::max(buffer_bytes, in_flight * bytes));
  std::vector<steady_clock::time_point> sent_at(in_flight);
  std::size_t received = 0;
  std::size_t replies = 0;
  std::size_t sent = 0;
  latencies round_trips;

  const auto send_messages = [&](std::size_t count) {
    const auto now = steady_clock::now();
    for (std::size_t i = 0; i < count; ++i) sent_at[sent++ % in_flight] = now;
    send_fully(socket, std::span(buffer).first(count * bytes));
  };

  const stopwatch watch(duration);
  send_messages(in_flight);
  while (!watch.expired()) {
    const std::size_t count = receive_some(socket, buffer);
    if (count == 0) throw std::runtime_error("the server process ended early");
    received += count;
    const auto now = steady_clock::now();
    const std::size_t answered = received / bytes - replies;
    for (std::size_t i = 0; i < answered; ++i) round_trips.add(now - sent_at[replies++ % in_flight]);
    send_messages(answered);
  }
  const double seconds = std::chrono::duration<double>(watch.elapsed()).count();
  std::vector<metric> metrics{{"rate", "/s", static_cast<double>(replies) / seconds}};
  round_trips.summarize(metrics);
  return metrics;
}

}  // namespace

std::vector<metric> measure_echo(std::size_t bytes, std::size_t in_flight, steady_clock::duration duration) {
  const loopback_listener listener;
  const child_process responder([&] {
    const unique_fd connection = listener.accept();
    respond(connection.get());
  });
  const unique_fd socket = listener.connect();
  return exchange(socket.get(), bytes, in_flight, duration);
}

std::vector<metric> measure_routed_echo(std::size_t bytes, std::size_t in_flight,
                                        steady_clock::duration duration) {
  const loopback_listener clients;
  const loopback_listener responders;
  const child_process router([&] {
    const unique_fd responder = responders.accept();
    const unique_fd client = clients.accept();
    route(client.get(), responder.get());
  });
  const child_process responder([&] {
    const unique_fd connection = responders.connect();
    respond(connection.get());
  });
  const unique_fd socket = clients.connect();
  return exchange(socket.get(), bytes, in_flight, duration);
}

}  // namespace skald::bench::limit
