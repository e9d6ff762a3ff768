// NATS JetStream, through the NATS C client: asynchronous publishes with as many pending as may be in flight,
// and an ordered consumer, which has neither acknowledgements nor redelivery.
#include <nats/nats.h>

#include <array>
#include <cstdio>
#include <stdexcept>

#include "bench/compare/peer.hpp"
#include "bench/compare/server.hpp"
#include "bench/limit/loopback.hpp"

namespace skald::bench::compare {
namespace {

constexpr const char* subject = "log";
constexpr std::int64_t patience_ms = 60'000;
// For all that are in flight: a server that syncs each of 16,384 records is slow, not dead.
constexpr std::int64_t finish_max_ms = 600'000;

void check(natsStatus status, const char* what) {
  if (status == NATS_OK) return;
  const char* const why = nats_GetLastError(nullptr);
  throw std::runtime_error(std::string("nats: ") + what + ": " + natsStatus_GetText(status) +
                           (why != nullptr ? std::string(": ") + why : ""));
}

class connection {
 public:
  explicit connection(const std::string& url, std::int64_t pending_max = 1) {
    check(natsConnection_ConnectTo(&connection_, url.c_str()), "connect");
    jsOptions with;
    jsOptions_Init(&with);
    with.PublishAsync.MaxPending = pending_max;
    with.PublishAsync.StallWait = patience_ms;
    const natsStatus made = natsConnection_JetStream(&stream_, connection_, &with);
    if (made != NATS_OK) natsConnection_Destroy(connection_);
    check(made, "JetStream");
  }
  ~connection() {
    jsCtx_Destroy(stream_);
    natsConnection_Destroy(connection_);
  }
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  jsCtx* stream() const { return stream_; }

 private:
  natsConnection* connection_ = nullptr;
  jsCtx* stream_ = nullptr;
};

class nats_writer final : public writer {
 public:
  nats_writer(const std::string& url, const in_flight& most)
      : to_(url, static_cast<std::int64_t>(most.records)) {}
  void write(std::string_view record) override {
    check(js_PublishAsync(to_.stream(), subject, record.data(), static_cast<int>(record.size()), nullptr),
          "publish");
  }
  void finish() override {
    jsPubOptions with;
    jsPubOptions_Init(&with);
    with.MaxWait = finish_max_ms;
    check(js_PublishAsyncComplete(to_.stream(), &with), "acknowledgements");
  }

 private:
  connection to_;
};

class nats_reader final : public reader {
 public:
  explicit nats_reader(const std::string& url) : from_(url) {
    jsSubOptions with;
    jsSubOptions_Init(&with);
    with.Ordered = true;
    check(js_SubscribeSync(&subscription_, from_.stream(), subject, nullptr, &with, nullptr), "subscribe");
    check(natsSubscription_SetPendingLimits(subscription_, -1, -1), "limits");
  }
  ~nats_reader() override { natsSubscription_Destroy(subscription_); }
  nats_reader(const nats_reader&) = delete;
  nats_reader& operator=(const nats_reader&) = delete;

  bool read(const sink& into, milliseconds patience) override {
    natsMsg* message = nullptr;
    const natsStatus status = natsSubscription_NextMsg(&message, subscription_, patience.count());
    if (status == NATS_TIMEOUT) return false;
    check(status, "receive");
    into({natsMsg_GetData(message), static_cast<std::size_t>(natsMsg_GetDataLength(message))});
    natsMsg_Destroy(message);
    return true;
  }

 private:
  connection from_;
  natsSubscription* subscription_ = nullptr;
};

std::optional<std::filesystem::path> program() {
  return find_program("SKALD_COMPARE_NATS_SERVER", "nats-server");
}

class nats_peer final : public peer {
 public:
  nats_peer(const std::filesystem::path& directory, const std::string& settings)
      : port_(limit::free_port()),
        server_({program()->string(), "-c", write_settings(settings, directory, port_).string()}, {},
                directory) {
    server_.wait_for(port_);
    const connection to(url());
    jsStreamConfig with;
    jsStreamConfig_Init(&with);
    with.Name = "log";
    std::array<const char*, 1> subjects{subject};
    with.Subjects = subjects.data();
    with.SubjectsLen = subjects.size();
    with.Storage = js_FileStorage;
    check(js_AddStream(nullptr, to.stream(), &with, nullptr, nullptr), "create the stream");
  }
  std::unique_ptr<writer> open_writer(const in_flight& most) override {
    return std::make_unique<nats_writer>(url(), most);
  }
  std::unique_ptr<reader> open_reader() override { return std::make_unique<nats_reader>(url()); }

 private:
  std::string url() const { return "nats://127.0.0.1:" + std::to_string(port_); }

  std::uint16_t port_;
  server server_;
};

// "2.9": of the server that is there; nothing when it does not say.
std::optional<std::pair<int, int>> version() {
  const std::string command = "'" + program()->string() + "' --version";
  FILE* const said = ::popen(command.c_str(), "re");
  if (said == nullptr) return std::nullopt;
  std::pair<int, int> found;
  const int fields = std::fscanf(said, "nats-server: v%d.%d", &found.first, &found.second);
  ::pclose(said);
  if (fields != 2) return std::nullopt;
  return found;
}

std::optional<std::string> missing(bool syncs) {
  if (!program()) return "install nats-server, or name one with SKALD_COMPARE_NATS_SERVER";
  constexpr std::pair<int, int> syncs_from{2, 10};
  if (syncs && version() < syncs_from)
    return "nats-server 2.9 and older cannot sync before they acknowledge; name a newer one with "
           "SKALD_COMPARE_NATS_SERVER";
  return std::nullopt;
}

candidate with(const std::string& setting, durability acknowledges, const std::string& settings) {
  return {.broker = "nats",
          .setting = setting,
          .acknowledges = acknowledges,
          .settings_file = settings,
          .missing = [acknowledges] { return missing(acknowledges == durability::fsync); },
          .start =
              [settings](const std::filesystem::path& directory) {
                return std::make_unique<nats_peer>(directory, settings);
              }};
}

}  // namespace

std::vector<candidate> nats_candidates() {
  return {with("default", durability::page_cache, "nats.conf"),
          with("fsync", durability::fsync, "nats-fsync.conf")};
}

}  // namespace skald::bench::compare
