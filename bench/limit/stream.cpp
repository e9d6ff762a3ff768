#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

#include "bench/limit/loopback.hpp"
#include "bench/limit/measurements.hpp"
#include "bench/limit/stopwatch.hpp"

namespace skald::bench::limit {
namespace {

std::size_t read_at(int file, std::span<std::byte> buffer, std::size_t position) {
  iovec part{buffer.data(), buffer.size()};
  return static_cast<std::size_t>(
      checked("read", [&] { return preadv(file, &part, 1, static_cast<off_t>(position)); }));
}

void send_message(int socket, std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    iovec part{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    bytes = bytes.subspan(
        static_cast<std::size_t>(checked("send", [&] { return sendmsg(socket, &message, MSG_NOSIGNAL); })));
  }
}

// Until the parent has measured enough and ends this process.
void serve_file(int file, int connection, std::size_t read_bytes) {
  std::vector<std::byte> buffer(read_bytes);
  for (std::size_t position = 0;;) {
    const std::size_t count = read_at(file, buffer, position);
    send_message(connection, std::span(buffer).first(count));
    position = count == 0 ? 0 : position + count;
  }
}

}  // namespace

std::vector<metric> measure_stream(int file, std::size_t read_bytes, steady_clock::duration duration) {
  std::vector<std::byte> buffer(read_bytes);
  for (std::size_t position = 0; position < segment_bytes;) position += read_at(file, buffer, position);

  const loopback_listener listener;
  const child_process server([&] {
    const unique_fd connection = listener.accept();
    serve_file(file, connection.get(), read_bytes);
  });
  const unique_fd socket = listener.connect();
  receive_fully(socket.get(), std::span(buffer).first(1));
  std::size_t received = 0;
  const stopwatch watch(duration);
  while (!watch.expired()) {
    const std::size_t count = receive_some(socket.get(), buffer);
    if (count == 0) throw std::runtime_error("the server process ended early");
    received += count;
  }
  return {throughput_gb(received, watch.elapsed())};
}

}  // namespace skald::bench::limit
