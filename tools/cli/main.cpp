// `skald`: publishes to, subscribes to and administers a broker from the shell.
#include <csignal>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/bench/bench_command.hpp"
#include "tools/cli/command.hpp"
#include "tools/cli/output.hpp"
#include "tools/cli/quantity.hpp"
#include "tools/cli/text_encoding.hpp"

namespace {

using namespace skald::cli;

constexpr const char* footer = R"(Examples:
  skald topic create orders --partitions 8
  tail -F app.log | skald pub orders --key-separator ' '
  skald sub orders --from earliest --format '%k %v'
  skald serve price -- ./price.sh
  skald request price '{"sku": 7}'
  skald bench publish
  skald COMMAND --help       says all about one command

Environment:
  SKALD_BROKER   the broker when -b is not given

Exit status:
  0    done
  1    failed: the broker refused, or a file could not be read or written
  2    usage: the command line is wrong; nothing was sent
  3    no connection: no broker answered at the address
  4    partly published: some records were acknowledged, then something failed
  5    timed out: the broker was reached, but an answer took longer than --timeout
  6    stuck: skald doctor has found something that does not go on by itself
  130  interrupted (SIGINT)
  141  the reader of the output went away, as in `skald sub orders | head`
  143  terminated (SIGTERM))";

constexpr std::string_view shared_options = R"(
Options of every command:
  -b,--broker HOST:PORT           The broker's address [SKALD_BROKER, else 127.0.0.1:7411]
  --timeout DURATION              How long to wait for each answer of the broker [10s]
  --output text|json              For people or for programs [text]
  -q,--quiet                      No progress, no notices; errors are still written
)";

// CLI11's help, in our words: and since every help stands alone, each command's ends with the options that
// all commands share.
class help_formatter final : public CLI::Formatter {
 public:
  help_formatter() {
    column_width(34);
    label("SUBCOMMAND", "COMMAND");
    label("REQUIRED", "");
  }
  // "--follow,--no-follow" rather than with "{false}" behind it.
  std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    constexpr std::string_view negation = "{false}";
    std::string name = Formatter::make_option_name(option, is_positional);
    if (const std::size_t at = name.find(negation); at != std::string::npos) name.erase(at, negation.size());
    return name;
  }
  std::string make_footer(const CLI::App* app) const override {
    if (app->get_parent() == nullptr) return Formatter::make_footer(app);
    return Formatter::make_footer(app) + std::string(shared_options);
  }
};

// What the command line named, outermost first: `skald`, then perhaps `topic` and `create`.
std::vector<const CLI::App*> parsed_commands(const CLI::App& app) {
  std::vector<const CLI::App*> commands{&app};
  while (!commands.back()->get_subcommands().empty()) {
    commands.push_back(commands.back()->get_subcommands().front());
  }
  return commands;
}

// A usage error in our words. CLI11 calls every command a subcommand, and does not say what it did not expect
// to be one.
std::string describe(const CLI::ParseError& error, const CLI::App& app) {
  std::string command;
  std::optional<std::string> unexpected;
  for (const CLI::App* each : parsed_commands(app)) {
    command += (command.empty() ? "" : " ") + each->get_name();
    if (const auto left = each->remaining(); !left.empty()) unexpected = printable(left.front());
  }
  std::string what = error.what();
  if (what == "A subcommand is required") {
    const bool named = unexpected && !unexpected->starts_with('-');
    what = named ? "there is no command '" + *unexpected + "'" : "a command is required";
  } else if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError) && unexpected) {
    what = "unexpected argument '" + *unexpected + "'";
  }
  return what + "; see " + command + " --help";
}

exit_code run(int argc, char** argv) {
  CLI::App app("Publishes to, subscribes to and administers a skald broker.", "skald");
  global_options globals;
  action chosen;

  app.formatter(std::make_shared<help_formatter>());
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(footer);
  app.set_version_flag("--version", "skald " SKALD_VERSION);
  app.add_option("-b,--broker", globals.broker, "The broker's address [127.0.0.1:7411]")
      ->envname("SKALD_BROKER")
      ->type_name("HOST:PORT");
  const auto parse_timeout = [](const std::string& text) -> skald::result<std::chrono::milliseconds> {
    auto parsed = parse_duration(text);
    if (parsed && parsed->count() == 0)
      return skald::failure{skald::errc::invalid_request, "it must be more than 0"};
    return parsed;
  };
  add_parsed_option(app, "--timeout", globals.timeout, parse_timeout,
                    "How long to wait for each answer of the broker [10s]", "DURATION");
  app.add_option_function<std::string>(
         "--output", [&](const std::string& name) { globals.json = name == "json"; },
         "text for people, json for programs [text]")
      ->check(one_of({"text", "json"}))
      ->type_name("FORMAT");
  app.add_flag("-q,--quiet", globals.quiet, "No progress, no notices; errors are still written");

  add_topic_command(app, globals, chosen);
  add_pub_command(app, globals, chosen);
  add_sub_command(app, globals, chosen);
  add_queue_command(app, globals, chosen);
  add_dead_command(app, globals, chosen);
  add_key_commands(app, globals, chosen);
  add_request_command(app, globals, chosen);
  add_serve_command(app, globals, chosen);
  add_service_command(app, globals, chosen);
  add_group_command(app, globals, chosen);
  add_timer_command(app, globals, chosen);
  add_saga_command(app, globals, chosen);
  add_trace_command(app, globals, chosen);
  add_doctor_command(app, globals, chosen);
  add_bench_command(app, globals, chosen);
  add_status_command(app, globals, chosen);
  add_ping_command(app, globals, chosen);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
      return app.exit(error) == 0 ? exit_code::ok : exit_code::failed;
    }
    complain(describe(error, app));
    return exit_code::usage;
  }
  return chosen();
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a write that fails with EPIPE says where it happened
  try {
    return static_cast<int>(run(argc, argv));
  } catch (const command_error& error) {
    if (*error.what() != '\0') complain(error.what());
    return static_cast<int>(error.code());
  } catch (const skald::error& error) {
    const command_error ended = to_command_error(error);
    complain(ended.what());
    return static_cast<int>(ended.code());
  } catch (const std::exception& error) {
    complain(error.what());
    return static_cast<int>(exit_code::failed);
  }
}
