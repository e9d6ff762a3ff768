#include "broker/server/listener.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "broker/server/log.hpp"
#include "skald/protocol/error.hpp"

namespace skald::server {

namespace asio = boost::asio;
using asio::ip::tcp;

listener::listener(std::vector<worker*> workers, const std::string& address, std::uint16_t port,
                   std::uint32_t connections_max)
    : workers_(std::move(workers)),
      address_(address),
      port_(port),
      connections_max_(connections_max),
      acceptor_(workers_.front()->runs_on().context()),
      retry_(workers_.front()->runs_on().context()) {
  boost::system::error_code failed;
  const auto ip = asio::ip::make_address(address, failed);
  if (failed) {
    throw error(errc::cannot_connect,
                fmt::format("'{}' is not an IP address to listen on; give one such as 127.0.0.1", address));
  }
  const tcp::endpoint endpoint(ip, port);
  acceptor_.open(endpoint.protocol(), failed);
  if (!failed) acceptor_.set_option(tcp::acceptor::reuse_address(true), failed);
  if (!failed) acceptor_.bind(endpoint, failed);
  if (failed) refuse(failed);
  port_ = acceptor_.local_endpoint().port();
}

void listener::refuse(const boost::system::error_code& failed) const {
  const std::string advice = failed == asio::error::address_in_use
                                 ? "; another program has that port: stop it, or choose another with --listen"
                                 : "; choose another address with --listen";
  throw error(errc::cannot_connect,
              fmt::format("cannot listen on {}:{}: {}{}", address_, port_, failed.message(), advice));
}

void listener::listen() {
  constexpr int backlog = 4096;
  boost::system::error_code failed;
  acceptor_.listen(backlog, failed);
  if (failed) refuse(failed);
}

void listener::start() {
  accept();
}

void listener::close() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  retry_.cancel();
}

void listener::accept() {
  worker& to = **std::min_element(workers_.begin(), workers_.end(),
                                  [](const worker* a, const worker* b) { return a->load() < b->load(); });
  acceptor_.async_accept(to.runs_on().context(),
                         [this, &to](const boost::system::error_code& failed, tcp::socket socket) {
                           if (failed == asio::error::operation_aborted || !acceptor_.is_open()) return;
                           if (failed && failed != asio::error::connection_aborted)
                             return pause(failed.message());
                           if (!failed) accepted(to, std::move(socket));
                           accept();
                         });
}

void listener::accepted(worker& to, tcp::socket socket) {
  // Those beyond the limit are told why; beyond a few more of them there is no time for that.
  constexpr std::size_t told_max = 256;
  const std::size_t open =
      std::accumulate(workers_.begin(), workers_.end(), std::size_t{0},
                      [](std::size_t sum, const worker* one) { return sum + one->load(); });
  if (open < connections_max_) return to.adopt(std::move(socket), nullptr);
  connection_noise().log("a connection was refused: all {} are in use (connections_max)", connections_max_);
  if (open >= connections_max_ + told_max) return;
  to.adopt(std::move(socket),
           std::make_shared<const failure>(
               errc::overloaded,
               fmt::format("the broker has its {} connections (connections_max); try again later",
                           connections_max_)));
}

void listener::pause(const std::string& why) {
  connection_noise().log("cannot accept a connection: {}; trying again shortly", why);
  retry_.expires_after(std::chrono::milliseconds(100));
  retry_.async_wait([this](const boost::system::error_code& cancelled) {
    if (!cancelled && acceptor_.is_open()) accept();
  });
}

}  // namespace skald::server
