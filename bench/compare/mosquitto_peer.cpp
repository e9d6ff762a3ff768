// Mosquitto, through libmosquitto. It has no log: a session that is kept while its client is away gets what
// was published meanwhile, which is as near as MQTT comes. Streams are topics.
#include <utility>

#include "bench/compare/mosquitto_live.hpp"
#include "bench/compare/peer.hpp"
#include "bench/compare/server.hpp"
#include "bench/limit/loopback.hpp"
#include "bench/limit/process.hpp"

namespace skald::bench::compare {
namespace {

using mqtt::kept_session;
using mqtt::wait_ms;

constexpr std::size_t looks_every = 32;  // publishes between two looks for acknowledgements
constexpr const char* reader_id = "reader";

class mosquitto_writer final : public writer {
 public:
  mosquitto_writer(std::uint16_t port, int qos, const in_flight& most, std::size_t topics)
      : qos_(qos), in_flight_(most.records) {
    for (std::size_t i = 0; i < topics; ++i) topics_.push_back(mqtt::topic(i));
    to_.connect(port);
  }
  void write(std::string_view record) override {
    to_.publish(topics_[next_].c_str(), record, qos_);
    if (++next_ == topics_.size()) next_ = 0;
    if (++sent_ % looks_every == 0) to_.turn(0);
    while (sent_ - to_.acknowledged() >= in_flight_) to_.turn(wait_ms);
  }
  void poll() override { to_.turn(0); }
  void finish() override {
    while (to_.acknowledged() < sent_) to_.turn(wait_ms);
  }

 private:
  mqtt::session to_;
  int qos_;
  std::size_t in_flight_;
  std::vector<std::string> topics_;
  std::size_t next_ = 0;  // topic
  std::uint64_t sent_ = 0;
};

class mosquitto_reader final : public reader {
 public:
  explicit mosquitto_reader(std::uint16_t port) : from_(port, reader_id) {}
  bool read(const sink& into, milliseconds patience) override { return from_.read(into, patience); }

 private:
  kept_session from_;
};

std::optional<std::filesystem::path> program() {
  return find_program("SKALD_COMPARE_MOSQUITTO", "mosquitto");
}

class mosquitto_peer final : public peer {
 public:
  mosquitto_peer(const std::filesystem::path& directory, int qos)
      : qos_(qos),
        port_(limit::free_port()),
        server_({program()->string(), "-c", write_settings("mosquitto.conf", directory, port_).string()}, {},
                directory) {
    server_.wait_for(port_);
  }
  // Who is away must be known before.
  void prepare(const purpose& is) override {
    topics_ = is.streams();
    if (is.what == workload::publish || is.what == workload::streams)
      kept_session::create(port_, reader_id, mqtt::all_topics);
    for (std::size_t i = 0; is.what == workload::queue && i < is.count; ++i)
      kept_session::create(port_, mqtt::worker_id(i).c_str(), mqtt::worker_subscription().c_str());
  }
  std::unique_ptr<writer> open_writer(const in_flight& most) override {
    return std::make_unique<mosquitto_writer>(port_, qos_, most, topics_);
  }
  std::unique_ptr<reader> open_reader() override { return std::make_unique<mosquitto_reader>(port_); }
  std::unique_ptr<audience> open_audience(std::size_t subscribers, delivery_sink into) override {
    return mqtt::open_audience(port_, qos_, subscribers, std::move(into));
  }
  std::unique_ptr<caller> open_caller() override { return mqtt::open_caller(port_); }
  std::unique_ptr<responder> open_responder() override { return mqtt::open_responder(port_); }
  std::unique_ptr<worker> open_worker(std::size_t which) override { return mqtt::open_worker(port_, which); }
  // There is no other way to know than to read them.
  std::uint64_t count_stored() override {
    constexpr milliseconds lull{100};
    if (!counter_) counter_ = open_reader();
    const sink take = [this](std::string_view) { ++counted_; };
    while (counter_->read(take, lull)) limit::throw_if_interrupted();
    return counted_;
  }

 private:
  int qos_;
  std::uint16_t port_;
  server server_;
  std::size_t topics_ = 1;
  std::unique_ptr<reader> counter_;
  std::uint64_t counted_ = 0;
};

candidate with(const std::string& setting, durability acknowledges, int qos, inabilities cannot) {
  return {.broker = "mosquitto",
          .setting = setting,
          .acknowledges = acknowledges,
          .settings_file = "mosquitto.conf",
          .missing = []() -> std::optional<std::string> {
            if (program()) return std::nullopt;
            return "install mosquitto, or name one with SKALD_COMPARE_MOSQUITTO";
          },
          .start =
              [qos](const std::filesystem::path& directory) {
                return std::make_unique<mosquitto_peer>(directory, qos);
              },
          .cannot = std::move(cannot)};
}

}  // namespace

std::vector<candidate> mosquitto_candidates() {
  return {with("default", durability::memory, mqtt::at_least_once,
               {{workload::request, "requests are not acknowledged: see mosquitto/qos0"}}),
          with("qos0", durability::nothing, mqtt::at_most_once,
               all_but({workload::request, workload::fanout}, "QoS 0 neither stores nor acknowledges"))};
}

}  // namespace skald::bench::compare
