// skald-compare as a whole, with the broker that is always there: each workload for a moment, and what it
// does when it cannot do what was asked, or not to the end.
#include <doctest/doctest.h>

#include <csignal>
#include <string>
#include <vector>

#include "tests/bench/benchmark_stage.hpp"
#include "tests/system/support/child_process.hpp"

namespace skald::tests {
namespace {

using arguments = std::vector<std::string>;

struct stage : benchmark_stage {
  // Of these brokers and with these options.
  arguments with(arguments all) const {
    const arguments common{"--seconds", "0.1", "--dir", data, "--csv", results + ".csv"};
    all.insert(all.end(), common.begin(), common.end());
    return all;
  }
  std::string csv() const { return text_of(results + ".csv"); }
};

process_result compare(const arguments& all) {
  return run_process(SKALD_COMPARE_PROGRAM, all);
}

TEST_CASE("every workload is measured and verified, and nothing stays behind") {
  const stage on;
  const process_result ended =
      compare(on.with({"skald", "--repetitions", "1", "--bytes", "100", "--rates", "1000", "--requests",
                       "1,8", "--subscribers", "3", "--workers", "2", "--streams", "1,3"}));
  REQUIRE_MESSAGE(ended.exit_code == 0, ended.output);
  const std::string csv = on.csv();
  CHECK(contains(csv, "\npublish,skald/default,fsync,100 B,records,/s,"));
  CHECK(contains(csv, "\nconsume,skald/memory,memory,100 B,data,MB/s,"));
  CHECK(contains(csv, "\nlatency,skald/default,fsync,1000/s,p99.9,us,"));
  CHECK(contains(csv, "\nrequest,skald/default,fsync,1 in flight,median,us,"));
  CHECK(contains(csv, "\nrequest,skald/default,fsync,8 in flight,requests,/s,"));
  CHECK(contains(csv, "\nfanout,skald/memory,memory,3 subscribers,deliveries,/s,"));
  CHECK(contains(csv, "\nqueue,skald/default,fsync,2 workers,jobs,/s,"));
  CHECK(contains(csv, "\nstreams,skald/default,fsync,1 stream,records,/s,"));
  CHECK(contains(csv, "\nstreams,skald/memory,memory,3 streams,records,/s,"));
  CHECK(on.nothing_left());
}

TEST_CASE("what a broker cannot do is no failure, and the table says why") {
  const stage on;
  const process_result ended = compare(on.with({"skald/memory", "--workload", "request"}));
  CHECK(ended.exit_code == 0);
  CHECK(contains(ended.output, "not applicable: requests are never stored"));
  CHECK(contains(compare({"--list"}).output, "no request: requests are never stored"));
}

TEST_CASE("only the workloads that were asked for are measured") {
  const stage on;
  const process_result ended = compare(on.with({"skald/default", "--repetitions", "1", "--workload",
                                                "consume,queue", "--bytes", "100", "--workers", "1"}));
  CHECK(ended.exit_code == 0);
  CHECK(contains(on.csv(), "\nconsume,"));
  CHECK(contains(on.csv(), "\nqueue,"));
  CHECK_FALSE(contains(on.csv(), "\npublish,"));
  CHECK_FALSE(contains(on.csv(), "\nstreams,"));
}

TEST_CASE("brokers and workloads that are not there are refused") {
  const process_result broker = compare({"carrier-pigeon"});
  CHECK(broker.exit_code == 1);
  CHECK(contains(broker.errors, "--list"));
  CHECK(compare({"skald", "--workload", "juggle"}).exit_code > 1);
}

TEST_CASE("a server that does not serve makes a row without figures, which says what is wrong") {
  const stage on;
  const process_result ended = run_process(
      SKALD_COMPARE_PROGRAM, on.with({"skald/default", "--repetitions", "1", "--workload", "fanout"}), {},
      {"SKALD_COMPARE_SKALDD=/bin/false"});
  CHECK(ended.exit_code == 1);
  CHECK(contains(ended.output, "it ended at once"));
  CHECK_FALSE(contains(on.csv(), "\nfanout,"));
  CHECK(on.nothing_left());
}

TEST_CASE("an interrupted comparison shows what it has, says so, and leaves nothing behind") {
  for (const int signal : {SIGINT, SIGTERM}) {
    const stage on;
    child_process running(SKALD_COMPARE_PROGRAM, on.with({"skald/default", "--repetitions", "1000",
                                                          "--workload", "fanout", "--subscribers", "3"}));
    REQUIRE(running.wait_errors("repetition 3"));
    running.send_signal(signal);
    const process_result ended = running.wait();
    CHECK(ended.exit_code == 130);
    CHECK(contains(ended.output, "partial"));
    CHECK(contains(on.csv(), "\nfanout,skald/default,fsync,3 subscribers,deliveries,/s,"));
    CHECK(contains(on.csv(), ",partial\n"));
    CHECK(on.nothing_left());
  }
}

}  // namespace
}  // namespace skald::tests
