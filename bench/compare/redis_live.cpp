// Redis, through hiredis. Subscribers wait with XREAD at a stream, or are subscribed to a channel. Requests
// go through channels: a request begins with the name of the one that its caller listens to. Workers are
// consumers of a group.
#include "bench/compare/redis_live.hpp"

#include <poll.h>

#include <deque>
#include <stdexcept>
#include <utility>
#include <vector>

#include "bench/limit/process.hpp"

namespace skald::bench::compare::redis {

connection::connection(std::uint16_t port) : context_(redisConnect("127.0.0.1", port)) {
  if (context_ == nullptr || context_->err != 0) throw std::runtime_error("redis: cannot connect");
}

void connection::fail() const {
  throw std::runtime_error(std::string("redis: ") + context_->errstr);
}

void connection::send(const std::vector<std::string_view>& words) {
  std::vector<const char*> at;
  std::vector<std::size_t> sizes;
  for (const std::string_view each : words) {
    at.push_back(each.data());
    sizes.push_back(each.size());
  }
  send(words.size(), at.data(), sizes.data());
}

void connection::send(std::size_t words, const char** at, const std::size_t* sizes) {
  if (redisAppendCommandArgv(context_, static_cast<int>(words), at, sizes) != REDIS_OK) fail();
}

void connection::flush() {
  for (int done = 0; done == 0;)
    if (redisBufferWrite(context_, &done) != REDIS_OK) fail();
}

reply connection::receive() {
  void* raw = nullptr;
  if (redisGetReply(context_, &raw) != REDIS_OK) fail();
  return checked(raw);
}

void connection::take_input() {
  if (redisBufferRead(context_) != REDIS_OK) fail();
}

reply connection::received() {
  void* raw = nullptr;
  if (redisGetReplyFromReader(context_, &raw) != REDIS_OK) fail();
  return checked(raw);
}

reply connection::checked(void* raw) const {
  reply said(static_cast<redisReply*>(raw));
  if (said && said->type == REDIS_REPLY_ERROR)
    throw std::runtime_error("redis: " + std::string(text_of(*said)));
  return said;
}

std::string key(std::size_t stream) {
  return "log:" + std::to_string(stream);
}

namespace {

// Waits until one of them has input.
bool wait_for_input(std::vector<pollfd>& sockets, milliseconds patience) {
  return limit::checked("poll", [&] {
           return ::poll(sockets.data(), sockets.size(), static_cast<int>(patience.count()));
         }) > 0;
}
pollfd input_of(const connection& of) {
  return {.fd = of.socket(), .events = POLLIN, .revents = 0};
}

void subscribe(connection& to, std::string_view name) {
  to.send<2>({"SUBSCRIBE", name});
  to.receive();
}
// A message of a channel is "message", the channel, and this.
std::string_view message_in(const redisReply& pushed) {
  return text_of(*pushed.element[2]);
}

// Gives the entries of a reply to XREAD or XREADGROUP to `into`, with their ids.
template <class Into>
void for_each_entry(const redisReply& said, Into into) {
  if (said.type != REDIS_REPLY_ARRAY) return;  // nothing came in time
  const redisReply& entries = *said.element[0]->element[1];
  for (std::size_t i = 0; i < entries.elements; ++i) {
    const redisReply& entry = *entries.element[i];  // its id, and its fields and values
    into(text_of(*entry.element[0]), text_of(*entry.element[1]->element[1]));
  }
}

// Many connections and one poll().
class redis_audience : public audience {
 public:
  redis_audience(std::uint16_t port, std::size_t subscribers, delivery_sink into) : into_(std::move(into)) {
    for (std::size_t i = 0; i < subscribers; ++i)
      sockets_.push_back(input_of(connections_.emplace_back(port)));
  }
  void attend(milliseconds patience) override {
    if (!wait_for_input(sockets_, patience)) return;
    for (std::size_t i = 0; i < sockets_.size(); ++i) {
      if (sockets_[i].revents == 0) continue;
      connections_[i].take_input();
      while (const reply said = connections_[i].received()) take(i, *said);
    }
  }

 protected:
  connection& at(std::size_t which) { return connections_[which]; }
  std::size_t size() const { return connections_.size(); }
  void deliver(std::size_t to, std::string_view record) { into_(to, record); }

 private:
  virtual void take(std::size_t which, const redisReply& said) = 0;

  delivery_sink into_;
  std::deque<connection> connections_;
  std::vector<pollfd> sockets_;
};

class channel_audience final : public redis_audience {
 public:
  channel_audience(std::uint16_t port, std::size_t subscribers, delivery_sink into)
      : redis_audience(port, subscribers, std::move(into)) {
    for (std::size_t i = 0; i < size(); ++i) subscribe(at(i), channel);
  }

 private:
  void take(std::size_t which, const redisReply& said) override { deliver(which, message_in(said)); }
};

class stream_audience final : public redis_audience {
 public:
  stream_audience(std::uint16_t port, std::size_t subscribers, delivery_sink into)
      : redis_audience(port, subscribers, std::move(into)), after_(size(), "0-0") {
    for (std::size_t i = 0; i < size(); ++i) ask(i);
  }

 private:
  void ask(std::size_t which) {
    at(which).send<8>({"XREAD", "COUNT", count, "BLOCK", "0", "STREAMS", stream_, after_[which]});
    at(which).flush();
  }
  void take(std::size_t which, const redisReply& said) override {
    for_each_entry(said, [&](std::string_view id, std::string_view record) {
      deliver(which, record);
      after_[which] = id;
    });
    ask(which);
  }

  const std::string stream_ = key(0);
  std::vector<std::string> after_;  // the last that each has seen; the stream is empty at first
};

constexpr const char* requests = "requests";
constexpr std::string_view reply_channel = "replies-1";  // of the only caller

// Who both publishes and is subscribed needs two connections.
class channel_pair {
 public:
  channel_pair(std::uint16_t port, std::string_view listens_at) : to_(port), from_(port) {
    subscribe(from_, listens_at);
    sockets_ = {input_of(from_), input_of(to_)};
  }
  void publish(std::string_view where, std::string_view what) { to_.send<3>({"PUBLISH", where, what}); }
  // Sends what was published, and gives what comes to `into`. False: nothing came in this time.
  template <class Into>
  bool exchange(milliseconds patience, Into into) {
    to_.flush();
    if (!wait_for_input(sockets_, patience)) return false;
    if (sockets_[1].revents != 0) {
      to_.take_input();
      while (to_.received()) continue;  // how many have got it
    }
    if (sockets_[0].revents == 0) return false;
    from_.take_input();
    bool some = false;
    for (; const reply pushed = from_.received(); some = true) into(message_in(*pushed));
    to_.flush();
    return some;
  }

 private:
  connection to_;
  connection from_;
  std::vector<pollfd> sockets_;
};

class redis_caller final : public caller {
 public:
  explicit redis_caller(std::uint16_t port) : pair_(port, reply_channel) {}
  // It leaves with the others when receive() waits.
  void ask(std::string_view request) override {
    request_.assign(reply_channel).append(request);
    pair_.publish(requests, request_);
  }
  bool receive(const sink& replies, milliseconds patience) override {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!pair_.exchange(patience, replies))
      if (std::chrono::steady_clock::now() >= deadline) return false;
    return true;
  }

 private:
  channel_pair pair_;
  std::string request_;
};

class redis_responder final : public responder {
 public:
  explicit redis_responder(std::uint16_t port) : pair_(port, requests) {}
  void serve(milliseconds patience) override {
    pair_.exchange(patience, [this](std::string_view request) {
      pair_.publish(request.substr(0, reply_channel.size()), request.substr(reply_channel.size()));
    });
  }

 private:
  channel_pair pair_;
};

class redis_worker final : public worker {
 public:
  redis_worker(std::uint16_t port, std::size_t which)
      : from_(port), name_("worker-" + std::to_string(which)) {}
  bool read(const sink& into, milliseconds patience) override {
    const std::string wait = std::to_string(patience.count());
    from_.send<11>(
        {"XREADGROUP", "GROUP", group, name_, "COUNT", count, "BLOCK", wait, "STREAMS", stream_, ">"});
    finish();
    const reply said = from_.receive();
    std::vector<std::string_view> acknowledgement{"XACK", stream_, group};
    for_each_entry(*said, [&](std::string_view id, std::string_view record) {
      into(record);
      acknowledgement.push_back(id);
    });
    acknowledged_ = acknowledgement.size() - ids_from;
    if (acknowledged_ == 0) return false;
    from_.send(acknowledgement);  // which leaves with the next question
    return true;
  }
  void finish() override {
    if (std::exchange(acknowledged_, 0) != 0) from_.receive();
  }

 private:
  static constexpr std::size_t ids_from = 3;  // in an XACK

  connection from_;
  std::string name_;
  const std::string stream_ = key(0);
  std::size_t acknowledged_ = 0;  // by a command that was not replied to yet
};

}  // namespace

std::unique_ptr<audience> open_audience(std::uint16_t port, source what, std::size_t subscribers,
                                        delivery_sink into) {
  if (what == source::channel) return std::make_unique<channel_audience>(port, subscribers, std::move(into));
  return std::make_unique<stream_audience>(port, subscribers, std::move(into));
}
std::unique_ptr<caller> open_caller(std::uint16_t port) {
  return std::make_unique<redis_caller>(port);
}
std::unique_ptr<responder> open_responder(std::uint16_t port) {
  return std::make_unique<redis_responder>(port);
}
std::unique_ptr<worker> open_worker(std::uint16_t port, std::size_t which) {
  return std::make_unique<redis_worker>(port, which);
}

}  // namespace skald::bench::compare::redis
