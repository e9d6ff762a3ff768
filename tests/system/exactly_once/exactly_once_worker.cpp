// A loop that consumes, processes and produces, until it is killed: each commit acknowledges its input and
// appends what was made of it.
//
//   exactly_once_worker ADDRESS group NAME      a member of the group `loop`, under that name
//   exactly_once_worker ADDRESS queue NAME      a consumer of the queue `loop`
//
// It reads `in` and writes `out-group` or `out-queue`. When a commit is refused, or the connection is lost in
// a way that it notices, it begins again from what the broker knows.
#include <chrono>
#include <cstdio>
#include <skald/skald.hpp>
#include <span>
#include <string>
#include <string_view>

namespace {

using namespace std::chrono_literals;

void produce(skald::commit& effect, std::string_view topic, const skald::record& input) {
  effect.append(topic, {.key = input.key(), .value = input.value()});
}

void work_as_member(skald::blocking_client& broker, std::string_view name) {
  auto input = broker.subscribe("in", {.from = skald::earliest,
                                       .group = "loop",
                                       .instance = name,
                                       .commit = skald::commit_mode::manual,
                                       .session_timeout = 2s});
  for (;;) {
    const skald::records some = input.receive();
    skald::commit effect;
    for (const skald::record& one : some) produce(effect, "out-group", one);
    effect.acknowledge(input, some);
    broker.commit(std::move(effect));
  }
}

void work_on_queue(skald::blocking_client& broker) {
  auto input = broker.open_queue("in", "loop", {.prefetch = 32});
  for (;;) {
    const skald::deliveries some = input.receive();
    // A few at a time, so that there is always something half done.
    for (std::size_t at = 0; at < some.size(); at += 3) {
      const auto part = std::span(some).subspan(at, std::min<std::size_t>(3, some.size() - at));
      skald::commit effect;
      for (const skald::delivery& one : part) produce(effect, "out-queue", one);
      effect.acknowledge(part);
      broker.commit(std::move(effect));
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::string_view kind = argv[2];
  for (;;) {
    skald::blocking_client broker(
        {.address = argv[1], .timeout = 60s, .reconnect_delay_min = 5ms, .reconnect_delay_max = 50ms});
    try {
      kind == "group" ? work_as_member(broker, argv[3]) : work_on_queue(broker);
    } catch (const skald::error& why) {
      std::fprintf(stderr, "%s\n", why.what());
    }
  }
}
