// A producer_core and a broker in memory, with the wire between them in the hands of the test.
#pragma once

#include <doctest/doctest.h>

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "client/src/producer_core.hpp"
#include "tests/client/fake_broker/fake_store.hpp"

namespace skald::test {

using namespace std::chrono_literals;
using detail::producer_core;
using detail::producer_identity;
using detail::steady_time;

inline const steady_time t0(1'000s);

class producer_harness {
 public:
  explicit producer_harness(producer_options options = {}) : core(options) {}

  fake_topic& add_topic(const std::string& name, std::uint32_t partitions) {
    auto& topic = topics[name];
    topic.partitions.resize(partitions);
    return topic;
  }
  fake_partition& partition(const std::string& topic, std::uint32_t index) {
    return topics.at(topic).partitions[index];
  }

  // ---- the client's side -----------------------------------------------------------------------------
  // Sends a record whose outcome is noted under its value.
  bool send(const std::string& topic, const std::string& value, message what = {}) {
    what.value = value;
    const auto ack = [this, value](const result<published>& outcome) {
      CHECK(!outcomes.contains(value));
      outcomes.emplace(value, outcome);
    };
    return core.accept(topic, what, ack, now) == producer_core::acceptance::accepted;
  }

  // Takes the core's effects: frames go on the wire, questions are answered at once, outcomes are told.
  void poll() {
    do {
      auto effects = core.poll(now);
      wake_at = effects.wake_at;
      for (auto& frame : effects.publish) wire.push_back(std::move(frame));
      for (auto& settled : effects.settled)
        for (auto& [index, ack] : settled.waiting) {
          auto one = settled.outcome;
          if (one && one->offset) *one->offset += index;
          ack(one);
        }
      if (effects.initialise && answer_questions) core.initialised(identity_for(effects), now);
      for (const auto& name : effects.describe) describe(name);
    } while (core.wants_poll());
  }

  // What a broker answers, which gives out the epochs of one name.
  result<producer_identity> identity_for(const detail::producer_effects& asked) {
    if (core.name().empty()) return std::pair{producer_id(next_identity++), producer_epoch(0)};
    if (asked.renews && asked.renews != holder) return failure{errc::fenced_producer, "taken over"};
    take_name();
    return *holder;
  }
  // Another, or this one, takes the name that the producer has.
  void take_name() {
    const std::uint16_t epoch = holder ? holder->second.value() : 0;
    holder = {named_id, producer_epoch(static_cast<std::uint16_t>(epoch + 1))};
  }

  void describe(const std::string& name) {
    if (!answer_questions) return;
    const auto found = topics.find(name);
    if (found == topics.end())
      core.described(name, failure{errc::unknown_topic, "topic \"" + name + "\" does not exist"}, now);
    else
      core.described(name,
                     detail::topic_facts{static_cast<std::uint32_t>(found->second.partitions.size()),
                                         batch_bytes_max, record_bytes_max},
                     now);
  }

  void connect() {
    core.connected(1u << 20);
    poll();
  }
  void lose_connection() {
    wire.clear();
    answers.clear();
    core.disconnected();
    poll();
  }

  // ---- the broker's side -------------------------------------------------------------------------------
  // The broker takes the oldest frame off the wire, and its answer goes on.
  void broker_reads() {
    auto frame = std::move(wire.front());
    wire.pop_front();
    std::vector<detail::append_outcome> outcomes_of_frame;
    for (const auto& append : frame.appends) {
      const auto found = topics.find(append.topic);
      // As a broker does: a repetition is recognised before anything is refused for good.
      const bool known =
          found != topics.end() && found->second.knows(append.partition.value(), *append.batch);
      errc refused = refuse ? refuse(append) : errc::ok;
      if (known && refused == errc::topic_full) refused = errc::ok;
      if (is_fenced(*append.batch)) refused = errc::fenced_producer;
      append_verdict verdict{refused, "refused by the test"};
      if (refused == errc::ok && found == topics.end()) verdict = {errc::unknown_topic, "no such topic"};
      if (refused == errc::ok && found != topics.end())
        verdict = found->second.append(append.partition.value(), *append.batch);
      duplicates += verdict.duplicate;
      detail::append_outcome outcome{verdict.code, verdict.message, {}, 0};
      if (found != topics.end())
        outcome.partitions = static_cast<std::uint32_t>(found->second.partitions.size());
      if (verdict.base >= 0) outcome.base_offset = offset(static_cast<std::uint64_t>(verdict.base));
      outcomes_of_frame.push_back(std::move(outcome));
    }
    answers.emplace_back(frame.ticket, std::move(outcomes_of_frame));
  }
  bool is_fenced(std::span<const std::byte> batch) const {
    const auto stamp = protocol::batch_view::parse(batch).value().producer();
    return stamp && stamp->id == named_id && holder && stamp->epoch != holder->second;
  }
  void client_reads() {
    auto [ticket, outcomes_of_frame] = std::move(answers.front());
    answers.pop_front();
    core.answered(ticket, outcomes_of_frame, durability::disk, now);
    poll();
  }
  // Until nothing moves any more without time passing.
  void settle() {
    poll();
    while (!wire.empty() || !answers.empty()) {
      while (!wire.empty()) broker_reads();
      while (!answers.empty()) client_reads();
    }
  }
  void pass(std::chrono::milliseconds time) {
    now += time;
    poll();
  }

  errc code_of(const std::string& value) const {
    const auto found = outcomes.find(value);
    REQUIRE(found != outcomes.end());
    return found->second ? errc::ok : found->second.error().code;
  }
  std::vector<std::string> stored(const std::string& topic, std::uint32_t index) {
    return values_of(partition(topic, index));
  }

  producer_core core;
  steady_time now = t0;
  std::optional<steady_time> wake_at;
  std::map<std::string, fake_topic> topics;
  std::deque<detail::publish_frame> wire;
  std::deque<std::pair<std::uint64_t, std::vector<detail::append_outcome>>> answers;
  std::function<errc(const detail::publish_frame::append&)> refuse;
  std::map<std::string, result<published>> outcomes;
  bool answer_questions = true;
  std::uint64_t next_identity = 1;
  static constexpr producer_id named_id{1'000};
  std::optional<producer_identity> holder;  // of the name
  std::uint32_t batch_bytes_max = 0;
  std::uint32_t record_bytes_max = 0;
  std::size_t duplicates = 0;
};

}  // namespace skald::test
