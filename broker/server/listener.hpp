// Accepts connections and hands each to the worker that has the fewest.
//
// Runs on the first worker's reactor. Errors while accepting (no descriptors left, for one) are logged and
// pause it briefly; they never stop it and never make it spin.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "broker/server/worker.hpp"

namespace skald::server {

class listener {
 public:
  // Binds, so that a port in use is known at once. Throws skald::error (cannot_connect).
  listener(std::vector<worker*> workers, const std::string& address, std::uint16_t port,
           std::uint32_t connections_max);

  std::uint16_t port() const { return port_; }
  const std::string& address() const { return address_; }
  // Throws skald::error (cannot_connect).
  void listen();
  // Accepts until close(); both on the reactor.
  void start();
  void close();

 private:
  void accept();
  void accepted(worker& to, boost::asio::ip::tcp::socket socket);
  void pause(const std::string& why);
  [[noreturn]] void refuse(const boost::system::error_code& failed) const;

  const std::vector<worker*> workers_;
  const std::string address_;
  std::uint16_t port_;
  const std::uint32_t connections_max_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer retry_;
};

}  // namespace skald::server
