// RabbitMQ, through the AMQP 0.9.1 client librabbitmq, with publisher confirms: a quorum queue of one member,
// and a stream, which an AMQP client consumes like a queue.
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <set>
#include <stdexcept>
#include <utility>

#include "bench/compare/peer.hpp"
#include "bench/compare/server.hpp"
#include "bench/limit/loopback.hpp"

namespace skald::bench::compare {
namespace {

constexpr amqp_channel_t channel = 1;
constexpr int frame_bytes_max = 128 << 10;  // RabbitMQ's default
constexpr std::uint8_t persistent = 2;      // delivery mode
constexpr std::uint16_t prefetch = 2000;    // several of the groups that are acknowledged at a time
constexpr std::uint64_t acknowledged_at_a_time = 500;
constexpr std::size_t looks_every = 64;  // publishes between two looks for confirms
constexpr std::chrono::seconds confirm_max{60};

amqp_bytes_t bytes_of(std::string_view text) {
  return {text.size(), const_cast<char*>(text.data())};
}
const amqp_bytes_t queue = bytes_of("log");
const amqp_bytes_t default_exchange = bytes_of("");

void check(const amqp_rpc_reply_t& said, const char* what) {
  if (said.reply_type == AMQP_RESPONSE_NORMAL) return;
  std::string why = "the server refused";
  if (said.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) why = amqp_error_string2(said.library_error);
  if (said.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && said.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
    const auto* const closed = static_cast<const amqp_channel_close_t*>(said.reply.decoded);
    why.assign(static_cast<const char*>(closed->reply_text.bytes), closed->reply_text.len);
  }
  throw std::runtime_error(std::string("rabbitmq: ") + what + ": " + why);
}
void check(int status, const char* what) {
  if (status != AMQP_STATUS_OK)
    throw std::runtime_error(std::string("rabbitmq: ") + what + ": " + amqp_error_string2(status));
}

timeval time_of(std::chrono::milliseconds time) {
  return {.tv_sec = time.count() / 1000, .tv_usec = (time.count() % 1000) * 1000};
}

amqp_table_entry_t text_argument(const char* name, const char* value) {
  amqp_table_entry_t made{};
  made.key = amqp_cstring_bytes(name);
  made.value.kind = AMQP_FIELD_KIND_UTF8;
  made.value.value.bytes = amqp_cstring_bytes(value);
  return made;
}

class connection {
 public:
  explicit connection(std::uint16_t port) : state_(amqp_new_connection()) {
    try {
      amqp_socket_t* const socket = amqp_tcp_socket_new(state_);
      if (socket == nullptr) throw std::runtime_error("rabbitmq: no socket");
      check(amqp_socket_open(socket, "127.0.0.1", port), "connect");
      check(amqp_login(state_, "/", 0, frame_bytes_max, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest"),
            "log in");
      amqp_channel_open(state_, channel);
      checked("open a channel");
    } catch (const std::exception&) {
      amqp_destroy_connection(state_);
      throw;
    }
  }
  ~connection() {
    amqp_connection_close(state_, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(state_);
  }
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  amqp_connection_state_t state() const { return state_; }
  // Of the call just made.
  void checked(const char* what) const { check(amqp_get_rpc_reply(state_), what); }

 private:
  amqp_connection_state_t state_;
};

class rabbitmq_writer final : public writer {
 public:
  rabbitmq_writer(std::uint16_t port, const in_flight& most) : to_(port), in_flight_(most.records) {
    amqp_confirm_select(to_.state(), channel);
    to_.checked("ask for confirms");
    properties_._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
    properties_.delivery_mode = persistent;
  }
  void write(std::string_view record) override {
    check(amqp_basic_publish(to_.state(), channel, default_exchange, queue, 0, 0, &properties_,
                             bytes_of(record)),
          "publish");
    if (++sent_ % looks_every == 0) take_confirms(std::chrono::milliseconds(0));
    while (unconfirmed() >= in_flight_) wait_for_confirms();
  }
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
      const timeval time = time_of(some ? std::chrono::milliseconds(0) : patience);
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
  amqp_basic_properties_t properties_{};
  std::uint64_t sent_ = 0;
  std::uint64_t through_ = 0;      // all records up to it are confirmed
  std::set<std::uint64_t> early_;  // and these above it
};

class rabbitmq_reader final : public reader {
 public:
  rabbitmq_reader(std::uint16_t port, bool is_stream) : from_(port) {
    amqp_basic_qos(from_.state(), channel, 0, prefetch, 0);
    from_.checked("set the prefetch");
    // Streams begin at the end otherwise; queues refuse what they do not know.
    std::array<amqp_table_entry_t, 1> arguments{text_argument("x-stream-offset", "first")};
    amqp_basic_consume(from_.state(), channel, queue, amqp_empty_bytes, 0, 0, 0,
                       {is_stream ? 1 : 0, arguments.data()});
    from_.checked("consume");
  }
  bool read(const sink& into, milliseconds patience) override {
    const timeval time = time_of(patience);
    amqp_envelope_t envelope;
    const amqp_rpc_reply_t said = amqp_consume_message(from_.state(), &envelope, &time, 0);
    if (said.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION && said.library_error == AMQP_STATUS_TIMEOUT)
      return false;
    check(said, "consume");
    into({static_cast<const char*>(envelope.message.body.bytes), envelope.message.body.len});
    if (++received_ % acknowledged_at_a_time == 0)
      check(amqp_basic_ack(from_.state(), channel, envelope.delivery_tag, 1), "acknowledge");
    amqp_destroy_envelope(&envelope);
    amqp_maybe_release_buffers(from_.state());
    return true;
  }

 private:
  connection from_;
  std::uint64_t received_ = 0;
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
  rabbitmq_peer(const std::filesystem::path& directory, const char* queue_type)
      : is_stream_(std::string_view(queue_type) == "stream"),
        port_(limit::free_port()),
        names_port_(limit::free_port()),
        names_(start_names(directory, names_port_)),
        server_({program()->string()}, environment(directory, port_, names_port_), directory) {
    server_.wait_for(port_);
    const connection to(port_);
    std::array<amqp_table_entry_t, 1> arguments{text_argument("x-queue-type", queue_type)};
    amqp_queue_declare(to.state(), channel, queue, 0, 1, 0, 0, {1, arguments.data()});
    to.checked("declare the queue");
  }
  std::unique_ptr<writer> open_writer(const in_flight& most) override {
    return std::make_unique<rabbitmq_writer>(port_, most);
  }
  std::unique_ptr<reader> open_reader() override {
    return std::make_unique<rabbitmq_reader>(port_, is_stream_);
  }

 private:
  bool is_stream_;
  std::uint16_t port_;
  std::uint16_t names_port_;
  server names_;
  server server_;
};

candidate with(const std::string& setting, durability acknowledges, const char* queue_type) {
  return {.broker = "rabbitmq",
          .setting = setting,
          .acknowledges = acknowledges,
          .settings_file = "rabbitmq.conf",
          .missing = []() -> std::optional<std::string> {
            if (program() && find_program("SKALD_COMPARE_EPMD", "epmd")) return std::nullopt;
            return "install rabbitmq-server, or name one with SKALD_COMPARE_RABBITMQ_SERVER";
          },
          .start =
              [queue_type](const std::filesystem::path& directory) {
                return std::make_unique<rabbitmq_peer>(directory, queue_type);
              }};
}

}  // namespace

std::vector<candidate> rabbitmq_candidates() {
  return {with("quorum", durability::fsync, "quorum"), with("stream", durability::page_cache, "stream")};
}

}  // namespace skald::bench::compare
