// A worker that runs sagas: it starts them, orchestrates them, and is the participant that they call.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <skald/blocking_client.hpp>
#include <skald/saga/orchestrator.hpp>
#include <skald/saga/participant.hpp>

#include "tools/bench/arrivals.hpp"
#include "tools/bench/schedule.hpp"
#include "tools/bench/worker.hpp"

namespace skald::cli::bench {

struct orchestrating {
  std::string name;         // that its topics begin with
  std::uint32_t index = 0;  // among `of` such workers
  std::uint32_t of = 1;
  std::uint32_t partitions = 1;
  std::uint64_t rate = 0;       // of all of them
  std::uint64_t in_flight = 1;  // sagas at a time
  std::uint64_t count = 0;      // 0: until the run's times say so
};

// Each saga is a local step, a call with a compensation, a local pivot and another call, which all go well:
// six commits one after the other, one that starts it, three transitions and two handled commands.
class orchestrating_worker final : public worker {
 public:
  orchestrating_worker(const worker_setting& with, control& run, const orchestrating& how);

  // ---- after join() ----
  std::uint64_t ended() const { return ended_; }
  // What is wrong with those that were started: one that did not end, or ended twice, or not as it should
  // have; a step that the broker does not have in the participant's inbox, or has there twice; and inputs or
  // commands that the broker would still give to somebody.
  discrepancies found(blocking_client& broker) const;

 protected:
  asio::awaitable<void> prepare() override;
  asio::awaitable<void> work() override;

 private:
  enum class progress : std::uint8_t { more, ahead, full, over };
  progress start_some(steady::time_point now);
  asio::awaitable<void> start(std::uint64_t number, steady::time_point due);
  void observe(const sagas::instance& one);
  std::uint64_t under_way() const { return started_ - ended_; }

  orchestrating how_;
  std::string service_;  // the participant's name
  std::optional<sagas::orchestrator> orchestrator_;
  std::optional<sagas::participant> participant_;
  std::optional<schedule> times_;
  unordered_arrivals arrivals_;
  std::uint64_t started_ = 0;
  std::uint64_t measured_ = 0;  // of those, after the warm-up
  std::uint64_t ended_ = 0;
};

}  // namespace skald::cli::bench
