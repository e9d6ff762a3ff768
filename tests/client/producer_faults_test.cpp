// Random faults on the wire and in the broker: whatever happens, a record that was acknowledged is stored
// once, at the offset that was told, and one that was refused is not; the order in each partition is that of
// the sends.
#include <algorithm>
#include <random>
#include <set>

#include "tests/client/producer_harness.hpp"
#include "tests/effort.hpp"

using namespace skald;
using namespace skald::test;

namespace {

class story {
 public:
  explicit story(std::uint32_t seed)
      : random_(seed),
        p_({.name = seed % 4 == 0 ? "feed" : "",
            .compression = seed % 5 == 0 ? compression::lz4 : compression::none,
            .batch_bytes = 300,
            .linger = seed % 3 == 0 ? milliseconds(20) : milliseconds(0),
            .buffer_bytes_max = 5'000,
            .delivery_timeout = 24h}) {
    p_.add_topic("t", 3);
    p_.add_topic("u", 1);
    p_.refuse = [this](const auto&) { return calm_ ? errc::ok : random_refusal(); };
  }

  void run() {
    for (int step = 0; step < 400; ++step) random_step();
    calm_ = true;
    if (!connected_) p_.connect();
    const auto flush = p_.core.begin_flush();
    for (int i = 0; i < 200 && !p_.core.flushed(flush); ++i) {
      p_.settle();
      p_.pass(1s);
    }
    REQUIRE(p_.core.flushed(flush));
    CHECK(p_.core.buffered_bytes() == 0);
    check();
  }

 private:
  bool chance(int percent) { return std::uniform_int_distribution<>(0, 99)(random_) < percent; }
  std::uint32_t below(std::uint32_t limit) {
    return std::uniform_int_distribution<std::uint32_t>(0, limit - 1)(random_);
  }

  errc random_refusal() {
    if (chance(4)) return errc::storage_full;
    if (chance(2)) return errc::overloaded;
    if (chance(2)) return errc::topic_full;
    return errc::ok;
  }

  void random_step() {
    switch (below(10)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return send();
      case 4:
      case 5:
        if (!p_.wire.empty()) p_.broker_reads();
        return;
      case 6:
      case 7:
        if (!p_.answers.empty()) p_.client_reads();
        return;
      case 8:
        return p_.pass(milliseconds(below(200)));
      default:
        if (!chance(30)) return p_.poll();
        connected_ ? p_.lose_connection() : p_.connect();
        connected_ = !connected_;
    }
  }

  void send() {
    const auto value = std::to_string(1'000'000 + sent_.size()) + std::string(below(60), '.');
    const std::string topic = chance(30) ? "u" : "t";
    const std::string key = "k" + std::to_string(below(5));
    message what;
    if (chance(50)) what.key = key;
    if (p_.send(topic, value, what)) sent_.push_back(value);
  }

  void check() {
    std::set<std::string> stored;
    for (auto& [name, topic] : p_.topics)
      for (std::uint32_t i = 0; i < topic.partitions.size(); ++i) {
        const auto values = p_.stored(name, i);
        CHECK(std::ranges::is_sorted(values));  // values count the sends
        for (std::size_t at = 0; at < values.size(); ++at) {
          CHECK(stored.insert(values[at]).second);
          const auto& outcome = p_.outcomes.at(values[at]);
          REQUIRE(outcome.has_value());
          CHECK(outcome->partition.value() == i);
          CHECK(outcome->offset->value() == at);
        }
      }
    CHECK(p_.outcomes.size() == sent_.size());
    for (const auto& value : sent_)
      if (p_.outcomes.at(value).has_error()) {
        CHECK(p_.code_of(value) == errc::topic_full);
        CHECK(!stored.contains(value));
      } else {
        CHECK(stored.contains(value));
      }
  }

  std::mt19937 random_;
  producer_harness p_;
  bool connected_ = false;
  bool calm_ = false;
  std::vector<std::string> sent_;
};

}  // namespace

TEST_CASE("random faults never lose, repeat or reorder what was acknowledged") {
  for (std::uint32_t seed = 1; seed <= tests::effort(500); ++seed) {
    CAPTURE(seed);
    story(seed).run();
  }
}
