// Mosquitto, through libmosquitto, with QoS 1. It has no log: a session that is kept while its client is away
// gets what was published meanwhile, which is as near as MQTT comes.
#include <mosquitto.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "bench/compare/peer.hpp"
#include "bench/compare/server.hpp"
#include "bench/limit/loopback.hpp"

namespace skald::bench::compare {
namespace {

constexpr const char* topic = "log";
constexpr int qos = 1;
constexpr int in_flight_max = 65'535;  // MQTT numbers what is in flight with 16 bits
constexpr int keep_alive_s = 60;
constexpr int wait_ms = 10;
constexpr std::size_t looks_every = 32;  // publishes between two looks for acknowledgements

void check(int code, const char* what) {
  if (code != MOSQ_ERR_SUCCESS)
    throw std::runtime_error(std::string("mosquitto: ") + what + ": " + mosquitto_strerror(code));
}

// The library, once.
void initialize() {
  static const int once = mosquitto_lib_init();
  check(once, "initialize");
}

class session {
 public:
  session(const char* id, bool clean) : session_((initialize(), mosquitto_new(id, clean, this))) {
    if (session_ == nullptr) throw std::runtime_error("mosquitto: no session");
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
    mosquitto_message_callback_set(session_, [](mosquitto*, void* self, const mosquitto_message* message) {
      const auto* const is = static_cast<session*>(self);
      ++static_cast<session*>(self)->received_;
      (*is->into_)(
          {static_cast<const char*>(message->payload), static_cast<std::size_t>(message->payloadlen)});
    });
  }
  ~session() {
    mosquitto_disconnect(session_);
    mosquitto_destroy(session_);
  }
  session(const session&) = delete;
  session& operator=(const session&) = delete;

  void connect(std::uint16_t port) {
    check(mosquitto_connect(session_, "127.0.0.1", port, keep_alive_s), "connect");
    while (!connected_) turn(wait_ms);
  }
  void subscribe() {
    check(mosquitto_subscribe(session_, nullptr, topic, qos), "subscribe");
    while (!subscribed_) turn(wait_ms);
  }
  void publish(std::string_view record) {
    check(mosquitto_publish(session_, nullptr, topic, static_cast<int>(record.size()), record.data(), qos,
                            false),
          "publish");
  }
  // Input, output and callbacks; waits so long for input.
  void turn(int wait) { check(mosquitto_loop(session_, wait, 1), "connection"); }

  std::uint64_t acknowledged() const { return acknowledged_; }
  std::uint64_t received() const { return received_; }
  void deliver(const sink* into) { into_ = into; }

 private:
  mosquitto* session_;
  bool connected_ = false;
  bool subscribed_ = false;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t received_ = 0;
  const sink* into_ = nullptr;
};

class mosquitto_writer final : public writer {
 public:
  mosquitto_writer(std::uint16_t port, const in_flight& most) : to_(nullptr, true), in_flight_(most.records) {
    to_.connect(port);
  }
  void write(std::string_view record) override {
    to_.publish(record);
    if (++sent_ % looks_every == 0) to_.turn(0);
    while (sent_ - to_.acknowledged() >= in_flight_) to_.turn(wait_ms);
  }
  void finish() override {
    while (to_.acknowledged() < sent_) to_.turn(wait_ms);
  }

 private:
  session to_;
  std::size_t in_flight_;
  std::uint64_t sent_ = 0;
};

constexpr const char* reader_id = "reader";

class mosquitto_reader final : public reader {
 public:
  // Messages of a kept session come with the connection, before anybody has asked.
  explicit mosquitto_reader(std::uint16_t port) : from_(reader_id, false), port_(port) {}
  bool read(const sink& into, milliseconds patience) override {
    from_.deliver(&into);
    if (!connected_) from_.connect(port_);
    connected_ = true;
    const std::uint64_t before = std::exchange(seen_, from_.received());
    if (seen_ != before) return true;
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (from_.received() == seen_) {
      if (std::chrono::steady_clock::now() >= deadline) return false;
      from_.turn(wait_ms);
    }
    seen_ = from_.received();
    return true;
  }

 private:
  session from_;
  std::uint16_t port_;
  bool connected_ = false;
  std::uint64_t seen_ = 0;
};

std::optional<std::filesystem::path> program() {
  return find_program("SKALD_COMPARE_MOSQUITTO", "mosquitto");
}

class mosquitto_peer final : public peer {
 public:
  explicit mosquitto_peer(const std::filesystem::path& directory)
      : port_(limit::free_port()),
        server_({program()->string(), "-c", write_settings("mosquitto.conf", directory, port_).string()}, {},
                directory) {
    server_.wait_for(port_);
    session kept(reader_id, false);
    kept.connect(port_);
    kept.subscribe();
  }
  std::unique_ptr<writer> open_writer(const in_flight& most) override {
    return std::make_unique<mosquitto_writer>(port_, most);
  }
  std::unique_ptr<reader> open_reader() override { return std::make_unique<mosquitto_reader>(port_); }

 private:
  std::uint16_t port_;
  server server_;
};

}  // namespace

std::vector<candidate> mosquitto_candidates() {
  return {{.broker = "mosquitto",
           .setting = "default",
           .acknowledges = durability::memory,
           .settings_file = "mosquitto.conf",
           .missing = []() -> std::optional<std::string> {
             if (program()) return std::nullopt;
             return "install mosquitto, or name one with SKALD_COMPARE_MOSQUITTO";
           },
           .start =
               [](const std::filesystem::path& directory) {
                 return std::make_unique<mosquitto_peer>(directory);
               }}};
}

}  // namespace skald::bench::compare
