#include "bench/limit/loopback.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <stdexcept>

#include "bench/limit/process.hpp"

namespace skald::bench::limit {
namespace {

unique_fd new_socket() {
  return unique_fd(checked("socket", [] { return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }));
}

void disable_delay(int socket) {
  const int on = 1;
  checked("TCP_NODELAY", [&] { return setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); });
}

sockaddr_in loopback_address(unsigned short port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = port;  // in network order throughout
  return address;
}

}  // namespace

loopback_listener::loopback_listener() : socket_(new_socket()) {
  sockaddr_in address = loopback_address(0);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  checked("bind", [&] { return ::bind(socket_.get(), generic, size); });
  checked("listen", [&] { return ::listen(socket_.get(), 8); });
  checked("getsockname", [&] { return getsockname(socket_.get(), generic, &size); });
  port_ = address.sin_port;
}

unique_fd loopback_listener::connect() const {
  unique_fd socket = new_socket();
  const sockaddr_in address = loopback_address(port_);
  checked("connect", [&] {
    return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  });
  disable_delay(socket.get());
  return socket;
}

unique_fd loopback_listener::accept() const {
  unique_fd socket(
      checked("accept", [&] { return ::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC); }));
  disable_delay(socket.get());
  return socket;
}

std::uint16_t loopback_listener::port() const {
  return ntohs(port_);
}

std::uint16_t free_port() {
  return loopback_listener().port();
}

bool accepts(std::uint16_t port) {
  const unique_fd probe = new_socket();
  const sockaddr_in address = loopback_address(htons(port));
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

void send_fully(int socket, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t sent =
        checked("send", [&] { return ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL); });
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
}

std::size_t receive_some(int socket, std::span<std::byte> bytes) {
  return static_cast<std::size_t>(
      checked("receive", [&] { return ::recv(socket, bytes.data(), bytes.size(), 0); }));
}

void receive_fully(int socket, std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const std::size_t received = receive_some(socket, bytes);
    if (received == 0) throw std::runtime_error("the server process ended early");
    bytes = bytes.subspan(received);
  }
}

}  // namespace skald::bench::limit
