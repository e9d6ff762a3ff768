// RabbitMQ, through librabbitmq. Subscribers consume a stream, or each an exclusive queue that is bound to an
// exchange of type fanout. Requests use direct reply-to. Workers consume one queue.
#include "bench/compare/rabbitmq_live.hpp"

#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <poll.h>

#include <array>
#include <deque>
#include <stdexcept>
#include <utility>
#include <vector>

#include "bench/limit/process.hpp"

namespace skald::bench::compare::rabbitmq {

namespace {

constexpr int frame_bytes_max = 128 << 10;          // RabbitMQ's default
constexpr std::uint16_t prefetch = jobs_ahead_max;  // several of the groups that follow
constexpr std::uint64_t acknowledged_at_a_time = 500;

}  // namespace

void check(const amqp_rpc_reply_t& said, const char* what) {
  if (said.reply_type == AMQP_RESPONSE_NORMAL) return;
  std::string why = "the server refused";
  if (said.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) why = amqp_error_string2(said.library_error);
  if (said.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && said.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
    const auto* const closed = static_cast<const amqp_channel_close_t*>(said.reply.decoded);
    why = text_of(closed->reply_text);
  }
  throw std::runtime_error(std::string("rabbitmq: ") + what + ": " + why);
}
void check(int status, const char* what) {
  if (status != AMQP_STATUS_OK)
    throw std::runtime_error(std::string("rabbitmq: ") + what + ": " + amqp_error_string2(status));
}

amqp_table_entry_t text_argument(const char* name, const char* value) {
  amqp_table_entry_t made{};
  made.key = amqp_cstring_bytes(name);
  made.value.kind = AMQP_FIELD_KIND_UTF8;
  made.value.value.bytes = amqp_cstring_bytes(value);
  return made;
}

std::string queue_name(std::size_t stream) {
  return "log." + std::to_string(stream);
}

connection::connection(std::uint16_t port) : state_(amqp_new_connection()) {
  try {
    amqp_socket_t* const socket = amqp_tcp_socket_new(state_);
    if (socket == nullptr) throw std::runtime_error("rabbitmq: no socket");
    check(amqp_socket_open(socket, "127.0.0.1", port), "connect");
    check(amqp_login(state_, "/", 0, frame_bytes_max, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest"), "log in");
    amqp_channel_open(state_, channel);
    checked("open a channel");
  } catch (const std::exception&) {
    amqp_destroy_connection(state_);
    throw;
  }
}

connection::~connection() {
  amqp_connection_close(state_, AMQP_REPLY_SUCCESS);
  amqp_destroy_connection(state_);
}

void connection::publish(amqp_bytes_t exchange, amqp_bytes_t key, const amqp_basic_properties_t& properties,
                         std::string_view body) const {
  check(amqp_basic_publish(state_, channel, exchange, key, 0, 0, &properties, bytes_of(body)), "publish");
}

consumer::consumer(const connection& from, amqp_bytes_t queue, acknowledging how, kind of)
    : from_(from), how_(how) {
  if (how == acknowledging::in_groups) {
    amqp_basic_qos(from.state(), channel, 0, prefetch, 0);
    from.checked("set the prefetch");
  }
  // Streams begin at the end otherwise; queues refuse what they do not know.
  std::array<amqp_table_entry_t, 1> arguments{text_argument("x-stream-offset", "first")};
  amqp_basic_consume(from.state(), channel, queue, amqp_empty_bytes, 0, how == acknowledging::not_needed, 0,
                     {of == kind::stream ? 1 : 0, arguments.data()});
  from.checked("consume");
}

bool consumer::receive(amqp_envelope_t& envelope, milliseconds patience) {
  const timeval time = time_of(patience);
  const amqp_rpc_reply_t said = amqp_consume_message(from_.state(), &envelope, &time, 0);
  if (said.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION && said.library_error == AMQP_STATUS_TIMEOUT)
    return false;
  check(said, "consume");
  if (how_ == acknowledging::not_needed) return true;
  // The group before; this message is still to be seen.
  if (unsettled_ == acknowledged_at_a_time) settle();
  last_ = envelope.delivery_tag;
  ++unsettled_;
  return true;
}

void consumer::settle() {
  if (std::exchange(unsettled_, 0) != 0)
    check(amqp_basic_ack(from_.state(), channel, last_, 1), "acknowledge");
}

namespace {

constexpr const char* requests = "echo";

// A queue of this connection alone, which goes with it.
std::string declare_own_queue(const connection& at, const char* name) {
  const amqp_queue_declare_ok_t* const made =
      amqp_queue_declare(at.state(), channel, amqp_cstring_bytes(name), 0, 0, 1, 1, amqp_empty_table);
  at.checked("declare a queue");
  return std::string(text_of(made->queue));
}

// Many connections and one poll().
class rabbitmq_audience final : public audience {
 public:
  rabbitmq_audience(std::uint16_t port, kind of, bool own_queues, std::size_t subscribers, delivery_sink into)
      : into_(std::move(into)) {
    for (std::size_t i = 0; i < subscribers; ++i) {
      const connection& from = connections_.emplace_back(port);
      if (own_queues) {
        const std::string queue = declare_own_queue(from, "");
        amqp_queue_bind(from.state(), channel, bytes_of(queue), amqp_cstring_bytes(fanout_exchange),
                        amqp_empty_bytes, amqp_empty_table);
        from.checked("bind a queue");
        consumers_.emplace_back(from, bytes_of(queue), acknowledging::not_needed);
      } else {
        consumers_.emplace_back(from, bytes_of(queue_name(0)), acknowledging::in_groups, of);
      }
      sockets_.push_back({.fd = amqp_get_sockfd(from.state()), .events = POLLIN, .revents = 0});
    }
  }
  void attend(milliseconds patience) override {
    limit::checked(
        "poll", [&] { return ::poll(sockets_.data(), sockets_.size(), static_cast<int>(patience.count())); });
    for (std::size_t i = 0; i < sockets_.size(); ++i) {
      if (sockets_[i].revents == 0) continue;
      const auto deliver = [&](const amqp_envelope_t& came) { into_(i, text_of(came.message.body)); };
      while (consumers_[i].next(milliseconds(0), deliver)) continue;
    }
  }

 private:
  delivery_sink into_;
  std::deque<connection> connections_;
  std::deque<consumer> consumers_;
  std::vector<pollfd> sockets_;
};

const amqp_bytes_t reply_to = amqp_cstring_bytes("amq.rabbitmq.reply-to");  // direct, without a queue

class rabbitmq_caller final : public caller {
 public:
  explicit rabbitmq_caller(std::uint16_t port)
      : at_(port), replies_(at_, reply_to, acknowledging::not_needed) {
    properties_._flags = AMQP_BASIC_REPLY_TO_FLAG;
    properties_.reply_to = reply_to;
  }
  void ask(std::string_view request) override {
    at_.publish(amqp_empty_bytes, amqp_cstring_bytes(requests), properties_, request);
  }
  bool receive(const sink& into, milliseconds patience) override {
    return replies_.next(patience, [&](const amqp_envelope_t& reply) { into(text_of(reply.message.body)); });
  }

 private:
  connection at_;
  consumer replies_;
  amqp_basic_properties_t properties_{};
};

class rabbitmq_responder final : public responder {
 public:
  explicit rabbitmq_responder(std::uint16_t port)
      : at_(port), requests_(at_, bytes_of(declare_own_queue(at_, requests)), acknowledging::not_needed) {}
  void serve(milliseconds patience) override {
    requests_.next(patience, [this](const amqp_envelope_t& request) {
      at_.publish(amqp_empty_bytes, request.message.properties.reply_to, amqp_basic_properties_t{},
                  text_of(request.message.body));
    });
  }

 private:
  connection at_;
  consumer requests_;
};

class rabbitmq_worker final : public worker {
 public:
  rabbitmq_worker(std::uint16_t port, kind of)
      : from_(port), jobs_(from_, bytes_of(queue_name(0)), acknowledging::in_groups, of) {}
  bool read(const sink& into, milliseconds patience) override {
    const auto take = [&](const amqp_envelope_t& job) { into(text_of(job.message.body)); };
    if (!jobs_.next(patience, take)) return jobs_.settle(), false;
    for (std::uint64_t i = 1; i < acknowledged_at_a_time && jobs_.next(milliseconds(0), take); ++i) continue;
    return true;
  }
  void finish() override {
    jobs_.settle();
    // Answered after all that came before on the channel.
    amqp_basic_qos(from_.state(), channel, 0, prefetch, 0);
    from_.checked("acknowledge");
  }

 private:
  connection from_;
  consumer jobs_;
};

}  // namespace

std::unique_ptr<audience> open_audience(std::uint16_t port, kind of, bool own_queues, std::size_t subscribers,
                                        delivery_sink into) {
  return std::make_unique<rabbitmq_audience>(port, of, own_queues, subscribers, std::move(into));
}
std::unique_ptr<caller> open_caller(std::uint16_t port) {
  return std::make_unique<rabbitmq_caller>(port);
}
std::unique_ptr<responder> open_responder(std::uint16_t port) {
  return std::make_unique<rabbitmq_responder>(port);
}
std::unique_ptr<worker> open_worker(std::uint16_t port, kind of) {
  return std::make_unique<rabbitmq_worker>(port, of);
}

}  // namespace skald::bench::compare::rabbitmq
