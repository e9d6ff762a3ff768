// What all commands share: the global options, the way they are declared, and the connection.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include <skald/blocking_client.hpp>

#include "tools/cli/exit_code.hpp"
#include "tools/cli/record.hpp"

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
void add_status_command(CLI::App& app, const global_options& globals, action& chosen);
void add_ping_command(CLI::App& app, const global_options& globals, action& chosen);

// Connects within the timeout. Throws command_error (cannot_connect) with what to do about it.
blocking_client connect(const global_options& globals);

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

// What --header was given, each KEY=VALUE; anything else is a usage error. The views are into the texts.
std::vector<record_header> parse_headers(const std::vector<std::string>& texts);

}  // namespace skald::cli
