// skaldd, the daemon: reads its configuration, runs the broker until it is told to stop.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "broker/offline_commands.hpp"
#include "broker/server/config.hpp"
#include "broker/server/log.hpp"
#include "broker/server/server.hpp"

namespace {

namespace server = skald::server;

constexpr int exit_ok = 0;
constexpr int exit_failed = 1;
constexpr int exit_bad_usage = 2;

struct command_line {
  server::config_sources sources;
  bool check_config = false;
};

// Blocks the signals that end the daemon, in all threads to come, so that one thread can wait for them.
sigset_t block_stop_signals() {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

// A second signal means now. What was acknowledged is safe in the journal. One that comes at once is the same
// wish twice: shells and timeout(1) signal the process and then its group.
void exit_on_second(sigset_t signals) {
  std::thread([signals] {
    constexpr auto same_wish = std::chrono::milliseconds(500);
    const auto first = std::chrono::steady_clock::now();
    int signal = 0;
    do {
      sigwait(&signals, &signal);
    } while (std::chrono::steady_clock::now() - first < same_wish);
    server::logger().warn("told to stop again: ending at once; the next start replays the journal");
    std::_Exit(exit_failed);
  }).detach();
}

int serve(const server::daemon_config& config) {
  const sigset_t signals = block_stop_signals();
  server::configure_log(spdlog::level::from_str(config.log_level), config.log);
  server::server broker(config.server);
  const server::start_report is = broker.start();
  server::logger().info("skaldd {} is ready on {}:{}, data in {}: {} topics, {} partitions, opened in {} ms",
                        SKALD_VERSION, is.address, is.port, config.server.data_directory.string(), is.topics,
                        is.partitions, is.opened_in.count());
  int signal = 0;
  sigwait(&signals, &signal);
  server::logger().info("told to stop by {}; finishing what was accepted",
                        signal == SIGINT ? "SIGINT" : "SIGTERM");
  exit_on_second(signals);
  const bool in_time = broker.stop(config.stop_timeout);
  server::logger().info(in_time ? "stopped" : "stopped, not everything in time");
  return in_time ? exit_ok : exit_failed;
}

// How the help names the value of a setting.
std::string value_name(const server::setting& of) {
  switch (of.kind) {
    case server::setting_kind::number:
      return "N";
    case server::setting_kind::bytes:
      return "SIZE";
    case server::setting_kind::duration:
      return "DURATION";
    case server::setting_kind::text:
    case server::setting_kind::flag:
      break;
  }
  if (of.name == "data_dir") return "DIR";
  return of.name == "listen" ? "ADDRESS:PORT" : "NAME";
}

// As the help shows it: without the quotes of the file.
std::string default_value(const server::setting& of) {
  std::string shown = of.show(server::daemon_config());
  std::erase(shown, '"');
  return shown;
}

void add_settings(CLI::App& app, std::map<std::string, std::string>& flags) {
  for (const server::setting& one : server::all_settings()) {
    const auto keep = [&flags, name = one.name](const std::string& value) { flags[name] = value; };
    if (one.kind == server::setting_kind::flag) {
      app.add_flag_callback(one.flag(), [keep] { keep("true"); }, one.help);
      continue;
    }
    const std::string otherwise = default_value(one);
    const std::string help = otherwise.empty() ? one.help : fmt::format("{} [{}]", one.help, otherwise);
    app.add_option_function<std::string>(one.flag(), keep, help)->type_name(value_name(one));
  }
}

// A mistake on the command line, in one line. CLI11 does not say which command did not expect what.
std::string describe(const CLI::ParseError& mistake, const CLI::App& app) {
  std::string command = app.get_name();
  std::vector<std::string> unexpected = app.remaining();
  for (const CLI::App* one : app.get_subcommands()) {
    command += " " + one->get_name();
    const std::vector<std::string> more = one->remaining();
    unexpected.insert(unexpected.end(), more.begin(), more.end());
  }
  const bool extra = mistake.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError);
  const std::string what = extra && !unexpected.empty()
                               ? fmt::format("unexpected argument '{}'", unexpected.front())
                               : mistake.what();
  return fmt::format("{}; see {} --help", what, command);
}

constexpr const char* footer =
    R"(Each setting is also an environment variable, as in SKALD_DATA_DIR, and a line of the TOML file, as in
data_dir = "/var/lib/skald". A flag wins over the environment, that over the file.

Examples:
  skaldd --data-dir /var/lib/skald
  skaldd --config /etc/skald.toml --check-config
  skaldd verify --data-dir /var/lib/skald

Exit status: 0 stopped in order, 1 could not start or not everything was finished in time, 2 usage or
configuration, 70 the disk failed to keep what was written.)";

int run(int argc, char** argv) {
  CLI::App app(
      "skaldd, a durable message broker. Settings come from flags, the environment, and a TOML file.",
      "skaldd");
  app.set_version_flag("--version", "skaldd " SKALD_VERSION);
  command_line given;
  std::string file;
  app.get_formatter()->column_width(34);
  app.get_formatter()->label("SUBCOMMAND", "COMMAND");
  app.get_formatter()->label("REQUIRED", "");
  app.footer(footer);
  auto* const config_option =
      app.add_option("--config", file, "A TOML file of settings [SKALD_CONFIG]")->type_name("FILE");
  app.add_flag("--check-config", given.check_config, "Print the effective configuration and exit");
  add_settings(app, given.sources.flags);
  const skald::offline_commands offline(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& end) {
    if (end.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) return app.exit(end);
    fmt::print(stderr, "skaldd: {}\n", describe(end, app));
    return exit_bad_usage;
  }
  if (const auto done = offline.run()) return *done;

  given.sources.environment = server::skald_environment();
  const auto named = given.sources.environment.find("SKALD_CONFIG");
  if (config_option->count() > 0) {
    given.sources.file = file;
  } else if (named != given.sources.environment.end()) {
    given.sources.file = named->second;
  }
  const server::loaded_config loaded = server::load_config(given.sources);
  for (const std::string& one : loaded.warnings) fmt::print(stderr, "skaldd: warning: {}\n", one);
  for (const std::string& one : loaded.errors) fmt::print(stderr, "skaldd: {}\n", one);
  if (!loaded.errors.empty()) return exit_bad_usage;
  if (given.check_config) {
    fmt::print("{}", server::show_config(loaded.config));
    return exit_ok;
  }
  return serve(loaded.config);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& failed) {
    fmt::print(stderr, "skaldd: {}\n", failed.what());
    return exit_failed;
  }
}
