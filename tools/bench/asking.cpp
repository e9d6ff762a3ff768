#include "tools/bench/asking.hpp"

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <string_view>
#include <utility>

namespace skald::cli::bench {
namespace {

constexpr std::uint32_t window_max = 4096;
constexpr std::chrono::milliseconds patience{50};  // until one that waits for its turn notices the end

}  // namespace

asking_worker::asking_worker(const worker_setting& with, control& run, const asking& how,
                             payload_pool payloads)
    : worker(with, "skald-bench-caller", run), how_(how), payloads_(std::move(payloads)) {}

asio::awaitable<void> asking_worker::prepare() {
  co_return;
}

asio::awaitable<void> asking_worker::work() {
  if (how_.rate != 0)
    times_.emplace(static_cast<double>(how_.rate), how_.index, how_.of, run().times().start);
  for (std::uint64_t i = 0; i < how_.in_flight; ++i) spawn(ask_in_turn());
  while (running() != 0) co_await pause();
  throw_failure();
}

asio::awaitable<void> asking_worker::ask_in_turn() {
  asio::steady_timer timer(loop());
  while (!has_failed() && !finishing()) {
    const auto due = take_turn();
    if (!due) break;
    while (steady::now() < *due && !finishing()) {
      timer.expires_at(std::min(*due, steady::now() + patience));
      co_await timer.async_wait(asio::use_awaitable);
    }
    if (times_ && steady::now() >= run().times().until) {
      missed(*due);
      continue;
    }
    const std::uint64_t sequence = sequence_++;
    const payload next = payloads_.next();
    const std::span<char> body = next.record;
    write_stamp(next,
                {.producer = how_.index, .sequence = sequence, .due_ns = due->time_since_epoch().count()});
    const std::string_view sent(body.data(), body.size());
    const reply said = co_await broker().request(how_.subject, sent);
    took(*due, steady::now());
    verify(said, sequence, body.size());
    counted().add(1, body.size());
  }
}

std::optional<steady::time_point> asking_worker::take_turn() {
  const window& times = run().times();
  if (how_.count != 0 && measured_ >= how_.count) return std::nullopt;
  const auto now = steady::now();
  const auto due = times_ ? times_->due(turns_) : now;
  if (due >= times.until) return std::nullopt;
  ++turns_;
  if (due >= times.from) ++measured_;
  return due;
}

void asking_worker::verify(const reply& said, std::uint64_t sequence, std::size_t bytes) {
  const auto is = read_stamp(said.body);
  if (!is || said.body.size() != bytes || is->sequence != sequence || is->producer != how_.index)
    ++found_.damaged;
}

// ---- answering -------------------------------------------------------------------------------------------

answering_worker::answering_worker(const worker_setting& with, control& run, std::string subject)
    : worker(with, "skald-bench-responder", run), subject_(std::move(subject)) {}

asio::awaitable<void> answering_worker::prepare() {
  responder made = co_await broker().serve(subject_, {.window = window_max});
  responder_ = std::move(made);
}

asio::awaitable<void> answering_worker::work() {
  auto until = asio::bind_cancellation_slot(until_finish(), asio::use_awaitable);
  while (!finishing()) {
    try {
      service_request asked = co_await responder_.receive({}, until);
      asked.reply(asked.body());
    } catch (const error& ended) {
      if (ended.code() != errc::cancelled) throw;
    }
  }
}

}  // namespace skald::cli::bench
