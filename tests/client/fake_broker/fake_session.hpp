// One connection of a fake broker.
#pragma once

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/client/fake_broker/fake_broker.hpp"

namespace skald::test {

// A partition of a topic.
struct fake_place {
  topic_id topic;
  std::uint32_t partition = 0;
  friend auto operator<=>(const fake_place&, const fake_place&) = default;
};

class fake_session : public std::enable_shared_from_this<fake_session> {
 public:
  fake_session(fake_broker& of, boost::asio::ip::tcp::socket socket)
      : broker_(of), socket_(std::move(socket)) {}
  void start() { read(); }
  void close();
  void deliver();
  void end_subscriptions(const std::string& topic, topic_id deleted);

 private:
  struct subscription {
    std::string topic;
    std::map<fake_place, std::uint64_t> next;
    bool all = false;
    std::int64_t credit = 0;
    std::size_t delivery_bytes_max = 0;
    std::uint32_t seek = 0;
  };

  void read();
  void received();
  void handle(const wire::Frame& frame, std::span<const std::byte> payload);
  void serve(const wire::Frame& frame, std::span<const std::byte> payload);
  template <class Build>
  void answer(std::uint64_t id, Build&& build, std::span<const std::byte> payload = {}) {
    if (mute_) return;
    const auto front = writer_.finish(id, build(writer_.begin()), payload.size());
    std::vector<std::byte> frame(front.begin(), front.end());
    frame.insert(frame.end(), payload.begin(), payload.end());
    out_.push_back(std::move(frame));
    write();
  }
  void refuse(std::uint64_t id, errc code, const std::string& message);
  fake_topic* topic_or_refuse(std::uint64_t id, const flatbuffers::String* name);
  void init_producer(std::uint64_t id, const wire::InitProducer& message);
  bool is_fenced(std::span<const std::byte> batch) const;
  void publish(std::uint64_t id, const wire::Publish& message, std::span<const std::byte> payload);
  void subscribe(std::uint64_t id, const wire::Subscribe& message);
  void seek(std::uint64_t id, const wire::Seek& message);
  void fetch(std::uint64_t id, const wire::Fetch& message);
  void topics(const wire::Frame& frame);
  void reading(const wire::Frame& frame);
  void join_new(std::uint64_t id, subscription& to, const std::string& name, const fake_topic& topic);
  void deliver_from(std::uint64_t id, subscription& to, fake_place place, std::uint64_t& next);
  void write();

  fake_broker& broker_;
  boost::asio::ip::tcp::socket socket_;
  std::vector<std::byte> in_;
  std::array<std::byte, 65536> chunk_;
  std::deque<std::vector<std::byte>> out_;
  bool writing_ = false;
  bool mute_ = false;  // a scripted cut: nothing is said any more
  protocol::header_reader reader_;
  protocol::frame_writer writer_;
  std::map<std::uint64_t, subscription> subscriptions_;
};

std::uint64_t resolve(const fake_partition& partition, wire::Start start, std::int64_t value);

}  // namespace skald::test
