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
#include <vector>

#include "bench/compare/measure.hpp"
#include "bench/compare/peer.hpp"
#include "bench/compare/results.hpp"
#include "bench/limit/process.hpp"

namespace skald::bench::compare {
namespace {

struct options {
  std::vector<std::string> brokers;
  std::vector<std::size_t> record_bytes{16, 100, 1024, 16 << 10};
  std::filesystem::path directory = ".";
  double seconds = 3;
  std::size_t repetitions = 5;
  std::size_t in_flight_bytes = 4 << 20;
  std::string csv;
  std::string json;
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

// Every other repetition runs backwards, so that a machine that drifts favours nobody.
void repeat(const std::vector<candidate>& all, const shape& how, const options& chosen,
            std::vector<row>& into) {
  std::vector<row> rows;
  for (const candidate& one : all)
    rows.push_back({.name = one.name(), .acknowledges = one.acknowledges, .record_bytes = how.record_bytes});
  for (std::size_t repetition = 0; repetition < chosen.repetitions; ++repetition) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::size_t at = repetition % 2 == 0 ? i : all.size() - 1 - i;
      std::fprintf(stderr, "%zu B, repetition %zu: %s\n", how.record_bytes, repetition + 1,
                   all[at].name().c_str());
      try {
        rows[at].repetitions.push_back(measure_once(all[at], how, chosen.directory));
      } catch (const limit::interrupted&) {
        throw;
      } catch (const std::exception& failed) {
        limit::throw_if_interrupted();
        rows[at].trouble = failed.what();
        std::fprintf(stderr, "failed: %s: %s\n", all[at].name().c_str(), failed.what());
      }
    }
  }
  into.insert(into.end(), rows.begin(), rows.end());
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
  }
}

// What there is, also of a run that was cut short.
void show(const std::vector<row>& rows, const options& chosen) {
  print_table(std::cout, rows);
  if (!chosen.csv.empty()) {
    std::ofstream out(chosen.csv);
    print_csv(out, rows);
  }
  if (!chosen.json.empty()) {
    std::ofstream out(chosen.json);
    print_json(out, rows, machine());
  }
}

int run(const options& chosen) {
  const std::vector<candidate> all = choose(chosen);
  std::vector<row> rows;
  bool interrupted = false;
  try {
    for (const std::size_t bytes : chosen.record_bytes) {
      const auto time = milliseconds(static_cast<std::int64_t>(chosen.seconds * 1000));
      repeat(all, {.record_bytes = bytes, .in_flight_bytes = chosen.in_flight_bytes, .time = time}, chosen,
             rows);
    }
  } catch (const limit::interrupted&) {
    interrupted = true;
    std::fprintf(stderr, "interrupted: what follows is partial\n");
  }
  show(rows, chosen);
  if (interrupted) return 130;
  const bool good = std::ranges::all_of(rows, [](const row& of) { return of.trouble.empty(); });
  return good ? 0 : 1;
}

}  // namespace
}  // namespace skald::bench::compare

int main(int argc, char** argv) {
  using namespace skald::bench::compare;
  CLI::App app{"Measures skald and other brokers on this machine, alternating, each with a fresh server."};
  options chosen;
  bool only_list = false;
  app.add_option("brokers", chosen.brokers,
                 "which: a broker (nats) or one with its setting (nats/fsync) [all]");
  app.add_option("--bytes", chosen.record_bytes, "sizes of a record")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(std::size_t{16}, std::size_t{1} << 20));
  app.add_option("--dir", chosen.directory,
                 "where servers have their data, each in a directory that is removed")
      ->check(CLI::ExistingDirectory);
  app.add_option("--seconds", chosen.seconds, "to publish, in each repetition")
      ->check(CLI::Range(0.1, 600.0));
  app.add_option("--repetitions", chosen.repetitions, "of everything")->check(CLI::Range(1, 1000));
  app.add_option("--in-flight", chosen.in_flight_bytes,
                 "bytes that may be unacknowledged, and 16,384 records")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(std::size_t{1}, std::size_t{64} << 20));
  app.add_option("--csv", chosen.csv, "write the figures to this file as well, for plot.sh");
  app.add_option("--json", chosen.json, "likewise, with each repetition");
  app.add_flag("--list", only_list, "say which brokers there are, and which are missing");
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
