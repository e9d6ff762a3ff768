// skald serve
#include <cctype>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "tools/cli/child_command.hpp"
#include "tools/cli/command.hpp"
#include "tools/cli/header_option.hpp"
#include "tools/cli/interrupts.hpp"
#include "tools/cli/output.hpp"
#include "tools/cli/service_text.hpp"
#include "tools/cli/text_encoding.hpp"

namespace skald::cli {
namespace {

// The broker's own limit is lower, and named when it is hit.
constexpr std::size_t output_bytes_max = 64u << 20;

constexpr const char* footer =
    R"(For each request COMMAND is run: the request's body is its standard input, its output the reply. If it exits
with another status than 0, the caller gets an error with that status as its code and the last line of standard
error as its message. It finds in its environment
  SKALD_SUBJECT, SKALD_INSTANCE      what it answers as
  SKALD_TIMEOUT_MS                   how long the caller waits; then, or when the caller has cancelled, it is killed
  SKALD_HEADER_NAME                  the header `name`, in capitals, with _ for what is neither letter nor digit

SIGTERM or SIGINT drain: no more requests come, those being worked on are finished. A second one ends at once.

Examples:
  skald serve price -- ./price.sh
  skald serve upper -- tr a-z A-Z
  skald serve resize --concurrency 4 --label 1.4.2 -m zone=a -- convert - -resize 50% -

Exit status: 1 failed: the instance id was taken over, or the broker refused, 2 usage, 3 no connection,
130 interrupted, 143 terminated, both after draining; 5 if that took longer than --timeout.)";

struct serve_command_options {
  std::string subject;
  std::vector<std::string> command;
  std::uint32_t concurrency = 1;
  std::string instance;
  std::string label;
  std::vector<std::string> metadata_texts;
  std::vector<header> metadata;  // views into metadata_texts
};

std::vector<std::string> environment_for(const service_request& asked, const std::string& instance) {
  std::vector<std::string> variables{"SKALD_SUBJECT=" + std::string(asked.subject()),
                                     "SKALD_INSTANCE=" + instance,
                                     "SKALD_TIMEOUT_MS=" + std::to_string(asked.time_left().count())};
  for (const auto& [name, value] : asked.headers()) {
    std::string variable = "SKALD_HEADER_";
    for (const char c : name) {
      const auto letter = static_cast<unsigned char>(c);
      variable += std::isalnum(letter) != 0 ? static_cast<char>(std::toupper(letter)) : '_';
    }
    if (value.find('\0') != std::string::npos) continue;
    variables.push_back(std::move(variable.append("=").append(value)));
  }
  return variables;
}

void answer(service_request& asked, const serve_command_options& options, const std::string& instance) {
  command_outcome done;
  try {
    done =
        run_command(options.command, environment_for(asked, instance), asked.body(),
                    {.time = asked.time_left(), .output_bytes_max = output_bytes_max, .abandoned = [&asked] {
                       return asked.cancelled();
                     }});
  } catch (const std::system_error& failed) {
    complain("cannot run the command: " + std::string(failed.what()));
    return asked.fail(127, "the command cannot be run: " + std::string(failed.what()));
  }
  if (done.exit_code == 0) return asked.reply(done.output);
  const std::string_view said = last_line(done.errors);
  const std::string status = "exit status " + std::to_string(done.exit_code);
  asked.fail(done.exit_code, said.empty() ? "the command ended with " + status : said);
}

// Workers that answer until the responder is drained, closed or has failed.
class workers {
 public:
  workers(blocking_responder& responder, const serve_command_options& options) : responder_(responder) {
    threads_.reserve(options.concurrency);
    for (std::uint32_t i = 0; i < options.concurrency; ++i) {
      threads_.emplace_back([this, &options] { work(options); });
    }
  }
  // The failure that ended it, if one did.
  std::optional<error> wait() {
    for (std::thread& one : threads_) one.join();
    return failed_;
  }

 private:
  void work(const serve_command_options& options) {
    try {
      for (;;) {
        service_request asked = responder_.receive();
        answer(asked, options, responder_.instance());
      }
    } catch (const error& ended) {
      const std::lock_guard lock(mutex_);
      if (ended.code() != errc::closed && !failed_) failed_ = ended;
    }
  }

  blocking_responder& responder_;
  std::mutex mutex_;  // guards failed_
  std::optional<error> failed_;
  std::vector<std::thread> threads_;
};

exit_code serve(const global_options& globals, const serve_command_options& options) {
  // The responder is set before the handler may run, and drained from the handler's thread.
  blocking_responder responder;
  std::mutex mutex;  // guards `open` and `undrained`
  bool open = false;
  std::optional<error> undrained;
  const auto drain = [&] {
    {
      const std::lock_guard lock(mutex);
      if (!open) return;
    }
    try {
      responder.drain();
    } catch (const error& failed) {
      const std::lock_guard lock(mutex);
      undrained = failed;
      responder.close();
    }
  };
  interrupts stopping(drain);
  blocking_client broker = connect(globals);
  auto made = about_service(options.subject, [&] {
    return broker.serve(options.subject, {.instance = options.instance,
                                          .version = options.label,
                                          .metadata = options.metadata,
                                          .window = options.concurrency});
  });
  {
    const std::lock_guard lock(mutex);
    responder = std::move(made);
    open = true;
  }
  if (stopping.reason()) return *stopping.reason();
  if (!globals.quiet) {
    complain("serving '" + options.subject + "' as " + responder.instance() + "; SIGTERM drains");
  }
  const std::optional<error> failed = workers(responder, options).wait();
  const std::lock_guard lock(mutex);
  if (failed) throw about_subject(options.subject, *failed);
  if (undrained) throw about_subject(options.subject, *undrained);
  return stopping.reason().value_or(exit_code::ok);
}

}  // namespace

void add_serve_command(CLI::App& app, const global_options& globals, action& chosen) {
  CLI::App* command =
      app.add_subcommand("serve", "Answer requests to a service with a command")->group("Commands");
  const auto options = std::make_shared<serve_command_options>();
  command->add_option("SUBJECT", options->subject, "The service to answer for")->required()->type_name("");
  command->add_option("COMMAND", options->command, "The command, after --, and its arguments")
      ->required()
      ->type_name("");
  command->add_option("--concurrency", options->concurrency, "How many requests at a time [1]")
      ->check(CLI::Range(1u, 1024u))
      ->type_name("N");
  command->add_option("--instance", options->instance, "The instance id [the broker's choice]")
      ->type_name("ID");
  command->add_option("--label", options->label, "The version that others are told")->type_name("VERSION");
  command->add_option("-m,--metadata", options->metadata_texts, "What else others are told; repeatable")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command->footer(footer);
  command->callback([&globals, &chosen, options] {
    options->metadata = parse_headers("--metadata", options->metadata_texts);
    chosen = [&globals, options] { return serve(globals, *options); };
  });
}

}  // namespace skald::cli
