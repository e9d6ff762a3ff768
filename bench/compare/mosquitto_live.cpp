// Mosquitto, through libmosquitto. Requests are QoS 0 with a response topic, as MQTT 5 has them. Workers are
// sessions with a shared subscription, kept from before the queue was filled.
#include "bench/compare/mosquitto_live.hpp"

#include <mqtt_protocol.h>
#include <poll.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <stdexcept>
#include <utility>
#include <vector>

#include "bench/limit/process.hpp"

namespace skald::bench::compare::mqtt {
namespace {

constexpr int in_flight_max = 65'535;  // MQTT numbers what is in flight with 16 bits
constexpr int keep_alive_s = 65'535;   // longer than a measurement

// The library, once.
void initialize() {
  static const int once = mosquitto_lib_init();
  check(once, "initialize");
}

}  // namespace

void check(int code, const char* what) {
  if (code != MOSQ_ERR_SUCCESS)
    throw std::runtime_error(std::string("mosquitto: ") + what + ": " + mosquitto_strerror(code));
}

std::string topic(std::size_t stream) {
  return "log/" + std::to_string(stream);
}

session::session(const char* id, keeping what, int version)
    : session_((initialize(), mosquitto_new(id, what == keeping::nothing, this))) {
  if (session_ == nullptr) throw std::runtime_error("mosquitto: no session");
  mosquitto_int_option(session_, MOSQ_OPT_PROTOCOL_VERSION, version);
  mosquitto_int_option(session_, MOSQ_OPT_TCP_NODELAY, 1);
  mosquitto_int_option(session_, MOSQ_OPT_SEND_MAXIMUM, in_flight_max);
  mosquitto_int_option(session_, MOSQ_OPT_RECEIVE_MAXIMUM, in_flight_max);
  mosquitto_connect_callback_set(session_, [](mosquitto*, void* self, int code) {
    static_cast<session*>(self)->connected_ = code == 0;
  });
  mosquitto_subscribe_callback_set(session_, [](mosquitto*, void* self, int, int, const int*) {
    static_cast<session*>(self)->subscribed_ = true;
  });
  mosquitto_publish_callback_set(
      session_, [](mosquitto*, void* self, int) { ++static_cast<session*>(self)->acknowledged_; });
  mosquitto_message_v5_callback_set(session_, [](mosquitto*, void* self, const mosquitto_message* message,
                                                 const mosquitto_property* properties) {
    auto* const is = static_cast<session*>(self);
    ++is->received_;
    is->into_({static_cast<const char*>(message->payload), static_cast<std::size_t>(message->payloadlen)},
              properties);
  });
}

session::~session() {
  mosquitto_disconnect(session_);
  mosquitto_destroy(session_);
}

void session::connect(std::uint16_t port) {
  check(mosquitto_connect(session_, "127.0.0.1", port, keep_alive_s), "connect");
  while (!connected_) turn(wait_ms);
}

void session::subscribe(const char* what, int qos) {
  subscribed_ = false;
  check(mosquitto_subscribe(session_, nullptr, what, qos), "subscribe");
  while (!subscribed_) turn(wait_ms);
}

void session::publish(const char* where, std::string_view payload, int qos,
                      const mosquitto_property* properties) {
  check(mosquitto_publish_v5(session_, nullptr, where, static_cast<int>(payload.size()), payload.data(), qos,
                             false, properties),
        "publish");
}

bool session::wait_for_message(milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (received_ == counted_) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    turn(static_cast<int>(std::min<milliseconds::rep>(patience.count(), wait_ms)));
  }
  counted_ = received_;
  return true;
}

void kept_session::create(std::uint16_t port, const char* id, const char* subscription) {
  session made(id, keeping::session);
  made.connect(port);
  made.subscribe(subscription, at_least_once);
}

bool kept_session::read(const sink& into, milliseconds patience) {
  session_.deliver([&](std::string_view payload, const mosquitto_property*) { into(payload); });
  if (!std::exchange(connected_, true)) session_.connect(port_);
  return session_.wait_for_message(patience);
}

void kept_session::finish() {
  if (!connected_) return;
  session_.deliver([](std::string_view, const mosquitto_property*) {});  // what comes now is too late
  session_.subscribe("none", at_most_once);
}

std::string worker_id(std::size_t which) {
  return "worker-" + std::to_string(which);
}
std::string worker_subscription() {
  return "$share/work/" + topic(0);
}

namespace {

constexpr const char* requests = "echo";
constexpr const char* replies = "replies/1";  // of the only caller

// Many sessions and one poll().
class mosquitto_audience final : public audience {
 public:
  mosquitto_audience(std::uint16_t port, int qos, std::size_t subscribers, delivery_sink into)
      : into_(std::move(into)) {
    for (std::size_t i = 0; i < subscribers; ++i) {
      session& one = sessions_.emplace_back();
      one.deliver([this, i](std::string_view payload, const mosquitto_property*) { into_(i, payload); });
      one.connect(port);
      one.subscribe(topic(0).c_str(), qos);
      sockets_.push_back({.fd = one.socket(), .events = POLLIN, .revents = 0});
    }
  }
  void attend(milliseconds patience) override {
    limit::checked(
        "poll", [&] { return ::poll(sockets_.data(), sockets_.size(), static_cast<int>(patience.count())); });
    for (std::size_t i = 0; i < sockets_.size(); ++i) {
      if (sockets_[i].revents != 0) sessions_[i].take_input();
      sessions_[i].send_output();  // acknowledgements that had no room
    }
  }

 private:
  delivery_sink into_;
  std::deque<session> sessions_;
  std::vector<pollfd> sockets_;
};

class mosquitto_caller final : public caller {
 public:
  explicit mosquitto_caller(std::uint16_t port) : at_(nullptr, keeping::nothing, MQTT_PROTOCOL_V5) {
    check(mosquitto_property_add_string(&properties_, MQTT_PROP_RESPONSE_TOPIC, replies), "response topic");
    at_.connect(port);
    at_.subscribe(replies, at_most_once);
  }
  ~mosquitto_caller() override { mosquitto_property_free_all(&properties_); }
  mosquitto_caller(const mosquitto_caller&) = delete;
  mosquitto_caller& operator=(const mosquitto_caller&) = delete;

  void ask(std::string_view request) override { at_.publish(requests, request, at_most_once, properties_); }
  bool receive(const sink& into, milliseconds patience) override {
    at_.deliver([&](std::string_view payload, const mosquitto_property*) { into(payload); });
    return at_.wait_for_message(patience);
  }

 private:
  session at_;
  mosquitto_property* properties_ = nullptr;
};

class mosquitto_responder final : public responder {
 public:
  explicit mosquitto_responder(std::uint16_t port) : at_(nullptr, keeping::nothing, MQTT_PROTOCOL_V5) {
    at_.deliver([this](std::string_view payload, const mosquitto_property* properties) {
      char* where = nullptr;
      mosquitto_property_read_string(properties, MQTT_PROP_RESPONSE_TOPIC, &where, false);
      if (where != nullptr) to_reply_.emplace_back(where, payload);
      std::free(where);
    });
    at_.connect(port);
    at_.subscribe(requests, at_most_once);
  }
  void serve(milliseconds patience) override {
    at_.wait_for_message(patience);
    // Not in the callback, where what is published waits for the next turn.
    for (const auto& [where, payload] : to_reply_) at_.publish(where.c_str(), payload, at_most_once);
    to_reply_.clear();
  }

 private:
  session at_;
  std::vector<std::pair<std::string, std::string>> to_reply_;  // to which topic, and what
};

class mosquitto_worker final : public worker {
 public:
  mosquitto_worker(std::uint16_t port, std::size_t which) : jobs_(port, worker_id(which).c_str()) {}
  bool read(const sink& into, milliseconds patience) override { return jobs_.read(into, patience); }
  void finish() override { jobs_.finish(); }

 private:
  kept_session jobs_;
};

}  // namespace

std::unique_ptr<audience> open_audience(std::uint16_t port, int qos, std::size_t subscribers,
                                        delivery_sink into) {
  return std::make_unique<mosquitto_audience>(port, qos, subscribers, std::move(into));
}
std::unique_ptr<caller> open_caller(std::uint16_t port) {
  return std::make_unique<mosquitto_caller>(port);
}
std::unique_ptr<responder> open_responder(std::uint16_t port) {
  return std::make_unique<mosquitto_responder>(port);
}
std::unique_ptr<worker> open_worker(std::uint16_t port, std::size_t which) {
  return std::make_unique<mosquitto_worker>(port, which);
}

}  // namespace skald::bench::compare::mqtt
