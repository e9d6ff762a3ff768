#include "tools/bench/run.hpp"

#include <algorithm>
#include <exception>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>

#include "tools/bench/control.hpp"
#include "tools/bench/crew.hpp"
#include "tools/bench/embedded_broker.hpp"
#include "tools/bench/limit_process.hpp"
#include "tools/bench/report.hpp"
#include "tools/bench/target.hpp"
#include "tools/bench/yardstick.hpp"
#include "tools/cli/interrupts.hpp"
#include "tools/cli/output.hpp"
#include "tools/cli/progress.hpp"
#include "tools/cli/quantity.hpp"
#include "tools/cli/text_encoding.hpp"

namespace skald::cli::bench {
namespace {

constexpr std::chrono::milliseconds tick{100};
constexpr std::chrono::milliseconds settling_tick{5};
constexpr std::chrono::milliseconds stall_grace{2000};  // twice what the lowest rate takes for a record
constexpr std::streamsize file_bytes_max = 256 << 20;

payload_pool load_payloads(const options& with) {
  if (with.file.empty())
    return payload_pool::generated(with.size.min, with.size.max, with.payload, with.batch_bytes);
  const auto unusable = [&](const std::string& why) {
    return command_error(exit_code::failed, "--file " + printable(with.file) + ": " + why);
  };
  std::ifstream in(with.file, std::ios::binary | std::ios::ate);
  if (!in) throw unusable("it cannot be read");
  const std::streamsize size = in.tellg();
  if (size > file_bytes_max) throw unusable("it is larger than 256 MiB; a sample of it will do");
  in.seekg(0);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  auto made = payload_pool::of_lines(bytes);
  if (!made) throw unusable(made.error().message);
  return *std::move(made);
}

std::string_view verb_of(workload what) {
  switch (what) {
    case workload::publish:
      return "published";
    case workload::request:
      return "answered";
    case workload::saga:
      return "completed";
    default:
      return "consumed";
  }
}

std::string_view noun_of(workload what) {
  if (what == workload::request) return "request";
  return what == workload::saga ? "saga" : "record";
}

std::string message_of(const std::exception_ptr& why) {
  try {
    std::rethrow_exception(why);
  } catch (const std::exception& failed) {
    return failed.what();
  }
}

class bench_run {
 public:
  bench_run(const global_options& globals, const options& with, control& run, target& on)
      : with_(with),
        run_(run),
        on_(on),
        scene_{{on.address(), globals.timeout}, &run, on.topic(), on.records_before()},
        patience_(globals.timeout),
        stall_max_(globals.timeout + globals.timeout / 2 + stall_grace),
        watched_(progress::wanted(globals.quiet, false)) {}

  // Measures, and fills the report. What goes wrong is in there, too.
  void go(const payload_pool& payloads, report& into);

 private:
  std::unique_ptr<crew> fill(const payload_pool& payloads);
  crew assemble(const payload_pool& payloads, const crew* filled) const;
  void start_all(crew& workers);
  // These return false when the run is to stop.
  bool measure(crew& workers, report& into);
  bool run_until(crew& workers, steady::time_point at);
  bool run_until_done(crew& workers);
  bool settle(crew& workers);

  void tell(const crew& workers);
  void expect_progress(std::uint64_t records);
  sample look(const crew& workers);
  std::uint64_t records_of(const crew& workers) const;
  double written_share() const;

  const options& with_;
  control& run_;
  target& on_;
  scene scene_;
  std::chrono::milliseconds patience_;   // of one operation
  std::chrono::milliseconds stall_max_;  // longer than one, which says more when it fails
  bool watched_;                         // by a person, who is shown this:
  std::optional<progress> shown_;
  std::uint64_t records_seen_ = 0;
  steady::time_point progress_seen_ = steady::now();
};

void bench_run::go(const payload_pool& payloads, report& into) {
  const std::unique_ptr<crew> filled = fill(payloads);
  shown_.emplace(watched_, verb_of(with_.what), noun_of(with_.what));
  if (run_.stopping()) return;
  crew workers = assemble(payloads, filled.get());
  into.latency_of = workers.latency_of;
  start_all(workers);
  const bool whole = measure(workers, into) && settle(workers);
  if (!whole) workers.disband();
  for (const worker* one : workers.all()) into.latency.merge(one->latencies());
  if (!whole) return;
  const verification is = workers.verify(on_.broker());
  into.verified = is.records;
  into.found = is.found;
  into.unsent = is.unsent;
}

std::unique_ptr<crew> bench_run::fill(const payload_pool& payloads) {
  if (with_.what != workload::consume || with_.existing) return nullptr;
  shown_.emplace(watched_, verb_of(workload::publish));
  auto filling =
      std::make_unique<crew>(filling_crew(with_, scene_, payloads, preload_of(with_, payloads.mean_bytes())));
  start_all(*filling);
  const auto now = steady::now();
  run_.set({.start = now, .from = now, .until = steady::time_point::max()});
  for (worker* one : filling->all()) one->begin();
  if (!run_until_done(*filling)) return nullptr;
  filling->collect_sent();
  return filling;
}

crew bench_run::assemble(const payload_pool& payloads, const crew* filled) const {
  switch (with_.what) {
    case workload::publish:
      return publishing_crew(with_, scene_, payloads);
    case workload::consume:
      return consuming_crew(with_, scene_, filled ? filled->sent.get() : nullptr);
    case workload::pubsub:
    case workload::fanout:
      return subscribing_crew(with_, scene_, payloads);
    case workload::queue:
      return queueing_crew(with_, scene_, payloads);
    case workload::request:
      return requesting_crew(with_, scene_, payloads);
    case workload::saga:
      return orchestrating_crew(with_, scene_);
  }
  return {};
}

void bench_run::start_all(crew& workers) {
  run_.next_workers();
  // Followers first: responders and consumers are there when the first record comes.
  const auto all = workers.all();
  for (worker* one : all) one->start();
  run_.wait_ready(all.size());
}

bool bench_run::measure(crew& workers, report& into) {
  if (run_.stopping()) return false;
  const bool by_count = with_.count != 0;
  sample before = look(workers);
  const auto start = before.at;
  const auto from = start + with_.warm_up;
  run_.set(
      {.start = start, .from = from, .until = by_count ? steady::time_point::max() : from + with_.duration});
  for (worker* one : workers.all()) one->begin();
  progress_seen_ = start;
  bool going = true;
  if (with_.warm_up.count() != 0) {
    going = run_until(workers, from);
    before = look(workers);
  }
  into.warm_up = before.at - start;
  if (going) going = by_count ? run_until_done(workers) : run_until(workers, run_.times().until);
  compare(before, look(workers), written_share(), into);
  shown_->clear();
  return going;
}

bool bench_run::run_until(crew& workers, steady::time_point at) {
  while (steady::now() < at) {
    if (!run_.wait_until(std::min(at, steady::now() + tick))) return false;
    tell(workers);
  }
  return !run_.stopping();
}

bool bench_run::run_until_done(crew& workers) {
  const auto done = [&] { return run_.wait_done(workers.leaders.size(), steady::now() + tick); };
  while (!done()) {
    if (run_.stopping()) return false;
    tell(workers);
  }
  for (const auto& one : workers.leaders) one->join();
  if (workers.collect_sent) workers.collect_sent();
  while (!workers.all_complete()) {
    if (!run_.wait_until(steady::now() + settling_tick)) return false;
    tell(workers);
  }
  return !run_.stopping();
}

bool bench_run::settle(crew& workers) {
  if (!run_until_done(workers)) return false;
  for (const auto& one : workers.followers) one->finish();
  const std::size_t all = workers.leaders.size() + workers.followers.size();
  if (!run_.wait_done(all, steady::now() + patience_)) {
    if (!run_.stopping())
      run_.fail(std::make_exception_ptr(command_error(
          exit_code::failed, "the consumers did not end within " + format_duration(patience_))));
    return false;
  }
  for (const auto& one : workers.followers) one->join();
  return true;
}

void bench_run::tell(const crew& workers) {
  std::uint64_t bytes = 0;
  for (const counter* one : workers.counted) bytes += one->bytes.load(std::memory_order_relaxed);
  const std::uint64_t records = records_of(workers);
  shown_->update(records, bytes);
  expect_progress(records);
}

void bench_run::expect_progress(std::uint64_t records) {
  const auto now = steady::now();
  if (records != records_seen_) {
    records_seen_ = records;
    progress_seen_ = now;
  } else if (now - progress_seen_ > stall_max_) {
    run_.fail(std::make_exception_ptr(command_error(
        exit_code::failed,
        "nothing has come through for " + format_duration(stall_max_) + ": records are lost, or stuck")));
  }
}

std::uint64_t bench_run::records_of(const crew& workers) const {
  std::uint64_t all = 0;
  for (const counter* one : workers.counted) all += one->records.load(std::memory_order_relaxed);
  return all;
}

sample bench_run::look(const crew& workers) {
  sample is = on_.look();
  is.at = steady::now();
  is.records = records_of(workers);
  for (const counter* one : workers.counted) is.bytes += one->bytes.load(std::memory_order_relaxed);
  return is;
}

double bench_run::written_share() const {
  if (with_.what == workload::consume || with_.what == workload::request || with_.what == workload::saga)
    return 0;
  return with_.what == workload::fanout ? 1.0 / with_.consumers : 1.0;
}

// ---- before and after ------------------------------------------------------------------------------------

bool passes(workload what, const discrepancies& found) {
  // A queue promises each record at least once, and says in the report how many came again.
  return found.missing == 0 && found.damaged == 0 && (found.repeated == 0 || what == workload::queue);
}

void conclude(report& of, const options& with, const control& run, const interrupts& stopping) {
  if (const std::exception_ptr why = run.failure()) {
    of.ended = ending::failed;
    of.why = message_of(why);
  } else if (stopping.reason()) {
    of.ended = ending::interrupted;
  } else if (!passes(with.what, of.found)) {
    of.ended = ending::failed;
    of.why = "what came is not what was sent: " + of.found.text();
  }
  constexpr double reached = 0.99;
  if (of.ended == ending::complete && with.rate != 0 &&
      of.records_per_second() < reached * static_cast<double>(of.rate_wanted))
    of.remarks.emplace_back(
        "the wanted rate was not reached; latencies include the time that records waited to be sent");
}

exit_code finish(const global_options& globals, const report& of, const interrupts& stopping) {
  print(globals.json ? to_json(of) + "\n" : to_text(of));
  if (of.ended == ending::complete) return exit_code::ok;
  if (of.ended == ending::interrupted) return *stopping.reason();
  complain("bench: " + of.why);
  return exit_code::failed;
}

// Measures the machine, once, if that is wanted and possible; what is not is in the report's remarks.
class machine_limit {
 public:
  machine_limit(const options& with, double mean_bytes, const std::filesystem::path& directory) {
    if (!with.limit) return;
    against_ = yardstick_for(with, mean_bytes);
    if (against_->what != yardstick::kind::none) process_.emplace(*against_, directory);
  }

  void measure_before(const interrupts& stopping, report& into) {
    if (!against_) return;
    into.limit = {.of = against_->text};
    if (!process_) return;
    into.limit->unit = to_string(against_->in);
    into.limit->before = measure(stopping, into);
  }
  void measure_after(const interrupts& stopping, report& into) {
    if (process_ && into.limit && into.limit->before) into.limit->after = measure(stopping, into);
    process_.reset();
  }

 private:
  std::optional<limit_reading> measure(const interrupts& stopping, report& into) {
    if (stopping.reason()) return std::nullopt;
    try {
      return process_->measure(stopping.descriptor());
    } catch (const command_error& failed) {
      if (!stopping.reason()) into.remarks.emplace_back(failed.what());
      return std::nullopt;
    }
  }

  std::optional<yardstick> against_;
  std::optional<limit_process> process_;
};

void check_place(const global_options& globals, const options& with, bool embedded) {
  if (embedded) return;
  if (with.limit && !is_local(globals.broker))
    throw command_error(exit_code::usage, "--limit measures this machine, and the broker at " +
                                              printable(globals.broker) + " is on another one");
  if (!with.directory.empty() && !with.limit)
    throw command_error(exit_code::usage, "--dir is for a broker of its own, and another one is named");
}

}  // namespace

exit_code run(const global_options& globals, options with, bool embedded) {
  check_place(globals, with, embedded);
  const payload_pool payloads = load_payloads(with);
  if (!with.existing) with.partitions = partitions_of(with);
  const std::filesystem::path directory =
      with.directory.empty() ? embedded_broker::default_parent() : std::filesystem::path(with.directory);
  // Both before any thread, and in this order: neither holds what keeps the other alive.
  machine_limit limit(with, payloads.mean_bytes(), directory);
  std::optional<embedded_broker> own;
  if (embedded) own.emplace(directory);
  control workers;
  interrupts stopping([&] { workers.stop(); });

  report made;
  {
    target on(globals, own ? &*own : nullptr);
    const disk_plan plan = plan_disk(with, preload_of(with, payloads.mean_bytes()), payloads.mean_bytes());
    on.check_room(plan);
    on.prepare_topic(with, plan);
    made.workload = to_string(with.what);
    made.unit = std::string(noun_of(with.what)) + "s";
    made.setting = bench::describe(with);
    made.broker = on.describe();
    made.remarks = on.remarks();
    made.rate_wanted = with.rate;
    limit.measure_before(stopping, made);
    try {
      bench_run(globals, with, workers, on).go(payloads, made);
    } catch (const std::exception&) {
      workers.fail(std::current_exception());
    }
    limit.measure_after(stopping, made);
    conclude(made, with, workers, stopping);
  }
  own.reset();
  return finish(globals, made, stopping);
}

}  // namespace skald::cli::bench
