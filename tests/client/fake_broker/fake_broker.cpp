#include "tests/client/fake_broker/fake_broker.hpp"

#include "tests/client/fake_broker/fake_session.hpp"

namespace skald::test {

using boost::asio::ip::tcp;

fake_broker::fake_broker(boost::asio::io_context& io) : io_(io) {
  start();
}

fake_broker::~fake_broker() {
  stop();
}

void fake_broker::start() {
  acceptor_ = std::make_unique<tcp::acceptor>(io_);
  const tcp::endpoint where(boost::asio::ip::address_v4::loopback(), port_);
  acceptor_->open(where.protocol());
  acceptor_->set_option(tcp::acceptor::reuse_address(true));
  acceptor_->bind(where);
  acceptor_->listen();
  port_ = acceptor_->local_endpoint().port();
  accept();
}

void fake_broker::stop() {
  acceptor_.reset();
  cut_connections();
}

void fake_broker::cut_connections() {
  for (const auto& session : sessions_) session->close();
  sessions_.clear();
}

void fake_broker::accept() {
  acceptor_->async_accept([this](const boost::system::error_code& code, tcp::socket socket) {
    if (code) return;
    ++connections;
    sessions_.push_back(std::make_shared<fake_session>(*this, std::move(socket)));
    sessions_.back()->start();
    accept();
  });
}

fake_topic& fake_broker::add_topic(const std::string& name, std::uint32_t partitions) {
  fake_topic topic;
  topic.id = topic_id(next_topic_++);
  topic.settings = {.partitions = partitions,
                    .retention_bytes = unlimited,
                    .retention_ms = unlimited,
                    .bytes_max = unlimited,
                    .record_bytes_max = 1u << 20,
                    .batch_bytes_max = 4u << 20};
  topic.partitions.resize(partitions);
  return topics[name] = std::move(topic);
}

void fake_broker::delete_topic(const std::string& name) {
  const topic_id deleted = topics.at(name).id;
  topics.erase(name);
  for (const auto& session : sessions_) session->end_subscriptions(name, deleted);
}

fake_topic* fake_broker::find_topic(topic_id id) {
  for (auto& [name, topic] : topics)
    if (topic.id == id) return &topic;
  return nullptr;
}

void fake_broker::wake_subscriptions() {
  for (const auto& session : sessions_) session->deliver();
}

}  // namespace skald::test
