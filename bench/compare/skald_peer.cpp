// skald, through its client for programs without an event loop: records go into batches of up to a mebibyte,
// and what is unacknowledged is bounded in bytes.
#include <cstdlib>
#include <skald/blocking_client.hpp>

#include "bench/compare/peer.hpp"
#include "bench/compare/server.hpp"
#include "bench/limit/loopback.hpp"

namespace skald::bench::compare {
namespace {

constexpr const char* topic = "log";

class skald_writer final : public writer {
 public:
  skald_writer(const std::string& address, skald::durability how, const in_flight& most)
      : broker_({.address = address}),
        producer_(broker_, {.durability = how, .buffer_bytes_max = most.bytes}) {}
  void write(std::string_view record) override { producer_.send(topic, {.value = record}); }
  void finish() override { producer_.flush(); }

 private:
  blocking_client broker_;
  blocking_producer producer_;
};

class skald_reader final : public reader {
 public:
  explicit skald_reader(const std::string& address)
      : broker_({.address = address}), subscription_(broker_.subscribe(topic, {.from = earliest})) {}
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
    blocking_client(client_options{.address = address()}).create_topic(topic);
  }
  std::unique_ptr<writer> open_writer(const in_flight& most) override {
    return std::make_unique<skald_writer>(address(), how_, most);
  }
  std::unique_ptr<reader> open_reader() override { return std::make_unique<skald_reader>(address()); }

 private:
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  skald::durability how_;
  std::uint16_t port_;
  server server_;
};

candidate with(const std::string& setting, durability acknowledges, skald::durability how) {
  return {.broker = "skald",
          .setting = setting,
          .acknowledges = acknowledges,
          .settings_file = "skald.toml",
          .missing = [] { return std::optional<std::string>(); },
          .start =
              [how](const std::filesystem::path& directory) {
                return std::make_unique<skald_peer>(directory, how);
              }};
}

}  // namespace

std::vector<candidate> skald_candidates() {
  return {with("default", durability::fsync, skald::durability::disk),
          with("memory", durability::memory, skald::durability::memory)};
}

}  // namespace skald::bench::compare
