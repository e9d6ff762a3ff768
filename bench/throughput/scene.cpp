#include "bench/throughput/scene.hpp"

#include <fstream>
#include <map>
#include <random>
#include <stdexcept>

#include "bench/limit/process.hpp"

namespace skald::bench {

using limit::steady_clock;

scene::scene(const setting& with) : with_(with), data_directory_(with.directory / "data") {
  std::filesystem::remove_all(data_directory_);
  start();
}

scene::~scene() {
  client_.reset();
  broker_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(data_directory_, ignored);
}

void scene::start() {
  broker_.emplace(with_.daemon, data_directory_, with_.directory / "skaldd.log", with_.daemon_arguments);
  client_.emplace(client_options{.address = broker_->address(),
                                 .client_name = "throughput",
                                 .timeout = milliseconds(30'000),
                                 .reconnect_delay_min = milliseconds(1),
                                 .reconnect_delay_max = milliseconds(5)});
  connect();
}

// Looks up now and then: a broker that has ended never serves.
void scene::connect() {
  const auto deadline = steady_clock::now() + std::chrono::seconds(60);
  for (;;) {
    try {
      return client_->connect({.timeout = milliseconds(500), .keep_trying = true});
    } catch (const error&) {
      limit::throw_if_interrupted();
      if (broker_->has_ended()) throw std::runtime_error("skaldd has ended: " + last_words());
      if (steady_clock::now() > deadline) throw;
    }
  }
}

std::string scene::last_words() const {
  std::ifstream log(with_.directory / "skaldd.log");
  std::string last = "it has said nothing";
  for (std::string line; std::getline(log, line);) last = line;
  return last;
}

steady_clock::duration scene::kill_and_restart() {
  client_.reset();
  broker_->kill();
  const auto began = steady_clock::now();
  start();
  client_->list_topics();
  return steady_clock::now() - began;
}

void scene::finish() {
  client_.reset();
  broker_->stop();
}

payload_source::payload_source(std::size_t record_bytes)
    : pool_(record_bytes + (4u << 20), '\0'), record_bytes_(record_bytes) {
  std::mt19937_64 random(7);
  for (char& byte : pool_) byte = static_cast<char>(random());
}

std::string_view payload_source::next() {
  at_ += record_bytes_ + 1;
  if (at_ + record_bytes_ > pool_.size()) at_ = at_ % 64;
  return std::string_view(pool_).substr(at_, record_bytes_);
}

void consume(blocking_client& client, std::string_view topic, std::uint64_t records) {
  blocking_subscription subscription = client.subscribe(topic, {.from = earliest});
  std::map<partition_id, offset> expected;
  for (std::uint64_t seen = 0; seen < records;) {
    const std::optional<skald::records> delivery = subscription.receive_for(milliseconds(30'000));
    if (!delivery) throw std::runtime_error("nothing was delivered for 30 s");
    offset& next = expected[delivery->partition()];
    std::size_t bytes = 0;
    for (const record& each : *delivery) {
      if (each.offset() != next) throw std::runtime_error("a record is missing");
      next += 1;
      ++seen;
      bytes += each.value()->size();
    }
    if (bytes == 0) throw std::runtime_error("a delivery without payload");
  }
}

}  // namespace skald::bench
