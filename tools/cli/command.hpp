// What all commands share: the global options, the way they are declared, and the connection.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <skald/blocking_client.hpp>

#include "tools/cli/exit_code.hpp"
#include "tools/cli/moment.hpp"

namespace skald::cli {

inline constexpr std::string_view default_broker = "127.0.0.1:7411";

struct global_options {
  std::string broker{default_broker};
  std::chrono::milliseconds timeout{10'000};
  bool json = false;
  bool quiet = false;
};

// What the command line chose; main() runs it after parsing, so that no error of it looks like one of usage.
using action = std::function<exit_code()>;

// Each declares one command. `globals` and `chosen` have to outlive `app`.
void add_topic_command(CLI::App& app, const global_options& globals, action& chosen);
void add_pub_command(CLI::App& app, const global_options& globals, action& chosen);
void add_sub_command(CLI::App& app, const global_options& globals, action& chosen);
// get, events, keys
void add_key_commands(CLI::App& app, const global_options& globals, action& chosen);
void add_request_command(CLI::App& app, const global_options& globals, action& chosen);
void add_serve_command(CLI::App& app, const global_options& globals, action& chosen);
void add_service_command(CLI::App& app, const global_options& globals, action& chosen);
void add_group_command(CLI::App& app, const global_options& globals, action& chosen);
void add_queue_command(CLI::App& app, const global_options& globals, action& chosen);
void add_dead_command(CLI::App& app, const global_options& globals, action& chosen);
void add_timer_command(CLI::App& app, const global_options& globals, action& chosen);
void add_saga_command(CLI::App& app, const global_options& globals, action& chosen);
void add_trace_command(CLI::App& app, const global_options& globals, action& chosen);
void add_doctor_command(CLI::App& app, const global_options& globals, action& chosen);
void add_status_command(CLI::App& app, const global_options& globals, action& chosen);
void add_ping_command(CLI::App& app, const global_options& globals, action& chosen);

// Connects within the timeout. Throws command_error (cannot_connect) with what to do about it.
blocking_client connect(const global_options& globals);

// What the client library calls it.
start_point to_start_point(const start_position& from);

// How a command ends that failed like this.
command_error to_command_error(const error& failed);

// What `failed` says about `topic`: with the name in front where the broker left it out, and with what to do.
error about(const std::string& topic, const error& failed);

// Runs `work`, and lets its errors say which topic they are about.
template <class Work>
auto about_topic(const std::string& topic, Work work) {
  try {
    return work();
  } catch (const error& failed) {
    throw about(topic, failed);
  }
}

// For CLI::Option::check(): what is not such a number, or none of these words, is a usage error in our words.
CLI::Validator whole_number(std::uint64_t min, std::uint64_t max = std::numeric_limits<std::uint32_t>::max());
CLI::Validator one_of(std::vector<std::string> words);

// Declares an option whose text `parse` turns into a result<T>; a failure is a usage error.
template <class T, class Parse>
CLI::Option* add_parsed_option(CLI::App& app, const std::string& name, T& into, Parse parse,
                               const std::string& description, const std::string& type) {
  return app
      .add_option_function<std::string>(
          name,
          [&into, parse, name](const std::string& text) {
            auto parsed = parse(text);
            if (!parsed) throw CLI::ValidationError(name, parsed.error().message);
            into = *parsed;
          },
          description)
      ->type_name(type);
}

}  // namespace skald::cli
