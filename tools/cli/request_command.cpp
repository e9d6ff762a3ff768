// skald request
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <memory>
#include <optional>

#include "tools/cli/command.hpp"
#include "tools/cli/header_option.hpp"
#include "tools/cli/line_reader.hpp"
#include "tools/cli/output.hpp"
#include "tools/cli/service_text.hpp"
#include "tools/cli/text_encoding.hpp"

namespace skald::cli {
namespace {

namespace json = boost::json;

// The broker's own limit is lower, and named when it is hit.
constexpr std::size_t body_bytes_max = 64u << 20;

constexpr const char* footer =
    R"(Without BODY it is standard input, to its end; nothing if that is a terminal.
The reply is written as it came; a newline follows a text that does not end in one.

With --all, every instance is asked, and each reply is written behind the instance's name and a tab.

Examples:
  skald request price '{"sku": 7}'
  skald request resize --timeout 30s < photo.jpg > small.jpg
  skald request price 7 --header trace=7f --output json | jq -r .body
  skald request cache.flush --all
  skald request price 7 --all --count 1 --timeout 200ms

Exit status: 0 a reply came (--all: from every instance asked), 1 failed: nobody serves the subject, or the
responder failed or was lost, 2 usage, 3 no connection, 5 timed out.)";

struct request_command_options {
  std::string subject;
  std::optional<std::string> body;
  std::vector<std::string> header_texts;
  std::vector<header> headers;  // views into header_texts
  bool all = false;
  std::uint32_t count = 0;
};

std::string read_body(const request_command_options& options) {
  if (options.body) return *options.body;
  if (::isatty(STDIN_FILENO) == 1) return {};
  line_reader reader(STDIN_FILENO, body_bytes_max);
  std::string_view all;
  if (reader.rest(all) != read_status::ready) return {};
  return std::string(all);
}

void add_body(json::object& to, std::string_view body) {
  if (is_utf8(body)) {
    to["body"] = body;
    return;
  }
  std::string encoded;
  append_base64(encoded, body);
  to["body_base64"] = encoded;
}

json::object headers_json(const string_map& headers) {
  json::object object;
  for (const auto& [name, value] : headers) object[name] = value;
  return object;
}

std::string as_lines(std::string text) {
  if (!text.ends_with('\n')) text += '\n';
  return text;
}

exit_code ask_one(const global_options& globals, const request_command_options& options) {
  const std::string body = read_body(options);
  blocking_client broker = connect(globals);
  const reply said = about_service(
      options.subject, [&] { return broker.request(options.subject, body, {.headers = options.headers}); });
  if (!globals.json) {
    print(is_utf8(said.body) ? as_lines(said.body) : said.body);  // a picture stays as it is
    return exit_code::ok;
  }
  json::object object{
      {"subject", options.subject}, {"instance", said.instance}, {"headers", headers_json(said.headers)}};
  add_body(object, said.body);
  print(json::serialize(object) + "\n");
  return exit_code::ok;
}

json::object to_json(const instance_reply& one) {
  json::object object{
      {"instance", one.instance}, {"took_us", one.took.count()}, {"headers", headers_json(one.headers)}};
  if (one.code == errc::ok) {
    object["error"] = nullptr;
    add_body(object, one.body);
  } else {
    object["error"] = to_string(one.code);
    object["message"] = one.message;
    if (one.code == errc::responder_failed) object["code"] = one.responder_code;
  }
  return object;
}

exit_code ask_all(const global_options& globals, const request_command_options& options) {
  const std::string body = read_body(options);
  blocking_client broker = connect(globals);
  auto all = about_service(options.subject, [&] {
    return broker.request_all(options.subject, body,
                              {.headers = options.headers, .replies_max = options.count});
  });
  std::ranges::sort(all, {}, &instance_reply::instance);
  bool failed = false;
  for (const instance_reply& one : all) {
    failed |= one.code != errc::ok;
    if (globals.json) {
      print(json::serialize(to_json(one)) + "\n");
    } else if (one.code == errc::ok) {
      print(as_lines(one.instance + "\t" + one.body));
    } else {
      complain("instance '" + printable(one.instance) + "': " + printable(one.message, 400));
    }
  }
  return failed ? exit_code::failed : exit_code::ok;
}

}  // namespace

void add_request_command(CLI::App& app, const global_options& globals, action& chosen) {
  CLI::App* command = app.add_subcommand("request", "Ask a service and write its reply")->group("Commands");
  const auto options = std::make_shared<request_command_options>();
  command->add_option("SUBJECT", options->subject, "The service to ask")->required()->type_name("");
  command->add_option("BODY", options->body, "What to send, instead of standard input")->type_name("");
  command->add_option("-H,--header", options->header_texts, "Add a header; repeatable")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command->add_flag("--all", options->all, "Ask every instance, and write what each says");
  command->add_option("-n,--count", options->count, "With --all: enough after so many replies")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  command->footer(footer);
  command->callback([&globals, &chosen, options] {
    options->headers = parse_headers("--header", options->header_texts);
    if (options->count != 0 && !options->all) {
      throw CLI::ValidationError("--count", "it is for --all; without it there is one reply");
    }
    chosen = [&globals, options] {
      return options->all ? ask_all(globals, *options) : ask_one(globals, *options);
    };
  });
}

}  // namespace skald::cli
