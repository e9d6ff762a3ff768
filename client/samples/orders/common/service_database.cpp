#include "client/samples/orders/common/service_database.hpp"

namespace shop {

namespace {

const std::filesystem::path& in_its_directory(const std::filesystem::path& file) {
  if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path());
  return file;
}

}  // namespace

service_database::service_database(const std::filesystem::path& file, const std::string& broker_address)
    : store_(in_its_directory(file)),
      relay_store_(file),
      relay_broker_({.address = broker_address, .client_name = "relay"}),
      relay_(relay_store_, skald::outbox::to_broker(relay_broker_)),
      committer_(store_) {
  store_.create_tables();
  committer_.on_commit([this] { relay_.wake(); });
}

service_database::~service_database() {
  relay_.stop();
  if (relay_thread_.joinable()) relay_thread_.join();
}

void service_database::start_relay() {
  if (!relay_thread_.joinable()) relay_thread_ = std::thread([this] { relay_.run(); });
}

}  // namespace shop
