#include <utility>

#include "bench/compare/peer.hpp"

namespace skald::bench::compare {
namespace {

// What was compiled without its client library.
[[maybe_unused]] std::vector<candidate> absent(const std::string& broker, const std::string& package) {
  return {{.broker = broker, .setting = "default", .missing = [package]() -> std::optional<std::string> {
             return "it was compiled without its client; install " + package +
                    " (tools/setup compare) and compile";
           }}};
}

void add(std::vector<candidate>& all, std::vector<candidate> more) {
  for (candidate& each : more) all.push_back(std::move(each));
}

}  // namespace

std::vector<candidate> all_candidates() {
  std::vector<candidate> all = skald_candidates();
#ifdef SKALD_COMPARE_NATS
  add(all, nats_candidates());
#else
  add(all, absent("nats", "libnats-dev"));
#endif
#ifdef SKALD_COMPARE_REDIS
  add(all, redis_candidates());
#else
  add(all, absent("redis", "libhiredis-dev"));
#endif
#ifdef SKALD_COMPARE_RABBITMQ
  add(all, rabbitmq_candidates());
#else
  add(all, absent("rabbitmq", "librabbitmq-dev"));
#endif
#ifdef SKALD_COMPARE_MOSQUITTO
  add(all, mosquitto_candidates());
#else
  add(all, absent("mosquitto", "libmosquitto-dev"));
#endif
#ifdef SKALD_COMPARE_KAFKA
  add(all, kafka_candidates());
#else
  add(all, absent("kafka", "librdkafka-dev"));
#endif
  return all;
}

}  // namespace skald::bench::compare
