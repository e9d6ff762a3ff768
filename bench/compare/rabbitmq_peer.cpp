// RabbitMQ, through the AMQP 0.9.1 client librabbitmq, with publisher confirms: quorum queues of one member,
// streams, which an AMQP client consumes like queues, and classic queues that are in memory only.
#include <amqp.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <set>
#include <stdexcept>
#include <utility>

#include "bench/compare/peer.hpp"
#include "bench/compare/rabbitmq_live.hpp"
#include "bench/compare/server.hpp"
#include "bench/limit/loopback.hpp"
#include "bench/limit/process.hpp"

namespace skald::bench::compare {
namespace {

using rabbitmq::bytes_of;
using rabbitmq::channel;
using rabbitmq::check;
using rabbitmq::connection;
using rabbitmq::kind;
using rabbitmq::text_argument;

constexpr std::uint8_t persistent = 2;   // delivery mode
constexpr std::size_t looks_every = 64;  // publishes between two looks for confirms
constexpr std::chrono::seconds confirm_max{60};

class rabbitmq_writer final : public writer {
 public:
  // To the exchange, which is "" for queues, with these routing keys in turn.
  rabbitmq_writer(std::uint16_t port, const in_flight& most, bool persists, const char* exchange,
                  std::vector<std::string> keys)
      : to_(port), in_flight_(most.records), exchange_(exchange), keys_(std::move(keys)) {
    amqp_confirm_select(to_.state(), channel);
    to_.checked("ask for confirms");
    if (!persists) return;
    properties_._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
    properties_.delivery_mode = persistent;
  }
  void write(std::string_view record) override {
    to_.publish(amqp_cstring_bytes(exchange_), bytes_of(keys_[next_]), properties_, record);
    if (++next_ == keys_.size()) next_ = 0;
    if (++sent_ % looks_every == 0) take_confirms(std::chrono::milliseconds(0));
    while (unconfirmed() >= in_flight_) wait_for_confirms();
  }
  void poll() override { take_confirms(std::chrono::milliseconds(0)); }
  void finish() override {
    while (unconfirmed() != 0) wait_for_confirms();
  }

 private:
  void wait_for_confirms() {
    if (!take_confirms(confirm_max)) throw std::runtime_error("rabbitmq: no confirms came");
  }

  // Those that are there; waits so long for the first. False: none.
  bool take_confirms(std::chrono::milliseconds patience) {
    bool some = false;
    for (;; some = true) {
      const timeval time = rabbitmq::time_of(some ? std::chrono::milliseconds(0) : patience);
      amqp_frame_t frame;
      const int status = amqp_simple_wait_frame_noblock(to_.state(), &frame, &time);
      if (status == AMQP_STATUS_TIMEOUT) break;
      check(status, "confirms");
      if (frame.frame_type != AMQP_FRAME_METHOD || frame.payload.method.id != AMQP_BASIC_ACK_METHOD)
        throw std::runtime_error("rabbitmq: a publish was refused");
      const auto* const is = static_cast<const amqp_basic_ack_t*>(frame.payload.method.decoded);
      count(*is);
    }
    amqp_maybe_release_buffers(to_.state());
    return some;
  }

  // Confirms may come in any order: one is of a record, or of all up to it.
  void count(const amqp_basic_ack_t& is) {
    if (is.multiple) {
      through_ = std::max<std::uint64_t>(through_, is.delivery_tag);
      early_.erase(early_.begin(), early_.upper_bound(through_));
    } else {
      early_.insert(is.delivery_tag);
    }
    while (!early_.empty() && *early_.begin() == through_ + 1) {
      ++through_;
      early_.erase(early_.begin());
    }
  }
  std::uint64_t unconfirmed() const { return sent_ - through_ - early_.size(); }

  connection to_;
  std::size_t in_flight_;
  const char* exchange_;
  std::vector<std::string> keys_;
  std::size_t next_ = 0;  // key
  amqp_basic_properties_t properties_{};
  std::uint64_t sent_ = 0;
  std::uint64_t through_ = 0;      // all records up to it are confirmed
  std::set<std::uint64_t> early_;  // and these above it
};

class rabbitmq_reader final : public reader {
 public:
  rabbitmq_reader(std::uint16_t port, kind of)
      : from_(port),
        records_(from_, bytes_of(rabbitmq::queue_name(0)), rabbitmq::acknowledging::in_groups, of) {}
  bool read(const sink& into, milliseconds patience) override {
    return records_.next(
        patience, [&](const amqp_envelope_t& record) { into(rabbitmq::text_of(record.message.body)); });
  }

 private:
  connection from_;
  rabbitmq::consumer records_;
};

// RabbitMQ's own script: Debian's on PATH insists on the rabbitmq user.
std::optional<std::filesystem::path> program() {
  const auto chosen = find_program("SKALD_COMPARE_RABBITMQ_SERVER", "rabbitmq-server");
  const std::filesystem::path own = "/usr/lib/rabbitmq/bin/rabbitmq-server";
  return chosen && chosen->parent_path().filename() == "sbin" && std::filesystem::exists(own) ? own : chosen;
}

// Erlang's name server would otherwise be started in the background, and stay.
server start_names(const std::filesystem::path& directory, std::uint16_t port) {
  return server({find_program("SKALD_COMPARE_EPMD", "epmd")->string(), "-port", std::to_string(port),
                 "-address", "127.0.0.1"},
                {}, directory);
}

std::vector<std::string> environment(const std::filesystem::path& directory, std::uint16_t port,
                                     std::uint16_t names_port) {
  const std::string in = directory.string();
  const std::filesystem::path plugins = directory / "enabled_plugins";
  std::ofstream(plugins) << "[].\n";
  return {"HOME=" + in,  // of the cookie by which Erlang's nodes know each other
          "ERL_EPMD_PORT=" + std::to_string(names_port),
          "ERL_EPMD_ADDRESS=127.0.0.1",
          "RABBITMQ_NODENAME=skald-compare-" + std::to_string(port) + "@localhost",
          "RABBITMQ_DIST_PORT=" + std::to_string(limit::free_port()),
          "RABBITMQ_CONFIG_FILE=" + write_settings("rabbitmq.conf", directory, port).string(),
          "RABBITMQ_CONF_ENV_FILE=" + in + "/none",
          "RABBITMQ_ADVANCED_CONFIG_FILE=" + in + "/none",
          "RABBITMQ_ENABLED_PLUGINS_FILE=" + plugins.string(),
          "RABBITMQ_MNESIA_BASE=" + in + "/mnesia",
          "RABBITMQ_LOG_BASE=" + in + "/log",
          "RABBITMQ_PID_FILE=" + in + "/pid"};
}

class rabbitmq_peer final : public peer {
 public:
  rabbitmq_peer(const std::filesystem::path& directory, kind of)
      : kind_(of),
        port_(limit::free_port()),
        names_port_(limit::free_port()),
        names_(start_names(directory, names_port_)),
        server_({program()->string()}, environment(directory, port_, names_port_), directory) {
    server_.wait_for(port_);
  }
  void prepare(const purpose& is) override {
    // Of its own for each subscriber, unless all can read the same.
    own_queues_ = is.what == workload::fanout && kind_ != kind::stream;
    const connection to(port_);
    if (own_queues_) return declare_exchange(to);
    for (std::size_t i = 0; i < is.streams(); ++i) {
      limit::throw_if_interrupted();
      queues_.push_back(rabbitmq::queue_name(i));
      declare_queue(to, queues_.back());
    }
  }
  std::unique_ptr<writer> open_writer(const in_flight& most) override {
    const char* const exchange = own_queues_ ? rabbitmq::fanout_exchange : "";
    return std::make_unique<rabbitmq_writer>(port_, most, kind_ != kind::memory, exchange,
                                             own_queues_ ? std::vector<std::string>(1) : queues_);
  }
  std::unique_ptr<reader> open_reader() override { return std::make_unique<rabbitmq_reader>(port_, kind_); }
  std::unique_ptr<audience> open_audience(std::size_t subscribers, delivery_sink into) override {
    return rabbitmq::open_audience(port_, kind_, own_queues_, subscribers, std::move(into));
  }
  std::unique_ptr<caller> open_caller() override { return rabbitmq::open_caller(port_); }
  std::unique_ptr<responder> open_responder() override { return rabbitmq::open_responder(port_); }
  std::unique_ptr<worker> open_worker(std::size_t) override { return rabbitmq::open_worker(port_, kind_); }
  std::uint64_t count_stored() override {
    const connection at(port_);
    std::uint64_t all = 0;
    for (const std::string& queue : queues_) all += count_in(at, queue);
    return all;
  }

 private:
  static void declare_exchange(const connection& to) {
    amqp_exchange_declare(to.state(), channel, amqp_cstring_bytes(rabbitmq::fanout_exchange),
                          amqp_cstring_bytes("fanout"), 0, 0, 0, 0, amqp_empty_table);
    to.checked("declare the exchange");
  }
  void declare_queue(const connection& to, const std::string& name) const {
    const char* const type = kind_ == kind::quorum ? "quorum" : kind_ == kind::stream ? "stream" : "classic";
    std::array<amqp_table_entry_t, 1> arguments{text_argument("x-queue-type", type)};
    amqp_queue_declare(to.state(), channel, bytes_of(name), 0, kind_ != kind::memory, 0, 0,
                       {1, arguments.data()});
    to.checked("declare a queue");
  }
  static std::uint64_t count_in(const connection& at, const std::string& queue) {
    constexpr amqp_boolean_t passive = 1;
    const amqp_queue_declare_ok_t* const is =
        amqp_queue_declare(at.state(), channel, bytes_of(queue), passive, 0, 0, 0, amqp_empty_table);
    at.checked("count");
    return is->message_count;
  }

  kind kind_;
  std::uint16_t port_;
  std::uint16_t names_port_;
  server names_;
  server server_;
  bool own_queues_ = false;
  std::vector<std::string> queues_;
};

candidate with(const std::string& setting, durability acknowledges, kind of, inabilities cannot) {
  return {.broker = "rabbitmq",
          .setting = setting,
          .acknowledges = acknowledges,
          .settings_file = "rabbitmq.conf",
          .missing = []() -> std::optional<std::string> {
            if (program() && find_program("SKALD_COMPARE_EPMD", "epmd")) return std::nullopt;
            return "install rabbitmq-server, or name one with SKALD_COMPARE_RABBITMQ_SERVER";
          },
          .start =
              [of](const std::filesystem::path& directory) {
                return std::make_unique<rabbitmq_peer>(directory, of);
              },
          .cannot = std::move(cannot)};
}

}  // namespace

std::vector<candidate> rabbitmq_candidates() {
  const std::string in_memory = "requests are not stored: see rabbitmq/memory";
  return {with("quorum", durability::fsync, kind::quorum,
               {{workload::request, in_memory},
                {workload::fanout,
                 "each subscriber would store all of it: see rabbitmq/stream, rabbitmq/memory"}}),
          with("stream", durability::page_cache, kind::stream,
               {{workload::request, in_memory}, {workload::queue, "streams do not share out their records"}}),
          with("memory", durability::memory, kind::memory, {})};
}

}  // namespace skald::bench::compare
