// skald-compare: the same workloads on skald and on other brokers, one broker at a time. See README.md.

#include <sys/utsname.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "bench/compare/measure.hpp"
#include "bench/compare/peer.hpp"
#include "bench/compare/results.hpp"
#include "bench/limit/process.hpp"

namespace skald::bench::compare {
namespace {

using counts = std::vector<std::size_t>;

struct options {
  std::vector<std::string> brokers;
  std::vector<workload> workloads = all_workloads();
  counts record_bytes{16, 100, 1024, 16 << 10};
  counts rates{1'000, 10'000};
  counts requests{1, 64};
  counts subscribers{1, 10, 100};
  counts workers{1, 4};
  counts streams{1, 100, 1'000};
  std::filesystem::path directory = ".";
  double seconds = 3;
  std::size_t repetitions = 3;
  std::size_t in_flight_bytes = 4 << 20;
  std::string csv;
  std::string json;

  bool wants(workload what) const { return std::ranges::find(workloads, what) != workloads.end(); }
};

bool wanted(const candidate& one, const options& chosen) {
  if (chosen.brokers.empty()) return true;
  return std::ranges::any_of(
      chosen.brokers, [&](const std::string& name) { return name == one.broker || name == one.name(); });
}

std::vector<candidate> choose(const options& chosen) {
  std::vector<candidate> all = all_candidates();
  std::erase_if(all, [&](const candidate& one) { return !wanted(one, chosen); });
  if (all.empty()) throw std::runtime_error("no broker is called that; see --list");
  std::erase_if(all, [](const candidate& one) {
    const auto why = one.missing();
    if (why) std::fprintf(stderr, "skipped: %s: %s\n", one.name().c_str(), why->c_str());
    return why.has_value();
  });
  return all;
}

std::vector<task> plan(const options& chosen) {
  const task common{.in_flight_bytes = chosen.in_flight_bytes,
                    .time = milliseconds(static_cast<std::int64_t>(chosen.seconds * 1000))};
  std::vector<task> all;
  if (chosen.wants(workload::publish) || chosen.wants(workload::consume)) {
    for (const std::size_t bytes : chosen.record_bytes) {
      all.push_back(common);
      all.back().record_bytes = bytes;
    }
  }
  const auto add = [&](workload what, const counts& variants) {
    if (!chosen.wants(what)) return;
    for (const std::size_t count : variants) {
      all.push_back(common);
      all.back().what = what;
      all.back().count = count;
    }
  };
  add(workload::latency, chosen.rates);
  add(workload::request, chosen.requests);
  add(workload::fanout, chosen.subscribers);
  add(workload::queue, chosen.workers);
  add(workload::streams, chosen.streams);
  return all;
}

row& row_of(const candidate& one, workload what, const std::string& variant, std::vector<row>& rows) {
  const auto found = std::ranges::find_if(
      rows, [&](const row& of) { return of.what == what && of.name == one.name() && of.variant == variant; });
  if (found != rows.end()) return *found;
  rows.push_back({.what = what, .name = one.name(), .acknowledges = one.acknowledges, .variant = variant});
  return rows.back();
}

void measure_into(std::vector<row>& rows, const candidate& one, const task& how, const options& chosen) {
  try {
    for (outcome& each : measure_once(one, how, chosen.directory)) {
      if (!chosen.wants(each.what)) continue;
      row_of(one, each.what, how.variant(), rows).repetitions.push_back(std::move(each.figures));
    }
  } catch (const limit::interrupted&) {
    throw;
  } catch (const std::exception& failed) {
    limit::throw_if_interrupted();
    std::string why = failed.what();
    std::ranges::replace(why, '\n', ' ');  // of what a server said
    std::fprintf(stderr, "failed: %s: %s\n", one.name().c_str(), why.c_str());
    const workload shown = chosen.wants(how.what) ? how.what : workload::consume;
    row_of(one, shown, how.variant(), rows).trouble = std::move(why);
  }
}

// The task that measures it: consume comes with publish.
workload part_of(workload what) {
  return what == workload::consume ? workload::publish : what;
}

// Every other repetition runs backwards, so that a machine that drifts favours nobody.
void repeat(std::vector<candidate> all, const task& how, const options& chosen, std::vector<row>& rows) {
  std::erase_if(all, [&](const candidate& one) {
    for (const auto& [what, why] : one.cannot)
      if (chosen.wants(what) && part_of(what) == how.what) row_of(one, what, "", rows).cannot = why;
    return one.cannot.contains(how.what);
  });
  for (std::size_t repetition = 0; repetition < chosen.repetitions; ++repetition) {
    for (const candidate& one : all) {
      std::fprintf(stderr, "%s, %s, repetition %zu: %s\n", std::string(to_string(how.what)).c_str(),
                   how.variant().c_str(), repetition + 1, one.name().c_str());
      measure_into(rows, one, how, chosen);
    }
    std::ranges::reverse(all);
  }
}

std::string machine() {
  utsname is{};
  ::uname(&is);
  return std::to_string(::sysconf(_SC_NPROCESSORS_ONLN)) + " processors, Linux " + is.release;
}

void list() {
  for (const candidate& one : all_candidates()) {
    const auto why = one.missing();
    std::cout << one.name() << ": acknowledges from " << to_string(one.acknowledges)
              << (one.settings_file.empty() ? "" : ", settings/" + one.settings_file)
              << (why ? "; missing: " + *why : "") << '\n';
    if (why) continue;
    for (const auto& [what, reason] : one.cannot)
      std::cout << "    no " << to_string(what) << ": " << reason << '\n';
  }
}

// What there is, also of a run that was cut short.
void show(const results& all, const options& chosen) {
  print_table(std::cout, all);
  if (!chosen.csv.empty()) {
    std::ofstream out(chosen.csv);
    print_csv(out, all);
  }
  if (!chosen.json.empty()) {
    std::ofstream out(chosen.json);
    print_json(out, all);
  }
}

int run(const options& chosen) {
  const std::vector<candidate> brokers = choose(chosen);
  results all{.machine = machine()};
  try {
    for (const task& how : plan(chosen)) repeat(brokers, how, chosen, all.rows);
  } catch (const limit::interrupted&) {
    all.complete = false;
  }
  show(all, chosen);
  if (!all.complete) return 130;
  const bool good = std::ranges::all_of(all.rows, [](const row& of) { return of.trouble.empty(); });
  return good ? 0 : 1;
}

void describe(CLI::App& app, options& chosen) {
  std::map<std::string, workload> names;
  for (const workload each : all_workloads()) names[std::string(to_string(each))] = each;
  app.add_option("brokers", chosen.brokers,
                 "which: a broker (nats) or one with its setting (nats/fsync) [all]");
  app.add_option("--workload", chosen.workloads, "which of them [all]")
      ->delimiter(',')
      ->transform(CLI::CheckedTransformer(names))
      ->type_name("NAME,...");
  app.add_option("--bytes", chosen.record_bytes, "publish, consume: sizes of a record; 100 elsewhere")
      ->delimiter(',')
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(std::size_t{16}, std::size_t{1} << 20));
  const auto add_counts = [&](const char* name, counts& which, std::size_t most, const char* what) {
    app.add_option(name, which, what)->delimiter(',')->check(CLI::Range(std::size_t{1}, most));
  };
  add_counts("--rates", chosen.rates, 1'000'000, "latency: records a second");
  add_counts("--requests", chosen.requests, 10'000, "request: how many are in flight");
  add_counts("--subscribers", chosen.subscribers, 1'000, "fanout: how many there are");
  add_counts("--workers", chosen.workers, 100, "queue: how many there are");
  add_counts("--streams", chosen.streams, 10'000, "streams: how many there are");
  app.add_option("--dir", chosen.directory,
                 "where servers have their data, each in a directory that is removed")
      ->check(CLI::ExistingDirectory);
  app.add_option("--seconds", chosen.seconds, "that each measurement sends")->check(CLI::Range(0.1, 600.0));
  app.add_option("--repetitions", chosen.repetitions, "of everything")->check(CLI::Range(1, 1000));
  app.add_option("--in-flight", chosen.in_flight_bytes,
                 "bytes that may be unacknowledged, and 16,384 records")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(std::size_t{1}, std::size_t{64} << 20));
  app.add_option("--csv", chosen.csv, "write the figures to this file as well, for plot.sh");
  app.add_option("--json", chosen.json, "likewise, with each repetition");
}

}  // namespace
}  // namespace skald::bench::compare

int main(int argc, char** argv) {
  using namespace skald::bench::compare;
  CLI::App app{"Measures skald and other brokers on this machine, alternating, each with a fresh server."};
  options chosen;
  bool only_list = false;
  describe(app, chosen);
  app.add_flag("--list", only_list, "say which brokers there are, what is missing, and who cannot do what");
  CLI11_PARSE(app, argc, argv);
  skald::bench::limit::handle_interrupts();
  try {
    if (only_list) {
      list();
      return 0;
    }
    return run(chosen);
  } catch (const std::exception& failed) {
    if (skald::bench::limit::interrupt_requested()) return 130;
    std::fprintf(stderr, "skald-compare: %s\n", failed.what());
    return 1;
  }
}
