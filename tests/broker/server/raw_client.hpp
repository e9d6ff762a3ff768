// A client that is nothing but a blocking socket, so that tests can misbehave on it. Every wait has a
// deadline.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/wire.hpp"
#include "tests/broker/server/scene.hpp"

namespace skald::server::test {

class raw_client {
 public:
  explicit raw_client(std::uint16_t port, int receive_buffer_bytes = 0) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(socket_ >= 0);
    if (receive_buffer_bytes > 0) {
      ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
    }
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
  }
  raw_client(raw_client&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), received_(std::move(other.received_)) {}
  raw_client& operator=(raw_client&&) = delete;
  ~raw_client() { close(); }

  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }

  int descriptor() const { return socket_; }

  // False when the broker has closed the connection.
  bool send_bytes(std::span<const std::byte> rest) {
    while (!rest.empty()) {
      const ssize_t sent = ::send(socket_, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      rest = rest.subspan(static_cast<std::size_t>(sent));
    }
    return true;
  }
  template <class Build>
  bytes frame(std::uint64_t id, Build build, const bytes& payload = {}) {
    auto& builder = writer_.begin();
    const auto body = build(builder);
    const auto front = writer_.finish(id, body, payload.size());
    bytes all(front.begin(), front.end());
    all.insert(all.end(), payload.begin(), payload.end());
    return all;
  }
  template <class Build>
  bool send(std::uint64_t id, Build build, const bytes& payload = {}) {
    return send_bytes(frame(id, std::move(build), payload));
  }

  // The next frame; nothing when the broker has closed the connection.
  std::optional<reply> receive(std::chrono::milliseconds patience = std::chrono::seconds(60)) {
    const auto deadline = steady::now() + patience;
    for (;;) {
      const auto progress = protocol::parse_frame(received_, {1u << 30, 1u << 26});
      REQUIRE(progress.has_value());
      if (progress->complete()) return take(progress->frame);
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - steady::now());
      pollfd readable{socket_, POLLIN, 0};
      REQUIRE(::poll(&readable, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0))) > 0);
      const std::size_t had = received_.size();
      received_.resize(had + (256u << 10));
      const ssize_t got = ::recv(socket_, received_.data() + had, received_.size() - had, 0);
      received_.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
      if (got <= 0) return std::nullopt;
    }
  }
  // The answer to this request; what is pushed meanwhile is dropped.
  reply answer(std::uint64_t id) {
    for (;;) {
      auto next = receive();
      REQUIRE(next.has_value());
      if (next->id() == id) return std::move(*next);
    }
  }
  template <class Build>
  reply ask(std::uint64_t id, Build build, const bytes& payload = {}) {
    REQUIRE(send(id, std::move(build), payload));
    return answer(id);
  }
  // The reason that the broker gives before it closes the connection.
  errc reason() {
    errc why = errc::ok;
    while (auto next = receive()) {
      if (next->closing() != errc::ok) why = next->closing();
    }
    return why;
  }

  raw_client& greet() {
    const reply is = ask(1, [](auto& b) { return wire::CreateHello(b, 1, 1, b.CreateString("raw")); });
    REQUIRE(is.type() == wire::Body::HelloOk);
    return *this;
  }
  void create(const std::string& name, std::uint32_t partitions = 1) {
    const reply is = ask(2, [&](auto& b) {
      const auto text = b.CreateString(name);
      return wire::CreateCreateTopic(b, text, wire::CreateTopicSettings(b, partitions));
    });
    REQUIRE(is.type() == wire::Body::Ok);
  }
  bytes publish_frame(std::uint64_t id, const std::string& topic, std::uint32_t partition,
                      const bytes& batch) {
    return frame(
        id,
        [&](auto& b) {
          const auto append = wire::CreateAppend(b, b.CreateString(topic), partition,
                                                 static_cast<std::uint32_t>(batch.size()));
          return wire::CreatePublish(b, b.CreateVector(std::vector{append}));
        },
        batch);
  }
  bool send_publish(std::uint64_t id, const std::string& topic, std::uint32_t partition, const bytes& batch) {
    return send_bytes(publish_frame(id, topic, partition, batch));
  }
  // The offset that a publish got.
  std::int64_t publish(const std::string& topic, const bytes& batch) {
    REQUIRE(send_publish(3, topic, 0, batch));
    const reply is = answer(3);
    REQUIRE(is.type() == wire::Body::PublishOk);
    return is.frame().body_as_PublishOk()->appended()->Get(0)->base_offset();
  }
  void subscribe(const std::string& topic, std::uint64_t credit) {
    const reply is = ask(4, [&](auto& b) {
      return wire::CreateSubscribe(b, 8, b.CreateString(topic), 0, wire::Start::earliest, 0, credit, 0);
    });
    REQUIRE(is.type() == wire::Body::SubscribeOk);
  }
  // The next `count` record values delivered.
  std::vector<std::string> values(std::size_t count) {
    std::vector<std::string> all;
    while (all.size() < count) {
      auto next = receive();
      REQUIRE(next.has_value());
      std::vector<reply> one;
      one.push_back(std::move(*next));
      for (const received& got : deliveries_in(one)) {
        for (const auto& [at, value] : got.records) all.push_back(value);
      }
    }
    return all;
  }

 private:
  reply take(const protocol::frame_view& frame) {
    reply one;
    one.header_bytes = frame.header.size();
    one.storage.resize(frame.header.size() / 8 + 1);
    std::memcpy(one.storage.data(), frame.header.data(), frame.header.size());
    one.payload.assign(frame.payload.begin(), frame.payload.end());
    received_.erase(received_.begin(), received_.begin() + static_cast<std::ptrdiff_t>(frame.size()));
    return one;
  }

  int socket_ = -1;
  bytes received_;
  protocol::frame_writer writer_;
};

}  // namespace skald::server::test
