// Workers that send requests, and that answer them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <skald/service.hpp>

#include "tools/bench/arrivals.hpp"
#include "tools/bench/payload.hpp"
#include "tools/bench/schedule.hpp"
#include "tools/bench/worker.hpp"

namespace skald::cli::bench {

struct asking {
  std::string subject;
  std::uint32_t index = 0;  // among `of` callers
  std::uint32_t of = 1;
  std::uint64_t rate = 0;       // of all of them
  std::uint64_t in_flight = 1;  // requests at a time
  std::uint64_t count = 0;      // 0: until the run's times say so
};

// Has so many requests under way, and verifies that each reply is what was sent. With a target rate the one
// that is due next is sent as soon as one of them is free.
class asking_worker final : public worker {
 public:
  asking_worker(const worker_setting& with, control& run, const asking& how, payload_pool payloads);
  // After join().
  const discrepancies& found() const { return found_; }

 protected:
  asio::awaitable<void> prepare() override;
  asio::awaitable<void> work() override;

 private:
  asio::awaitable<void> ask_in_turn();
  // When the next request is due; nothing when there is none any more.
  std::optional<steady::time_point> take_turn();
  void verify(const reply& said, std::uint64_t sequence, std::size_t bytes);

  asking how_;
  payload_pool payloads_;
  std::optional<schedule> times_;
  discrepancies found_;
  std::uint64_t turns_ = 0;
  std::uint64_t sequence_ = 0;
  std::uint64_t measured_ = 0;  // of those, after the warm-up
};

// Replies with what it is asked, until finish().
class answering_worker final : public worker {
 public:
  answering_worker(const worker_setting& with, control& run, std::string subject);

 protected:
  asio::awaitable<void> prepare() override;
  asio::awaitable<void> work() override;

 private:
  std::string subject_;
  responder responder_;
};

}  // namespace skald::cli::bench
