// A broker in memory that misbehaves on request: on a loopback socket, in the io_context of the test.
//
// It serves what a client needs of the protocol, and asks `script` about every request first. Everything runs
// on one io_context, so that a test is a single thread and deterministic up to the kernel's loopback.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "protocol/wire.hpp"
#include "tests/client/fake_broker/fake_store.hpp"

namespace skald::test {

// What to do with a request.
enum class action {
  serve,
  ignore,      // never answer
  cut_before,  // close the connection instead
  cut_after,   // do it, then close without an answer
};

class fake_session;

class fake_broker {
 public:
  explicit fake_broker(boost::asio::io_context& io);
  ~fake_broker();
  fake_broker(const fake_broker&) = delete;
  fake_broker& operator=(const fake_broker&) = delete;

  // Listens, on the same port as before if it has one.
  void start();
  // Refuses connections and cuts those there are. Topics stay.
  void stop();
  void cut_connections();
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  std::function<action(const wire::Frame&)> script;
  // Decides on an append before the store does; ok: the store decides.
  std::function<errc(const wire::Append&)> refuse_append;

  fake_topic& add_topic(const std::string& name, std::uint32_t partitions = 1);
  void delete_topic(const std::string& name);
  fake_topic* find_topic(topic_id id);
  std::map<std::string, fake_topic> topics;

  std::uint32_t idle_timeout_ms = 30'000;
  std::uint32_t frame_bytes_max = 16u << 20;
  std::uint16_t version = 1;
  // What happened.
  std::size_t connections = 0;  // accepted so far
  std::map<wire::Body, std::size_t> requests;
  std::size_t duplicates = 0;
  std::uint64_t next_producer = 1;
  struct named_producer {
    std::uint64_t id = 0;
    std::uint16_t epoch = 0;
  };
  std::map<std::string, named_producer> producers;  // by name: the newest

  void wake_subscriptions();

 private:
  friend class fake_session;
  void accept();

  boost::asio::io_context& io_;
  std::unique_ptr<boost::asio::ip::tcp::acceptor> acceptor_;
  std::uint16_t port_ = 0;
  std::uint32_t next_topic_ = 1;
  std::vector<std::shared_ptr<fake_session>> sessions_;
};

}  // namespace skald::test
