// skald-curves as a whole: each curve for a moment, and what it does when it cannot do what was asked, or not
// to the end.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <vector>

#include "tests/bench/benchmark_stage.hpp"
#include "tests/system/support/becomes.hpp"
#include "tests/system/support/child_process.hpp"

namespace skald::tests {
namespace {

using arguments = std::vector<std::string>;

struct stage : benchmark_stage {
  arguments with(const arguments& more) const {
    arguments all{"--dir", data, "--results", results};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  std::string csv(const std::string& curve) const { return text_of(results + "/" + curve + ".csv"); }
};

process_result curves(const arguments& all) {
  return run_process(SKALD_CURVES_PROGRAM, all);
}

// Rows, without remarks and the names of the columns.
std::ptrdiff_t rows(const std::string& csv) {
  const auto remarks = [&] {
    std::ptrdiff_t found = csv.starts_with("#") ? 1 : 0;
    for (std::size_t at = 0; (at = csv.find("\n#", at)) != std::string::npos; ++at) ++found;
    return found;
  };
  return std::ranges::count(csv, '\n') - remarks() - 1;
}

TEST_CASE("every curve is measured and verified, and nothing stays behind") {
  const stage on;
  const process_result ended = curves(on.with({"--quick"}));
  REQUIRE_MESSAGE(ended.exit_code == 0, ended.errors);
  CHECK(rows(on.csv("partitions")) == 4);   // 1 and 10, mixed and in full batches
  CHECK(rows(on.csv("connections")) == 4);  // 1, 10 and 100, of which all publish; or ten of 100
  CHECK(rows(on.csv("sizes")) == 2);
  CHECK(rows(on.csv("backlog")) == 5);    // four steps, and the restart
  CHECK(rows(on.csv("consumers")) == 4);  // 1 and 10, of a log and of a queue
  CHECK(rows(on.csv("retention")) > 1);
  CHECK(contains(on.csv("retention"), "steady_to_fresh="));
  CHECK(contains(on.csv("retention"), "when steady: passed="));
  CHECK(on.nothing_left());
}

TEST_CASE("a curve that is not there is refused, with those that are") {
  const process_result ended = curves({"--curve", "bend"});
  CHECK(ended.exit_code != 0);
  CHECK(contains(ended.errors, "bend"));
  CHECK(contains(ended.errors, "retention"));
}

TEST_CASE("a point that a curve has not is refused, with those that it has") {
  const stage on;
  const process_result ended = curves(on.with({"--curve", "partitions", "--point", "7"}));
  CHECK(ended.exit_code == 1);
  CHECK(contains(ended.errors, "no point at 7, only at 1 10 100 1000 10000"));
  CHECK(on.nothing_left());
}

TEST_CASE("a disk that is too small is refused before anything is written") {
  const stage on;
  const process_result ended = curves(on.with({"--most", "100000GB"}));
  CHECK(ended.exit_code == 1);
  CHECK(contains(ended.errors, "backlog: the disk is too small"));
  CHECK(contains(ended.errors, "--most"));
  CHECK(on.nothing_left());
  CHECK(on.csv("partitions") == "");
}

TEST_CASE("a daemon that is not there is named") {
  const stage on;
  const process_result ended = curves(on.with({"--quick", "--skaldd", on.data + "/none"}));
  CHECK(ended.exit_code == 1);
  CHECK(contains(ended.errors, on.data + "/none"));
  CHECK(on.nothing_left());
}

TEST_CASE("a daemon that serves nobody makes a curve that failed, not one with figures") {
  const stage on;
  const process_result ended = curves(on.with({"--quick", "--curve", "sizes", "--skaldd", "/bin/false"}));
  CHECK(ended.exit_code == 1);
  CHECK(rows(on.csv("sizes")) == 0);
  CHECK(contains(on.csv("sizes"), "# failed: "));
  CHECK(on.nothing_left());
}

TEST_CASE("more connections than descriptors are skipped, and the curve says so") {
  const stage on;
  const process_result ended = run_process(
      "/bin/sh", {"-c",
                  "ulimit -n 190 && exec \"$0\" --quick --curve connections --dir \"$1\" --results "
                  "\"$2\"",
                  SKALD_CURVES_PROGRAM, on.data, on.results});
  CHECK_MESSAGE(ended.exit_code == 0, ended.errors);
  CHECK(rows(on.csv("connections")) == 2);  // 1 and 10
  CHECK(contains(on.csv("connections"), "# skipped: 100 connections: the limit of descriptors"));
}

TEST_CASE("an interrupted curve keeps what it has, says so, and leaves nothing behind") {
  for (const int signal : {SIGINT, SIGTERM}) {
    const stage on;
    child_process running(SKALD_CURVES_PROGRAM, on.with({"--curve", "backlog", "--most", "4GB"}));
    REQUIRE(becomes([&] { return rows(on.csv("backlog")) > 0; }));
    running.send_signal(signal);
    CHECK(running.wait().exit_code == 130);
    CHECK(contains(on.csv("backlog"), "# interrupted"));
    CHECK(on.nothing_left());
  }
}

}  // namespace
}  // namespace skald::tests
