#pragma once

// Plain blocking TCP over 127.0.0.1, without delay of small segments.

#include <cstddef>
#include <cstdint>
#include <span>

#include "bench/limit/files.hpp"

namespace skald::bench::limit {

class loopback_listener {
 public:
  loopback_listener();

  // In any process that knows the listener.
  unique_fd connect() const;
  unique_fd accept() const;
  std::uint16_t port() const;

 private:
  unique_fd socket_;
  unsigned short port_ = 0;
};

// A port that nobody uses now. Somebody may take it before a server that is to have it does; then the server
// says so and the measurement fails.
std::uint16_t free_port();
// Whether somebody accepts connections on the port.
bool accepts(std::uint16_t port);

void send_fully(int socket, std::span<const std::byte> bytes);
// At least one byte; 0 when the peer has closed.
std::size_t receive_some(int socket, std::span<std::byte> bytes);
// Throws when the peer closes first.
void receive_fully(int socket, std::span<std::byte> bytes);

}  // namespace skald::bench::limit
