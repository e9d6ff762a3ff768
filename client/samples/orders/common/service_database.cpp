#include "client/samples/orders/common/service_database.hpp"

#include <boost/asio/ip/host_name.hpp>

namespace shop {

namespace {

std::filesystem::path in_its_directory(std::filesystem::path file) {
  if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path());
  return file;
}

}  // namespace

service_database::service_database(const std::filesystem::path& file, const std::string& broker_address)
    : store_(in_its_directory(file)),
      relay_store_(file),
      relay_broker_({.address = broker_address, .client_name = "relay"}),
      relay_(relay_store_, skald::outbox::to_broker(relay_broker_)),
      committer_(store_),
      watched_store_(file),
      // A service that is started again on its database is the same instance.
      health_(relay_broker_, file.stem(), boost::asio::ip::host_name()) {
  store_.create_tables();
  health_.watch(file.filename(), watched_store_);
  committer_.on_commit([this] { relay_.wake(); });
}

service_database::~service_database() {
  health_.stop();
  relay_.stop();
  if (relay_thread_.joinable()) relay_thread_.join();
}

void service_database::start_relay() {
  if (relay_thread_.joinable()) return;
  relay_thread_ = std::thread([this] { relay_.run(); });
  health_.start();
}

}  // namespace shop
