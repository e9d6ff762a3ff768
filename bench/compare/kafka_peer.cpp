// Apache Kafka, through librdkafka: a producer that is idempotent and waits for all replicas, and a consumer
// of the topic's partition without a group, which reads from where it says itself.
#include <librdkafka/rdkafka.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <stdexcept>
#include <thread>
#include <utility>

#include "bench/compare/peer.hpp"
#include "bench/compare/server.hpp"
#include "bench/limit/loopback.hpp"
#include "bench/limit/process.hpp"

namespace skald::bench::compare {
namespace {

using clock = std::chrono::steady_clock;

constexpr const char* log_topic = "log";
constexpr const char* ready_topic = "ready";  // see kafka_writer
constexpr std::int32_t partition = 0;
constexpr const char* message_bytes_max = "2097152";  // as in the server's settings
constexpr milliseconds ready_max{60'000};
constexpr milliseconds answer_max{5'000};
constexpr milliseconds between_tries{50};
constexpr milliseconds between_looks{1'000};  // at the time
constexpr milliseconds acknowledgements_max{60'000};

int count_of(milliseconds time) {
  return static_cast<int>(time.count());
}

[[noreturn]] void fail(const char* what, const std::string& why) {
  throw std::runtime_error(std::string("kafka: ") + what + ": " + why);
}
void check(rd_kafka_resp_err_t status, const char* what) {
  if (status != RD_KAFKA_RESP_ERR_NO_ERROR) fail(what, rd_kafka_err2str(status));
}

template <auto Release>
struct release {
  template <class Handle>
  void operator()(Handle* one) const {
    Release(one);
  }
};
using client_handle = std::unique_ptr<rd_kafka_t, release<rd_kafka_destroy>>;
using topic_handle = std::unique_ptr<rd_kafka_topic_t, release<rd_kafka_topic_destroy>>;
using queue_handle = std::unique_ptr<rd_kafka_queue_t, release<rd_kafka_queue_destroy>>;
using event_handle = std::unique_ptr<rd_kafka_event_t, release<rd_kafka_event_destroy>>;
using message_handle = std::unique_ptr<rd_kafka_message_t, release<rd_kafka_message_destroy>>;

// ---- clients ---------------------------------------------------------------------------------------------

class configuration {
 public:
  explicit configuration(std::uint16_t port) {
    set("bootstrap.servers", "127.0.0.1:" + std::to_string(port));
    // Small requests wait for the answer to the one before otherwise.
    set("socket.nagle.disable", "true");
    // What goes wrong is thrown; the rest is about connections that it makes again by itself.
    set("log_level", "2");
  }
  ~configuration() {
    if (handle_ != nullptr) rd_kafka_conf_destroy(handle_);
  }
  configuration(const configuration&) = delete;
  configuration& operator=(const configuration&) = delete;

  void set(const char* name, const std::string& value) {
    std::array<char, 256> why{};
    if (rd_kafka_conf_set(handle_, name, value.c_str(), why.data(), why.size()) != RD_KAFKA_CONF_OK)
      fail(name, why.data());
  }
  using on_acknowledged = void(rd_kafka_t*, const rd_kafka_message_t*, void* opaque);
  void tell_acknowledgements(on_acknowledged* call, void* opaque) {
    rd_kafka_conf_set_opaque(handle_, opaque);
    rd_kafka_conf_set_dr_msg_cb(handle_, call);
  }
  client_handle make(rd_kafka_type_t type) {
    std::array<char, 256> why{};
    client_handle made(rd_kafka_new(type, handle_, why.data(), why.size()));
    if (!made) fail("client", why.data());
    handle_ = nullptr;  // the client's now
    return made;
  }

 private:
  rd_kafka_conf_t* handle_ = rd_kafka_conf_new();
};

topic_handle open_topic(rd_kafka_t* client, const char* name) {
  topic_handle made(rd_kafka_topic_new(client, name, nullptr));
  if (!made) check(rd_kafka_last_error(), "topic");
  return made;
}

class kafka_writer final : public writer {
 public:
  kafka_writer(std::uint16_t port, const in_flight& most) : in_flight_(most.records) {
    configuration with(port);
    // Records are in order and there once, although a batch is sent before the one before is acknowledged.
    with.set("enable.idempotence", "true");
    with.set("acks", "all");
    // The default. A batch goes when it has a megabyte or 10,000 records, and nearly all have.
    with.set("linger.ms", "5");
    with.set("message.max.bytes", message_bytes_max);
    with.tell_acknowledgements(&acknowledged, this);
    client_ = with.make(RD_KAFKA_PRODUCER);
    topic_ = open_topic(client_.get(), log_topic);
    // The client connects, and asks for its producer's id, when it is needed and then by and by. Both are
    // here when another topic has a record.
    const topic_handle ready = open_topic(client_.get(), ready_topic);
    send(ready.get(), "ready");
    finish();
  }

  void write(std::string_view record) override {
    send(topic_.get(), record);
    while (unacknowledged_ >= in_flight_)
      take_acknowledgements([&] { rd_kafka_poll(client_.get(), count_of(between_looks)); });
  }
  void finish() override {
    // Which, unlike polling, sends what lingers.
    while (unacknowledged_ != 0)
      take_acknowledgements([&] { rd_kafka_flush(client_.get(), count_of(between_looks)); });
  }

 private:
  void send(rd_kafka_topic_t* topic, std::string_view record) {
    const int sent = rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY, const_cast<char*>(record.data()),
                                      record.size(), nullptr, 0, nullptr);
    if (sent != 0) check(rd_kafka_last_error(), "publish");
    ++unacknowledged_;
  }
  // Some, by calling what waits for them.
  template <class Wait>
  void take_acknowledgements(Wait wait) {
    const std::size_t before = unacknowledged_;
    for (const auto end = clock::now() + acknowledgements_max; unacknowledged_ == before; wait()) {
      limit::throw_if_interrupted();
      if (clock::now() > end) fail("publish", "no acknowledgements came");
    }
    check(failed_, "publish");
  }
  // Called by what waits for them.
  static void acknowledged(rd_kafka_t*, const rd_kafka_message_t* record, void* self) {
    auto& writer = *static_cast<kafka_writer*>(self);
    --writer.unacknowledged_;
    if (record->err != RD_KAFKA_RESP_ERR_NO_ERROR) writer.failed_ = record->err;
  }

  std::size_t in_flight_;
  std::size_t unacknowledged_ = 0;
  rd_kafka_resp_err_t failed_ = RD_KAFKA_RESP_ERR_NO_ERROR;
  client_handle client_;
  topic_handle topic_;
};

class kafka_reader final : public reader {
 public:
  explicit kafka_reader(std::uint16_t port) {
    configuration with(port);
    // So much that it never stops fetching: newer versions, when their queue was full, go on a second later.
    with.set("queued.min.messages", "10000000");
    with.set("queued.max.messages.kbytes", "1048576");
    client_ = with.make(RD_KAFKA_CONSUMER);
    topic_ = open_topic(client_.get(), log_topic);
    came_.reset(rd_kafka_queue_new(client_.get()));
    // It connects when it has to, and then by and by: let it do so now.
    std::int64_t first = 0;
    std::int64_t end = 0;
    check(rd_kafka_query_watermark_offsets(client_.get(), log_topic, partition, &first, &end,
                                           count_of(ready_max)),
          "connect");
    if (rd_kafka_consume_start_queue(topic_.get(), partition, RD_KAFKA_OFFSET_BEGINNING, came_.get()) != 0)
      check(rd_kafka_last_error(), "consume");
  }
  ~kafka_reader() override { rd_kafka_consume_stop(topic_.get(), partition); }
  kafka_reader(const kafka_reader&) = delete;
  kafka_reader& operator=(const kafka_reader&) = delete;

  bool read(const sink& into, milliseconds patience) override {
    constexpr int at_a_time = 1000;
    for (int count = 0; count < at_a_time; ++count) {
      const int wait_ms = count == 0 ? count_of(patience) : 0;
      const message_handle record(rd_kafka_consume_queue(came_.get(), wait_ms));
      if (!record) return count != 0;
      check(record->err, "consume");
      into({static_cast<const char*>(record->payload), record->len});
    }
    return true;
  }

 private:
  client_handle client_;
  topic_handle topic_;
  queue_handle came_;
};

// ---- the server ------------------------------------------------------------------------------------------

bool has(const std::filesystem::path& installation) {
  return ::access((installation / "bin/kafka-server-start.sh").c_str(), X_OK) == 0 &&
         ::access((installation / "bin/kafka-storage.sh").c_str(), X_OK) == 0;
}

// A directory with bin/ and libs/.
std::optional<std::filesystem::path> installation() {
  for (const char* const variable : {"SKALD_COMPARE_KAFKA", "KAFKA_HOME"}) {
    const char* const chosen = std::getenv(variable);
    if (chosen == nullptr || *chosen == '\0') continue;
    if (has(chosen)) return chosen;
    return std::nullopt;
  }
  const auto start = find_on_path("kafka-server-start.sh");
  if (!start) return std::nullopt;
  std::filesystem::path found = std::filesystem::canonical(*start).parent_path().parent_path();
  if (!has(found)) return std::nullopt;
  return found;
}

// As Kafka's scripts look for it.
bool has_java() {
  const char* const home = std::getenv("JAVA_HOME");
  if (home == nullptr || *home == '\0') return find_on_path("java").has_value();
  return ::access((std::filesystem::path(home) / "bin/java").c_str(), X_OK) == 0;
}

std::optional<std::string> missing() {
  if (!installation())
    return "unpack Kafka 3.3 or newer, and name its directory with SKALD_COMPARE_KAFKA or KAFKA_HOME";
  if (!has_java()) return "Kafka needs Java; install default-jre-headless, or name one with JAVA_HOME";
  return std::nullopt;
}

// Formats the storage, then becomes the server.
std::vector<std::string> command(const std::filesystem::path& settings) {
  constexpr const char* cluster = "c2thbGQtY29tcGFyZS4uLg";  // any 16 bytes
  return {"/bin/sh",
          "-c",
          R"("$1/bin/kafka-storage.sh" format -t "$2" -c "$3" && exec "$1/bin/kafka-server-start.sh" "$3")",
          "sh",
          installation()->string(),
          cluster,
          settings.string()};
}

// Creates a topic of one partition, if it can be now. "": it is there.
std::string try_to_create(rd_kafka_t* client, const char* name) {
  using new_topic = std::unique_ptr<rd_kafka_NewTopic_t, release<rd_kafka_NewTopic_destroy>>;
  using admin_options = std::unique_ptr<rd_kafka_AdminOptions_t, release<rd_kafka_AdminOptions_destroy>>;
  std::array<char, 256> why{};
  const new_topic topic(rd_kafka_NewTopic_new(name, 1, 1, why.data(), why.size()));
  const admin_options options(rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_CREATETOPICS));
  const int time = count_of(answer_max);
  rd_kafka_AdminOptions_set_request_timeout(options.get(), time, why.data(), why.size());
  // Until it can be written to.
  rd_kafka_AdminOptions_set_operation_timeout(options.get(), time, why.data(), why.size());
  const queue_handle answers(rd_kafka_queue_new(client));
  std::array<rd_kafka_NewTopic_t*, 1> topics{topic.get()};
  rd_kafka_CreateTopics(client, topics.data(), topics.size(), options.get(), answers.get());
  const event_handle answer(rd_kafka_queue_poll(answers.get(), 2 * time));
  if (!answer) return "no answer";
  if (rd_kafka_event_error(answer.get()) != RD_KAFKA_RESP_ERR_NO_ERROR)
    return rd_kafka_event_error_string(answer.get());
  std::size_t count = 0;
  const auto* const results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(answer.get()), &count);
  const rd_kafka_resp_err_t status =
      count == 1 ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR__FAIL;
  if (status == RD_KAFKA_RESP_ERR_NO_ERROR || status == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) return {};
  return rd_kafka_err2str(status);
}

// A server that accepts connections may not know its controller yet.
void create_topic(rd_kafka_t* client, const char* name) {
  const auto deadline = clock::now() + ready_max;
  for (;;) {
    limit::throw_if_interrupted();
    const std::string why = try_to_create(client, name);
    if (why.empty()) return;
    if (clock::now() > deadline) fail("create the topic", why);
    std::this_thread::sleep_for(between_tries);
  }
}

class kafka_peer final : public peer {
 public:
  kafka_peer(const std::filesystem::path& directory, const std::string& settings)
      : port_(limit::free_port()),
        server_(command(write_settings(settings, directory, port_, limit::free_port())),
                {"LOG_DIR=" + (directory / "log").string()}, directory) {
    server_.wait_for(port_);
    const client_handle admin = configuration(port_).make(RD_KAFKA_PRODUCER);
    create_topic(admin.get(), ready_topic);
    create_topic(admin.get(), log_topic);
  }
  std::unique_ptr<writer> open_writer(const in_flight& most) override {
    return std::make_unique<kafka_writer>(port_, most);
  }
  std::unique_ptr<reader> open_reader() override { return std::make_unique<kafka_reader>(port_); }

 private:
  std::uint16_t port_;
  server server_;
};

candidate with(const std::string& setting, durability acknowledges, const std::string& settings) {
  return {.broker = "kafka",
          .setting = setting,
          .acknowledges = acknowledges,
          .settings_file = settings,
          .missing = missing,
          .start = [settings](const std::filesystem::path& directory) {
            return std::make_unique<kafka_peer>(directory, settings);
          }};
}

}  // namespace

std::vector<candidate> kafka_candidates() {
  return {with("default", durability::page_cache, "kafka.properties"),
          with("fsync", durability::fsync, "kafka-fsync.properties")};
}

}  // namespace skald::bench::compare
