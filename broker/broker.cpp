#include "skald/broker.hpp"

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <string>
#include <utility>

#include "broker/server/server.hpp"
#include "skald/protocol/error.hpp"

namespace skald {

namespace {

// As small as the daemon allows: a segment has to hold the largest batch of any topic.
constexpr std::uint64_t segment_bytes_min = 8u << 20;

server::server_settings settings_from(broker_options options) {
  if (options.segment_bytes < segment_bytes_min)
    throw error(errc::invalid_settings, "segment_bytes is " + std::to_string(options.segment_bytes) +
                                            "; it has to be a multiple of 4096 from 8 MiB to 2 GiB");
  boost::system::error_code bad;
  const auto listen = boost::asio::ip::make_address(options.listen_address, bad);
  if (!bad && !listen.is_loopback() && !options.allow_insecure)
    throw error(errc::invalid_settings,
                "listen_address is " + options.listen_address +
                    ", which other machines can reach, and there is no authentication "
                    "yet; set allow_insecure if that is what you want");
  server::server_settings is;
  is.data_directory = std::move(options.data_directory);
  is.listen_address = std::move(options.listen_address);
  is.port = options.port;
  is.threads = options.threads;
  is.shard.journal.segment_bytes = options.segment_bytes;
  is.memory_bytes_max = options.memory_bytes_max;
  is.connections_max = options.connections_max;
  return is;
}

}  // namespace

struct broker::impl {
  explicit impl(broker_options options) : running(settings_from(std::move(options))) {}
  server::server running;
  std::uint16_t port = 0;
};

broker::broker(broker_options options) : impl_(std::make_unique<impl>(std::move(options))) {}

broker::~broker() {
  stop();
}

void broker::start() {
  impl_->port = impl_->running.start().port;
}

void broker::stop() {
  constexpr std::chrono::seconds patience{10};
  impl_->running.stop(patience);
}

std::uint16_t broker::port() const {
  return impl_->port;
}

}  // namespace skald
