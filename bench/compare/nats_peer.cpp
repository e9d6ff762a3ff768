// NATS, through the NATS C client. JetStream: asynchronous publishes with as many pending as may be in
// flight, and an ordered consumer, which has neither acknowledgements nor redelivery. Core NATS: plain
// publishes.
#include <nats/nats.h>

#include <array>
#include <cstdio>
#include <utility>

#include "bench/compare/nats_live.hpp"
#include "bench/compare/peer.hpp"
#include "bench/compare/server.hpp"
#include "bench/limit/loopback.hpp"

namespace skald::bench::compare {
namespace {

using nats::check;
using nats::connection;

class stream_writer final : public writer {
 public:
  stream_writer(const std::string& url, const in_flight& most, nats::sending when, std::size_t streams)
      : to_(url, {.when = when, .unacknowledged_max = static_cast<std::int64_t>(most.records)}) {
    for (std::size_t i = 0; i < streams; ++i) subjects_.push_back(nats::subject(i));
  }
  void write(std::string_view record) override {
    check(js_PublishAsync(to_.stream(), subjects_[next_].c_str(), record.data(),
                          static_cast<int>(record.size()), nullptr),
          "publish");
    if (++next_ == subjects_.size()) next_ = 0;
  }
  void finish() override {
    jsPubOptions with;
    jsPubOptions_Init(&with);
    with.MaxWait = nats::finish_max_ms;
    check(js_PublishAsyncComplete(to_.stream(), &with), "acknowledgements");
  }

 private:
  connection to_;
  std::vector<std::string> subjects_;
  std::size_t next_ = 0;
};

// Nothing is acknowledged; finish() only knows that the server has seen it.
class core_writer final : public writer {
 public:
  explicit core_writer(const std::string& url) : to_(url), subject_(nats::subject(0)) {}
  void write(std::string_view record) override {
    check(natsConnection_Publish(to_.get(), subject_.c_str(), record.data(), static_cast<int>(record.size())),
          "publish");
  }
  void finish() override { to_.flush(); }

 private:
  connection to_;
  std::string subject_;
};

class nats_reader final : public reader {
 public:
  explicit nats_reader(const std::string& url) : from_(url) {
    jsSubOptions with;
    jsSubOptions_Init(&with);
    with.Ordered = true;
    check(js_SubscribeSync(&subscription_, from_.stream(), nats::subject(0).c_str(), nullptr, &with, nullptr),
          "subscribe");
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
  nats_peer(const std::filesystem::path& directory, const std::string& settings, nats::source what)
      : what_(what),
        port_(limit::free_port()),
        server_({program()->string(), "-c", write_settings(settings, directory, port_).string()}, {},
                directory) {
    server_.wait_for(port_);
  }
  void prepare(const purpose& is) override {
    purpose_ = is;
    if (what_ == nats::source::core) return;
    const connection to(url());
    for (std::size_t i = 0; i < is.streams(); ++i) create_stream(to, i);
    if (is.what == workload::queue) create_queue(to);
  }
  std::unique_ptr<writer> open_writer(const in_flight& most) override {
    if (what_ == nats::source::core) return std::make_unique<core_writer>(url());
    return std::make_unique<stream_writer>(url(), most, when(), purpose_.streams());
  }
  std::unique_ptr<reader> open_reader() override { return std::make_unique<nats_reader>(url()); }
  std::unique_ptr<audience> open_audience(std::size_t subscribers, delivery_sink into) override {
    return nats::open_audience(url(), what_, subscribers, std::move(into));
  }
  std::unique_ptr<caller> open_caller() override { return nats::open_caller(url(), when()); }
  std::unique_ptr<responder> open_responder() override { return nats::open_responder(url(), when()); }
  std::unique_ptr<worker> open_worker(std::size_t) override { return nats::open_worker(url()); }
  std::uint64_t count_stored() override {
    const connection at(url());
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < purpose_.streams(); ++i) {
      jsStreamInfo* is = nullptr;
      check(js_GetStreamInfo(&is, at.stream(), nats::stream_name(i).c_str(), nullptr, nullptr),
            "information");
      all += is->State.Msgs;
      jsStreamInfo_Destroy(is);
    }
    return all;
  }

 private:
  std::string url() const { return "nats://127.0.0.1:" + std::to_string(port_); }

  // What gathers is cheaper to send, and later.
  nats::sending when() const {
    const bool one_by_one = purpose_.what == workload::request && purpose_.count == 1;
    return purpose_.what == workload::latency || one_by_one ? nats::sending::at_once
                                                            : nats::sending::together;
  }

  static void create_stream(const connection& to, std::size_t number) {
    const std::string name = nats::stream_name(number);
    const std::string subject = nats::subject(number);
    std::array<const char*, 1> subjects{subject.c_str()};
    jsStreamConfig with;
    jsStreamConfig_Init(&with);
    with.Name = name.c_str();
    with.Subjects = subjects.data();
    with.SubjectsLen = subjects.size();
    with.Storage = js_FileStorage;
    check(js_AddStream(nullptr, to.stream(), &with, nullptr, nullptr), "create the stream");
  }

  // As many unacknowledged as all workers together may hold; by default it would be 1000.
  void create_queue(const connection& to) const {
    jsConsumerConfig with;
    jsConsumerConfig_Init(&with);
    with.Durable = nats::queue;
    with.AckPolicy = js_AckExplicit;
    with.MaxAckPending = static_cast<std::int64_t>(jobs_ahead_max * purpose_.count);
    check(js_AddConsumer(nullptr, to.stream(), nats::stream_name(0).c_str(), &with, nullptr, nullptr),
          "create the consumer");
  }

  nats::source what_;
  std::uint16_t port_;
  server server_;
  purpose purpose_;
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

candidate with(const std::string& setting, durability acknowledges, const std::string& settings,
               nats::source what, inabilities cannot) {
  return {.broker = "nats",
          .setting = setting,
          .acknowledges = acknowledges,
          .settings_file = settings,
          .missing = [acknowledges] { return missing(acknowledges == durability::fsync); },
          .start =
              [settings, what](const std::filesystem::path& directory) {
                return std::make_unique<nats_peer>(directory, settings, what);
              },
          .cannot = std::move(cannot)};
}

candidate of_jetstream(const std::string& setting, durability acknowledges, const std::string& settings) {
  return with(setting, acknowledges, settings, nats::source::jetstream,
              {{workload::request, "requests do not go through JetStream: see nats/core"}});
}

}  // namespace

std::vector<candidate> nats_candidates() {
  return {of_jetstream("default", durability::page_cache, "nats.conf"),
          of_jetstream("fsync", durability::fsync, "nats-fsync.conf"),
          with("core", durability::nothing, "nats.conf", nats::source::core,
               all_but({workload::request, workload::fanout}, "core NATS neither stores nor acknowledges"))};
}

}  // namespace skald::bench::compare
