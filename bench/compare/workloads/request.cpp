// One caller asks one responder, with at most so many requests in flight, and gets back what it has sent.
#include <algorithm>
#include <stdexcept>
#include <unordered_map>

#include "bench/compare/load.hpp"

namespace skald::bench::compare {
namespace {

// The caller's side.
class conversation {
 public:
  conversation(caller& asks, std::size_t record_bytes) : caller_(asks), requests_(record_bytes) {}

  std::size_t in_flight() const { return asked_.size(); }
  void ask() {
    asked_.emplace(next_, clock::now());
    caller_.ask(requests_.make(next_++));
  }
  void take_replies() {
    const bool some = caller_.receive([this](std::string_view reply) { saw(reply); }, patience);
    if (!some) throw std::runtime_error(std::to_string(in_flight()) + " requests were not replied to");
    if (wrong_) throw std::runtime_error("a reply is not what was asked for");
  }

  std::vector<metric> figures(double seconds) {
    std::vector<metric> all{{"requests", "/s", static_cast<double>(latencies_.count()) / seconds}};
    latencies_.summarize(all);
    return all;
  }

 private:
  void saw(std::string_view reply) {
    const auto number = number_of(reply);
    const auto asked = number ? asked_.find(*number) : asked_.end();
    wrong_ = wrong_ || asked == asked_.end();
    if (wrong_) return;
    latencies_.add(clock::now() - asked->second);
    asked_.erase(asked);
  }

  caller& caller_;
  record_source requests_;
  std::uint64_t next_ = 0;
  std::unordered_map<std::uint64_t, clock::time_point> asked_;  // by number
  limit::latencies latencies_;
  bool wrong_ = false;
};

}  // namespace

outcome measure_request(peer& broker, const task& how) {
  const std::unique_ptr<responder> echo = broker.open_responder();
  const std::unique_ptr<caller> asks = broker.open_caller();
  crew answering;
  answering.repeat([&] { return echo->serve(turn), true; });
  conversation with(*asks, how.record_bytes);
  const auto start = clock::now();
  for (const auto end = start + how.time; clock::now() < end;) {
    answering.check();
    while (with.in_flight() < how.count) with.ask();
    with.take_replies();
  }
  while (with.in_flight() != 0) with.take_replies();
  const double seconds = seconds_since(start);
  answering.stop();
  answering.join();
  return {.what = workload::request, .figures = with.figures(seconds)};
}

}  // namespace skald::bench::compare
