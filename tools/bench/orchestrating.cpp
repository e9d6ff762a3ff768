#include "tools/bench/orchestrating.hpp"

#include <charconv>
#include <memory>
#include <skald/saga/messages.hpp>
#include <skald/saga/saga.hpp>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace skald::cli::bench {
namespace {

constexpr int started_at_once = 16;
constexpr std::uint64_t commands_each = 2;
constexpr std::chrono::minutes retention{5};  // longer than any saga here takes

// Data and commands are all the same: which saga it is, and when it was due.
struct ticket {
  std::uint64_t number = 0;
  std::int64_t due_ns = 0;

  std::string to_bytes() const { return std::to_string(number) + " " + std::to_string(due_ns); }
  static ticket from_bytes(std::string_view bytes) {
    ticket read;
    const char* const begin = std::to_address(bytes.begin());
    const char* const end = begin + bytes.size();
    const auto [space, bad_number] = std::from_chars(begin, end, read.number);
    if (bad_number != std::errc{} || space == end) throw std::runtime_error("no ticket");
    const auto [rest, bad_time] = std::from_chars(space + 1, end, read.due_ns);
    if (bad_time != std::errc{} || rest != end) throw std::runtime_error("no ticket");
    return read;
  }
};
struct order : ticket {
  static constexpr std::string_view name = "order";
  static order from_bytes(std::string_view bytes) { return {ticket::from_bytes(bytes)}; }
};
struct reserve : ticket {
  static constexpr std::string_view name = "reserve";
  static reserve from_bytes(std::string_view bytes) { return {ticket::from_bytes(bytes)}; }
};
struct release : ticket {
  static constexpr std::string_view name = "release";
  static release from_bytes(std::string_view bytes) { return {ticket::from_bytes(bytes)}; }
};
struct ship : ticket {
  static constexpr std::string_view name = "ship";
  static ship from_bytes(std::string_view bytes) { return {ticket::from_bytes(bytes)}; }
};

template <class Command>
Command of_order(const order& data) {
  return {static_cast<const ticket&>(data)};
}

sagas::definition definition_for(const std::string& participant) {
  const auto nothing = [](order&) {};
  return sagas::saga<order>("order")
      .step("create")
      .local(nothing)
      .compensate(nothing)
      .step("reserve")
      .call<reserve>(participant, of_order<reserve>)
      .compensate<release>(of_order<release>)
      .pivot("approve")
      .local(nothing)
      .step("ship")
      .call<ship>(participant, of_order<ship>)
      .build();
}

}  // namespace

orchestrating_worker::orchestrating_worker(const worker_setting& with, control& run, const orchestrating& how)
    : worker(with, "skald-bench-saga", run), how_(how), arrivals_(streams(1, 1)) {
  how_.name += "-" + std::to_string(how.index);
  service_ = how_.name + ".service";
}

asio::awaitable<void> orchestrating_worker::prepare() {
  sagas::registry known;
  known.add(definition_for(service_));
  orchestrator_.emplace(broker(), how_.name, std::move(known));
  orchestrator_->on_transition([this](const sagas::instance& one, std::string_view) { observe(one); });
  participant_.emplace(broker(), service_);
  const auto done = [](const auto&, sagas::handling&) {};
  participant_->handle<reserve>(done).handle<release>(done).handle<ship>(done);
  const sagas::saga_topics topics{.partitions = how_.partitions, .retention = retention};
  co_await orchestrator_->create(topics);
}

asio::awaitable<void> orchestrating_worker::work() {
  if (how_.rate != 0)
    times_.emplace(static_cast<double>(how_.rate), how_.index, how_.of, run().times().start);
  spawn(orchestrator_->run());
  spawn(participant_->run());
  while (!has_failed() && !finishing()) {
    const progress made = start_some(steady::now());
    if (made == progress::over) break;
    if (made == progress::full && times_ && steady::now() >= run().times().until) break;
    if (made == progress::more) co_await yield();
    if (made == progress::ahead) co_await pause(times_->due(started_));
    if (made == progress::full) co_await pause(run().times().until);
  }
  if (times_) missed_from(*times_, started_);
  while (!has_failed() && !finishing() && under_way() != 0) co_await pause();
  orchestrator_->close();
  participant_->close();
  while (!has_failed() && running() != 0) co_await pause();
  throw_failure();
}

orchestrating_worker::progress orchestrating_worker::start_some(steady::time_point now) {
  const window& run_times = run().times();
  if (!times_ && now >= run_times.until) return progress::over;
  for (int i = 0; i < started_at_once; ++i) {
    const auto due = times_ ? times_->due(started_) : now;
    if (due >= run_times.until) return progress::over;
    if (how_.count != 0 && measured_ == how_.count) return progress::over;
    if (due > now) return progress::ahead;
    if (under_way() >= how_.in_flight) return progress::full;
    if (due >= run_times.from) ++measured_;
    spawn(start(started_++, due));
  }
  return progress::more;
}

asio::awaitable<void> orchestrating_worker::start(std::uint64_t number, steady::time_point due) {
  const std::string id = std::to_string(number);
  order data;
  data.number = number;
  data.due_ns = due.time_since_epoch().count();
  const bool is_new = co_await orchestrator_->start("order", id, data);
  if (!is_new) throw error(errc::internal_error, "saga " + id + " had been started before");
}

void orchestrating_worker::observe(const sagas::instance& one) {
  if (!sagas::is_final(one.phase) && one.phase != sagas::phase::parked) return;
  const auto now = steady::now();
  const order data = order::from_bytes(one.data);
  arrivals_.saw(0, 0, data.number);
  if (one.phase != sagas::phase::completed) arrivals_.saw_damaged();
  took(steady::time_point(std::chrono::nanoseconds(data.due_ns)), now);
  counted().add(1, 0);
  ++ended_;
  wake();
}

discrepancies orchestrating_worker::found(blocking_client& broker) const {
  discrepancies all = arrivals_.against({started_});
  const auto left_in = [&](const std::string& topic, std::string_view queue) {
    const queue_info left = broker.describe_queue(topic, std::string(queue));
    return left.ready + left.leased + left.parked + left.dead;
  };
  all.missing += left_in(sagas::inputs_topic(how_.name), sagas::orchestrator_queue);
  all.missing += left_in(sagas::commands_topic(service_), sagas::participant_queue);
  std::uint64_t handled = 0;
  for (const partition_info& each : broker.describe_topic(sagas::inbox_topic(service_)).partitions)
    handled += each.end.value();
  const std::uint64_t wanted = started_ * commands_each;
  if (handled < wanted) all.missing += wanted - handled;
  if (handled > wanted) all.repeated += handled - wanted;
  return all;
}

}  // namespace skald::cli::bench
