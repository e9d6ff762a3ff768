// Apache Kafka, through librdkafka: a producer that is idempotent and waits for all replicas, and a consumer
// of the topic's partition without a group, which reads from where it says itself.
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <utility>

#include "bench/compare/kafka_live.hpp"
#include "bench/compare/peer.hpp"
#include "bench/compare/server.hpp"
#include "bench/limit/loopback.hpp"
#include "bench/limit/process.hpp"

namespace skald::bench::compare {
namespace {

using clock = std::chrono::steady_clock;

constexpr const char* ready_topic = "ready";          // see kafka_writer
constexpr const char* message_bytes_max = "2097152";  // as in the server's settings
constexpr milliseconds between_looks{1'000};          // at the time
constexpr milliseconds acknowledgements_max{60'000};

struct writing {
  std::size_t partitions = 1;
  milliseconds linger{0};
};

class kafka_writer final : public writer {
 public:
  kafka_writer(std::uint16_t port, const in_flight& most, const writing& how)
      : in_flight_(most.records), partitions_(static_cast<std::int32_t>(how.partitions)) {
    kafka::configuration with(port);
    // Records are in order and there once, although a batch is sent before the one before is acknowledged.
    with.set("enable.idempotence", "true");
    with.set("acks", "all");
    with.set("linger.ms", std::to_string(how.linger.count()));
    with.set("message.max.bytes", message_bytes_max);
    with.tell_acknowledgements(&acknowledged, this);
    client_ = with.make(RD_KAFKA_PRODUCER);
    topic_ = kafka::open_topic(client_.get(), kafka::log_topic);
    // The client connects, and asks for its producer's id, when it is needed and then by and by. Both are
    // here when another topic has a record.
    const kafka::topic_handle ready = kafka::open_topic(client_.get(), ready_topic);
    send(ready.get(), 0, "ready");
    finish();
  }

  void write(std::string_view record) override {
    send(topic_.get(), next_, record);
    if (++next_ == partitions_) next_ = 0;
    while (unacknowledged_ >= in_flight_)
      take_acknowledgements([&] { rd_kafka_poll(client_.get(), kafka::count_of(between_looks)); });
  }
  void poll() override { rd_kafka_poll(client_.get(), 0); }
  void finish() override {
    // Which, unlike polling, sends what lingers.
    while (unacknowledged_ != 0)
      take_acknowledgements([&] { rd_kafka_flush(client_.get(), kafka::count_of(between_looks)); });
  }

 private:
  void send(rd_kafka_topic_t* topic, std::int32_t partition, std::string_view record) {
    const int sent = rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY, const_cast<char*>(record.data()),
                                      record.size(), nullptr, 0, nullptr);
    if (sent != 0) kafka::check(rd_kafka_last_error(), "publish");
    ++unacknowledged_;
  }
  // Some, by calling what waits for them.
  template <class Wait>
  void take_acknowledgements(Wait wait) {
    const std::size_t before = unacknowledged_;
    for (const auto end = clock::now() + acknowledgements_max; unacknowledged_ == before; wait()) {
      limit::throw_if_interrupted();
      if (clock::now() > end) kafka::fail("publish", "no acknowledgements came");
    }
    kafka::check(failed_, "publish");
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
  std::int32_t partitions_;
  std::int32_t next_ = 0;  // where the next record goes
  kafka::client_handle client_;
  kafka::topic_handle topic_;
};

class kafka_reader final : public reader {
 public:
  explicit kafka_reader(std::uint16_t port) : from_(port, 0, true) {}
  bool read(const sink& into, milliseconds patience) override { return from_.read(into, patience) != 0; }

 private:
  kafka::subscription from_;
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

class kafka_peer final : public peer {
 public:
  kafka_peer(const std::filesystem::path& directory, const std::string& settings)
      : port_(limit::free_port()),
        server_(command(write_settings(settings, directory, port_, limit::free_port())),
                {"LOG_DIR=" + (directory / "log").string()}, directory) {
    server_.wait_for(port_);
  }
  void prepare(const purpose& is) override {
    purpose_ = is;
    const kafka::client_handle admin = open_admin();
    kafka::create_topic(admin.get(), ready_topic, 1);
    kafka::create_topic(admin.get(), kafka::log_topic, partitions());
    kafka::end_of(admin.get(), static_cast<std::int32_t>(partitions() - 1));  // when there are all
    if (is.what == workload::streams) begin_partitions();
  }
  std::unique_ptr<writer> open_writer(const in_flight& most) override {
    // Five is the default. A batch goes earlier when it has a megabyte or 10,000 records.
    const milliseconds linger(purpose_.what == workload::latency ? 0 : 5);
    return std::make_unique<kafka_writer>(port_, most, writing{partitions(), linger});
  }
  std::unique_ptr<reader> open_reader() override { return std::make_unique<kafka_reader>(port_); }
  std::unique_ptr<audience> open_audience(std::size_t subscribers, delivery_sink into) override {
    return kafka::open_audience(port_, subscribers, std::move(into));
  }
  std::unique_ptr<worker> open_worker(std::size_t which) override { return kafka::open_worker(port_, which); }
  std::uint64_t count_stored() override {
    const kafka::client_handle admin = open_admin();
    std::int64_t all = 0;
    for (std::size_t i = 0; i < partitions(); ++i)
      all += kafka::end_of(admin.get(), static_cast<std::int32_t>(i));
    return static_cast<std::uint64_t>(all) - begun_;
  }

 private:
  kafka::client_handle open_admin() const { return kafka::configuration(port_).make(RD_KAFKA_PRODUCER); }
  // With the first record of each, the server syncs more than once what it notes about it.
  void begin_partitions() {
    const std::unique_ptr<writer> out = open_writer({.records = partitions()});
    for (std::size_t i = 0; i < partitions(); ++i) out->write("begin");
    out->finish();
    begun_ = partitions();
  }
  // Workers share them: each has one of its own.
  std::size_t partitions() const {
    return purpose_.what == workload::queue ? purpose_.count : purpose_.streams();
  }

  std::uint16_t port_;
  server server_;
  purpose purpose_;
  std::size_t begun_ = 0;  // records of those
};

candidate with(const std::string& setting, durability acknowledges, const std::string& settings) {
  return {.broker = "kafka",
          .setting = setting,
          .acknowledges = acknowledges,
          .settings_file = settings,
          .missing = missing,
          .start =
              [settings](const std::filesystem::path& directory) {
                return std::make_unique<kafka_peer>(directory, settings);
              },
          .cannot = {{workload::request, "it has no replies: applications make them of two topics"}}};
}

}  // namespace

std::vector<candidate> kafka_candidates() {
  return {with("default", durability::page_cache, "kafka.properties"),
          with("fsync", durability::fsync, "kafka-fsync.properties")};
}

}  // namespace skald::bench::compare
