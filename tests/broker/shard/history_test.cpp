// Random histories of a whole shard: publishing with retries, topics that come and go, retention, a disk that
// loses power at any operation and sometimes fills up. Whatever happens: what was acknowledged is there, at
// the offset that was acknowledged, once, in order; and offsets have no gaps.
//
// A failure prints its seed; SKALD_SHARD_SEED=n runs that seed alone.
#include <doctest/doctest.h>

#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "tests/broker/shard/scene.hpp"
#include "tests/effort.hpp"

namespace skald::shard::testing {

namespace {

// One idempotent producer of one partition. It sends the next batch once the last is acknowledged and repeats
// one whose fate it does not know, as a client does.
struct producer_model {
  std::string topic;
  std::uint32_t partition = 0;
  producer_id id;
  std::int32_t next_sequence = 0;
  std::uint32_t next_text = 0;
  bool in_flight = false;

  std::string text() const { return topic + std::to_string(id.value()) + ":" + std::to_string(next_text); }
};

struct partition_model {
  std::map<std::uint64_t, std::string> acknowledged;  // by base offset
};

class history {
 public:
  explicit history(std::uint64_t seed) : random_(seed), s_(seed) {
    if (below(3) == 0) s_.disk.set_capacity((12 + below(10)) * s_.with.journal.segment_bytes);
    s_.with.replay_bytes_max = (64 + below(200)) << 10;
    s_.shard_.reset();
    s_.runs.clear();
    s_.open();
    for (const char* topic : {"steady", "trimmed"}) create(topic);
    // Of records that nobody misses, to fill segments with garbage.
    create("filler");
    for (std::uint64_t i = 1; i <= 6; ++i)
      producers_.push_back({.topic = i % 3 == 0 ? "trimmed" : "steady",
                            .partition = static_cast<std::uint32_t>(i % 2),
                            .id = producer_id(i)});
  }

  void live(int actions) {
    for (int i = 0; i < actions; ++i) act();
    end_of_process(true);
  }
  std::size_t acknowledged() const { return acknowledged_; }

 private:
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

  void create(const std::string& topic) {
    topic_settings settings{.partitions = 2, .batch_bytes_max = 32'000};
    if (topic == "trimmed") settings.retention_bytes = 3'000;
    if (topic == "filler") settings.retention_ms = 20'000;
    s_.shard_->create_topic(topic, settings, true, [](const failure&, const topic_info&) {});
    turns(20);
  }

  void turns(std::uint64_t count) {
    for (; count > 0; --count) {
      switch (below(4)) {
        case 0:
          s_.worker.run_one();
          break;
        case 1:
        case 2:
          s_.runs.run_one();
          break;
        default:
          s_.shard_->step_journal();
      }
    }
  }

  void act() {
    const std::uint64_t action = below(100);
    if (action < 50) {
      publish(producers_[below(producers_.size())]);
    } else if (action < 60) {
      fill();
    } else if (action < 85) {
      turns(below(30));
    } else if (action < 93) {
      pass_time();
    } else if (action < 96) {
      s_.disk.lose_power_after(below(30));
      power_may_fail_ = true;
    } else {
      end_of_process(below(2) == 0);
    }
    if (!s_.fatal.empty()) {
      CHECK_MESSAGE(power_may_fail_, s_.fatal);
      end_of_process(false);
    }
  }

  void pass_time() {
    const std::chrono::milliseconds time(below(15'000));
    s_.clock.advance(time);
    s_.runs.pass(time);
  }

  void publish(producer_model& by) {
    if (by.in_flight) return;
    by.in_flight = true;
    const protocol::producer_stamp stamp{by.id, {}, by.next_sequence};
    std::vector<append_request> batches;
    batches.push_back(request_of(by.topic, by.partition, batch_of(by.text(), 2, s_.clock.now(), stamp)));
    s_.shard_->append(std::move(batches), durability::disk,
                      [this, &by](std::vector<append_result> results) { hear(by, results.at(0)); });
  }

  void hear(producer_model& by, const append_result& result) {
    by.in_flight = false;
    if (result.why) {
      const errc code = result.why.code;
      CHECK_MESSAGE((code == errc::storage_full || (code == errc::storage_error && power_may_fail_) ||
                     code == errc::unknown_topic),
                    result.why.message);
      return;
    }
    REQUIRE(result.base_offset);
    partitions_[{by.topic, by.partition}].acknowledged[result.base_offset->value()] = by.text();
    by.next_sequence += 2;
    ++by.next_text;
    ++acknowledged_;
  }

  void fill() {
    std::vector<append_request> batches;
    const std::string text(1'000 + below(5'000), 'f');
    batches.push_back(
        request_of("filler", static_cast<std::uint32_t>(below(2)), batch_of(text, 1, s_.clock.now())));
    s_.shard_->append(std::move(batches), durability::memory, [](const auto&) {});
  }

  // The process ends, with or without the power, and starts again; then everything is read and checked.
  void end_of_process(bool power) {
    if (power || s_.disk.power_lost())
      s_.disk.crash();
    else
      s_.disk.kill();
    power_may_fail_ = false;
    s_.shard_.reset();
    s_.runs.clear();
    s_.worker.clear();
    s_.fatal.clear();
    s_.open();
    for (producer_model& by : producers_) by.in_flight = false;
    s_.settle();
    REQUIRE(s_.fatal.empty());
    create("steady");
    for (const char* topic : {"steady", "trimmed"})
      if (s_.shard_->find_topic(topic))
        for (std::uint32_t p = 0; p < 2; ++p) check(topic, p);
    for (const char* topic : {"trimmed", "filler"}) create(topic);
    s_.settle();
  }

  void check(const std::string& topic, std::uint32_t partition) {
    const auto stored = s_.read(topic, partition);  // which checks that offsets have no gaps
    std::map<std::uint64_t, std::string> by_offset;
    std::set<std::string> texts;
    std::map<std::string, std::uint32_t> last_of_producer;
    for (const auto& batch : stored) {
      by_offset[batch.base.value()] = batch.text;
      CHECK_MESSAGE(texts.insert(batch.text).second, batch.text << " is stored twice");
      const std::size_t colon = batch.text.find(':');
      const auto number = static_cast<std::uint32_t>(std::stoul(batch.text.substr(colon + 1)));
      const auto [last, first] = last_of_producer.try_emplace(batch.text.substr(0, colon), number);
      if (!first) CHECK_MESSAGE(number == std::exchange(last->second, number) + 1, "order of " << batch.text);
    }
    const offset log_start = s_.info(topic, partition).log_start;
    if (topic == "steady") CHECK(log_start == offset(0));
    for (const auto& [at, text] : partitions_[{topic, partition}].acknowledged) {
      if (offset(at) < log_start) continue;
      CHECK_MESSAGE(by_offset[at] == text, "acknowledged and lost: " << text << " at " << at);
    }
  }

  std::mt19937_64 random_;
  scene s_;
  std::vector<producer_model> producers_;
  std::map<std::pair<std::string, std::uint32_t>, partition_model> partitions_;
  bool power_may_fail_ = false;
  std::size_t acknowledged_ = 0;
};

}  // namespace

TEST_CASE("nothing acknowledged is lost, doubled or reordered, whatever happens") {
  std::uint64_t first = 1;
  std::uint64_t last = tests::effort(150);
  if (const char* seed = std::getenv("SKALD_SHARD_SEED")) first = last = std::strtoull(seed, nullptr, 10);
  std::size_t acknowledged = 0;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    INFO("SKALD_SHARD_SEED=" << seed);
    history one(seed);
    one.live(400);
    acknowledged += one.acknowledged();
  }
  // A history in which nothing succeeds would prove nothing.
  CHECK(acknowledged > 20 * (last - first + 1));
}

}  // namespace skald::shard::testing
