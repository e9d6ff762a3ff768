// skald-curves: how skald does with ever more of everything. See README.md.

#include <sys/utsname.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "bench/curves/curves.hpp"
#include "bench/limit/files.hpp"
#include "bench/limit/process.hpp"
#include "tools/bench/embedded_broker.hpp"

namespace skald::bench::curves {
namespace {

struct options {
  std::vector<std::string> curves;
  std::filesystem::path daemon;
  std::filesystem::path directory = "/var/tmp";
  std::filesystem::path results = ".";
  double seconds = 3;
  std::size_t rounds = 3;
  std::uint64_t most_bytes = 20'000'000'000;
  std::uint64_t retention_bytes = std::uint64_t{1} << 30;
  bool quick = false;
  std::optional<std::uint64_t> point;
};

std::vector<curve> choose(const options& chosen) {
  std::vector<curve> all = all_curves();
  if (chosen.curves.empty()) return all;
  std::erase_if(all, [&](const curve& each) { return !std::ranges::count(chosen.curves, each.name); });
  return all;
}

plan plan_of(const options& chosen) {
  const auto duration = std::chrono::duration<double>(chosen.quick ? 0.1 : chosen.seconds);
  return {.with = {.daemon = chosen.daemon,
                   .directory = {},
                   .duration = std::chrono::duration_cast<limit::steady_clock::duration>(duration),
                   .daemon_arguments = {}},
          .rounds = chosen.quick ? 1 : chosen.rounds,
          .quick = chosen.quick,
          .point = chosen.point,
          .most_bytes = chosen.quick ? 8'000'000 : chosen.most_bytes,
          .retention_bytes = chosen.quick ? 32u << 20 : chosen.retention_bytes};
}

// Throws std::runtime_error, saying which curve it is, when the disk has not what the largest one needs.
limit::scratch_directory scratch_for(const std::vector<curve>& curves, const plan& by,
                                     const std::filesystem::path& parent) {
  std::uint64_t most = 0;
  std::string name;
  for (const curve& each : curves) {
    const std::uint64_t bytes = each.bytes_needed(by);
    if (bytes <= most) continue;
    most = bytes;
    name = each.name;
  }
  try {
    return limit::scratch_directory(parent, most);
  } catch (const std::system_error&) {
    throw;
  } catch (const std::runtime_error& refused) {
    throw std::runtime_error(name + ": " + refused.what() +
                             (name == "backlog" ? ", or a smaller --most" : ""));
  }
}

std::vector<std::string> remarks(const curve& of, const plan& by) {
  utsname is{};
  ::uname(&is);
  char day[32]{};
  const std::time_t now = std::time(nullptr);
  std::strftime(day, sizeof day, "%Y-%m-%d", std::localtime(&now));
  return {"skald-curves: " + of.what + ", " + day,
          std::to_string(::sysconf(_SC_NPROCESSORS_ONLN)) + " processors, Linux " + is.release + ", " +
              cli::bench::file_system_of(by.with.directory) + "; client and broker on the same machine"};
}

// Whether all went well. Throws limit::interrupted.
bool measure(const curve& what, const plan& by, const std::filesystem::path& results) {
  std::fprintf(stderr, "%s: %s\n", what.name.c_str(), what.what.c_str());
  table into(results / (what.name + ".csv"), remarks(what, by), what.columns);
  try {
    what.measure(by, into);
  } catch (const std::exception& failed) {
    if (limit::interrupt_requested()) {
      into.remark("interrupted: this is a part of the curve");
      throw limit::interrupted();
    }
    into.fail(failed.what());
  }
  return !into.failed();
}

int run(const options& chosen) {
  const std::vector<curve> curves = choose(chosen);
  plan by = plan_of(chosen);
  raise_descriptor_limit();
  std::filesystem::create_directories(chosen.results);
  const limit::scratch_directory scratch = scratch_for(curves, by, chosen.directory);
  by.with.directory = scratch.path();
  bool good = true;
  for (const curve& each : curves) good = measure(each, by, chosen.results) && good;
  return good ? 0 : 1;
}

void list() {
  for (const curve& each : all_curves()) std::printf("%-12s %s\n", each.name.c_str(), each.what.c_str());
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const curve& each : all_curves()) all.push_back(each.name);
  return all;
}

}  // namespace
}  // namespace skald::bench::curves

int main(int argc, char** argv) {
  using namespace skald::bench::curves;
  CLI::App app{"Measures how skald does with ever more of everything, and writes a CSV file for each curve."};
  options chosen;
  bool only_list = false;
  chosen.daemon = std::filesystem::read_symlink("/proc/self/exe").parent_path() / SKALDD_FROM_HERE;
  app.add_option("--curve", chosen.curves, "which, may be repeated [all]")->check(CLI::IsMember(names()));
  app.add_option("--skaldd", chosen.daemon, "the daemon to measure");
  app.add_option("--dir", chosen.directory,
                 "where the brokers have their data, in a directory that is removed [/var/tmp]");
  app.add_option("--results", chosen.results, "where to put the CSV files [.]");
  app.add_option("--seconds", chosen.seconds, "for each figure [3]")->check(CLI::Range(0.1, 60.0));
  app.add_option("--rounds", chosen.rounds, "over all points of a curve [3]")->check(CLI::Range(1, 1000));
  app.add_option("--most", chosen.most_bytes, "what backlog stores [20GB]")
      ->transform(CLI::AsSizeValue(true))
      ->check(CLI::Range(std::uint64_t{1'000'000}, std::uint64_t{100'000'000'000'000}));
  app.add_option("--point", chosen.point,
                 "only where there are so many partitions, connections, bytes or consumers");
  app.add_flag("--quick", chosen.quick, "a few tiny points, to see that all of it works");
  app.add_flag("--list", only_list, "say which curves there are");
  CLI11_PARSE(app, argc, argv);
  skald::bench::limit::handle_interrupts();
  try {
    if (only_list) {
      list();
      return 0;
    }
    if (::access(chosen.daemon.c_str(), X_OK) != 0) {
      throw std::system_error(
          errno, std::generic_category(),
          "cannot run " + chosen.daemon.string() + " (build skaldd, or name it: --skaldd)");
    }
    return run(chosen);
  } catch (const std::exception& failed) {
    if (skald::bench::limit::interrupt_requested()) return 130;
    std::fprintf(stderr, "skald-curves: %s\n", failed.what());
    return 1;
  }
}
