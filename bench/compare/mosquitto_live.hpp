// Mosquitto's session, and its subscribers, requests and workers; see peer.hpp.
#pragma once

#include <mosquitto.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "bench/compare/peer.hpp"

namespace skald::bench::compare::mqtt {

inline constexpr int wait_ms = 10;
inline constexpr int at_most_once = 0;  // QoS
inline constexpr int at_least_once = 1;

void check(int code, const char* what);

// The topic with this number: "log/0". All of them are "log/#".
std::string topic(std::size_t stream);
inline constexpr const char* all_topics = "log/#";

// What it sees of a message; without properties before version 5 of MQTT.
using message_sink = std::function<void(std::string_view payload, const mosquitto_property* properties)>;

enum class keeping : std::uint8_t { nothing, session };  // while its client is away

// A client with a connection. Those with an id may be kept.
class session {
 public:
  explicit session(const char* id = nullptr, keeping what = keeping::nothing,
                   int version = MQTT_PROTOCOL_V311);
  ~session();
  session(const session&) = delete;
  session& operator=(const session&) = delete;

  void connect(std::uint16_t port);
  // Returns when the broker has confirmed it, and has seen all that was sent before.
  void subscribe(const char* what, int qos);
  void publish(const char* where, std::string_view payload, int qos,
               const mosquitto_property* properties = nullptr);
  // Input, output and callbacks; waits so long for input.
  void turn(int wait) { check(mosquitto_loop(session_, wait, 1), "connection"); }
  // Turns until something has come that was not counted yet; false when nothing did in this time.
  bool wait_for_message(milliseconds patience);

  int socket() const { return mosquitto_socket(session_); }
  void take_input() { check(mosquitto_loop_read(session_, 1), "connection"); }
  void send_output() {
    if (mosquitto_want_write(session_)) check(mosquitto_loop_write(session_, 1), "connection");
  }

  // Of those published: by QoS 0 those that were sent.
  std::uint64_t acknowledged() const { return acknowledged_; }
  void deliver(message_sink into) { into_ = std::move(into); }

 private:
  mosquitto* session_;
  bool connected_ = false;
  bool subscribed_ = false;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t counted_ = 0;  // of these
  message_sink into_;
};

// A session that was subscribed before and is kept: its messages come with the connection.
class kept_session {
 public:
  // Makes it, and leaves.
  static void create(std::uint16_t port, const char* id, const char* subscription);

  kept_session(std::uint16_t port, const char* id) : session_(id, keeping::session), port_(port) {}
  bool read(const sink& into, milliseconds patience);
  // Returns when the broker has seen all acknowledgements.
  void finish();

 private:
  session session_;
  std::uint16_t port_;
  bool connected_ = false;
};

// The kept session of this worker, and what it is subscribed to.
std::string worker_id(std::size_t which);
std::string worker_subscription();

std::unique_ptr<audience> open_audience(std::uint16_t port, int qos, std::size_t subscribers,
                                        delivery_sink into);
std::unique_ptr<caller> open_caller(std::uint16_t port);
std::unique_ptr<responder> open_responder(std::uint16_t port);
std::unique_ptr<worker> open_worker(std::uint16_t port, std::size_t which);

}  // namespace skald::bench::compare::mqtt
