#include "tools/cli/child_command.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <system_error>

namespace skald::cli {
namespace {

using std::chrono::milliseconds;

command_outcome shell(const std::string& script, std::string_view input = {}, command_limits limits = {}) {
  if (limits.time == milliseconds(0)) limits.time = milliseconds(60'000);
  if (limits.output_bytes_max == 0) limits.output_bytes_max = 10u << 20;
  if (!limits.abandoned) limits.abandoned = [] { return false; };
  return run_command({"/bin/sh", "-c", script}, {"GREETING=hello"}, input, limits);
}

TEST_CASE("input, output and environment pass through, whatever their size") {
  const std::string large(3u << 20, 'x');
  CHECK(shell("cat", large).output == large);
  CHECK(shell("echo $GREETING").output == "hello\n");
  CHECK(shell("cat").output == "");
}

TEST_CASE("a command that reads none of its input is no failure") {
  std::signal(SIGPIPE, SIG_IGN);  // as main() of the command line does
  const std::string large(3u << 20, 'x');
  const command_outcome done = shell("exec <&-; echo done", large);
  CHECK(done.exit_code == 0);
  CHECK(done.output == "done\n");
}

TEST_CASE("exit status and the end of standard error are told") {
  const command_outcome done = shell("echo first >&2; echo 'the reason' >&2; exit 7");
  CHECK(done.exit_code == 7);
  CHECK(last_line(done.errors) == "the reason");
  CHECK(shell("kill -9 $$").exit_code == 137);
}

TEST_CASE("a command whose time is up is killed with what it started") {
  const command_outcome done = shell("sleep 1000 & sleep 1000", {}, {.time = milliseconds(50)});
  CHECK(done.killed);
  CHECK(done.exit_code == 137);
}

TEST_CASE("a command that has closed its output is still waited for, and still has its time") {
  CHECK(shell("exec >&- 2>&-; sleep 0.01; exit 5").exit_code == 5);
  CHECK(shell("exec >&- 2>&-; sleep 1000", {}, {.time = milliseconds(50)}).killed);
}

TEST_CASE("a command that nobody waits for any more is killed") {
  CHECK(shell("sleep 1000", {}, {.abandoned = [] { return true; }}).killed);
}

TEST_CASE("a command that writes without end is killed at the limit") {
  const command_outcome done = shell("yes", {}, {.output_bytes_max = 100'000});
  CHECK(done.killed);
  CHECK(done.output.size() < 1u << 20);
}

TEST_CASE("a command that cannot be started is an exception") {
  CHECK_THROWS_AS(run_command({"/nowhere/at/all"}, {}, {}, {.time = milliseconds(1000)}), std::system_error);
}

TEST_CASE("the last line with anything in it") {
  CHECK(last_line("") == "");
  CHECK(last_line("one") == "one");
  CHECK(last_line("one\ntwo\n\n") == "two");
  CHECK(last_line("one\r\ntwo\r\n") == "two");
}

}  // namespace
}  // namespace skald::cli
