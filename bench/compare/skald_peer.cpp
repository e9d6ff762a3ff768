// skald, through its client for programs without an event loop: records go into batches of up to a mebibyte,
// and what is unacknowledged is bounded in bytes. Streams are partitions of a topic.
#include <cstdlib>
#include <skald/blocking_client.hpp>
#include <utility>

#include "bench/compare/peer.hpp"
#include "bench/compare/server.hpp"
#include "bench/compare/skald_live.hpp"
#include "bench/limit/loopback.hpp"

namespace skald::bench::compare {
namespace {

class skald_writer final : public writer {
 public:
  skald_writer(const std::string& address, skald::durability how, const in_flight& most,
               std::uint32_t partitions)
      : broker_({.address = address}),
        producer_(broker_, {.durability = how, .buffer_bytes_max = most.bytes}),
        partitions_(partitions) {}
  void write(std::string_view record) override {
    producer_.send(skald_topic, {.value = record, .partition = partition_id(next_)});
    if (++next_ == partitions_) next_ = 0;
  }
  void finish() override { producer_.flush(); }

 private:
  blocking_client broker_;
  blocking_producer producer_;
  std::uint32_t partitions_;
  std::uint32_t next_ = 0;
};

class skald_reader final : public reader {
 public:
  explicit skald_reader(const std::string& address)
      : broker_({.address = address}), subscription_(broker_.subscribe(skald_topic, {.from = earliest})) {}
  bool read(const sink& into, milliseconds patience) override {
    const std::optional<records> some = subscription_.receive_for(patience);
    if (!some) return false;
    for (const record& each : *some) into(each.value().value_or(std::string_view()));
    return true;
  }

 private:
  blocking_client broker_;
  blocking_subscription subscription_;
};

// Of the same build, unless another is named.
std::filesystem::path skaldd() {
  if (const char* const named = std::getenv("SKALD_COMPARE_SKALDD")) return named;
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / SKALDD_FROM_HERE;
}

class skald_peer final : public peer {
 public:
  skald_peer(const std::filesystem::path& directory, skald::durability how)
      : how_(how),
        port_(limit::free_port()),
        server_({skaldd().string(), "--config", write_settings("skald.toml", directory, port_).string()}, {},
                directory) {
    server_.wait_for(port_);
  }
  void prepare(const purpose& is) override {
    partitions_ = static_cast<std::uint32_t>(is.streams());
    blocking_client broker({.address = address()});
    broker.create_topic(skald_topic, {.partitions = partitions_});
    if (is.what == workload::queue) broker.create_queue(skald_topic, skald_queue);
  }
  std::unique_ptr<writer> open_writer(const in_flight& most) override {
    return std::make_unique<skald_writer>(address(), how_, most, partitions_);
  }
  std::unique_ptr<reader> open_reader() override { return std::make_unique<skald_reader>(address()); }
  std::unique_ptr<audience> open_audience(std::size_t subscribers, delivery_sink into) override {
    return open_skald_audience(address(), subscribers, std::move(into));
  }
  std::unique_ptr<caller> open_caller() override { return open_skald_caller(address()); }
  std::unique_ptr<responder> open_responder() override { return open_skald_responder(address()); }
  std::unique_ptr<worker> open_worker(std::size_t) override { return open_skald_worker(address()); }
  std::uint64_t count_stored() override {
    return blocking_client({.address = address()}).describe_topic(skald_topic).records;
  }

 private:
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  skald::durability how_;
  std::uint16_t port_;
  server server_;
  std::uint32_t partitions_ = 1;
};

candidate with(const std::string& setting, durability acknowledges, skald::durability how,
               inabilities cannot) {
  return {.broker = "skald",
          .setting = setting,
          .acknowledges = acknowledges,
          .settings_file = "skald.toml",
          .missing = [] { return std::optional<std::string>(); },
          .start =
              [how](const std::filesystem::path& directory) {
                return std::make_unique<skald_peer>(directory, how);
              },
          .cannot = std::move(cannot)};
}

}  // namespace

std::vector<candidate> skald_candidates() {
  return {with("default", durability::fsync, skald::durability::disk, {}),
          with("memory", durability::memory, skald::durability::memory,
               {{workload::request, "requests are never stored: see skald/default"}})};
}

}  // namespace skald::bench::compare
