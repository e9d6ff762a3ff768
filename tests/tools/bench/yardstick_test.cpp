#include "tools/bench/yardstick.hpp"

#include <doctest/doctest.h>

namespace skald::cli::bench {
namespace {

using kind = yardstick::kind;
using unit = yardstick::unit;

yardstick of(workload what, std::uint64_t in_flight, double mean_bytes, std::uint64_t rate = 0) {
  options with;
  with.what = what;
  with.in_flight = in_flight;
  with.rate = rate;
  return yardstick_for(with, mean_bytes);
}

TEST_CASE("publishing is held against a group commit with as much under way") {
  const yardstick many = of(workload::publish, 16 * 1024, 1024);
  CHECK(many.what == kind::group_commit);
  CHECK(many.in == unit::bytes_per_s);
  CHECK(many.bytes * many.in_flight == 16u << 20);
  CHECK(many.text == "group commit behind TCP, 256 x 64 KiB in flight");
  const yardstick few = of(workload::publish, 4, 1024);
  CHECK(few.bytes * few.in_flight == 4096);
  const yardstick huge = of(workload::queue, 2, 64u << 20);
  CHECK(huge.bytes * huge.in_flight == 64u << 20);
}

TEST_CASE("all producers' records are under way") {
  options with;
  with.producers = 4;
  with.in_flight = 1024;
  CHECK(yardstick_for(with, 1024).bytes * yardstick_for(with, 1024).in_flight == 4u << 20);
  with.in_flight = 1;
  CHECK(yardstick_for(with, 1024).what == kind::group_commit);
}

TEST_CASE("one at a time, and at a rate, it is the latency that counts") {
  for (const workload what : {workload::publish, workload::pubsub, workload::queue, workload::fanout}) {
    CHECK(of(what, 1, 100).what == kind::fdatasync);
    CHECK(of(what, 1, 100).in == unit::us);
    CHECK(of(what, 1, 100).text == "one fdatasync of 100 B");
  }
  CHECK(of(workload::publish, 0, 100, 1000).what == kind::fdatasync);
  CHECK(of(workload::fanout, 0, 100, 1000).what == kind::fdatasync);
}

TEST_CASE("delivery at a rate is held against bare delivery at that rate") {
  for (const workload what : {workload::pubsub, workload::queue}) {
    const yardstick bare = of(what, 0, 100, 10'000);
    CHECK(bare.what == kind::delivery);
    CHECK(bare.in == unit::us);
    CHECK(bare.bytes == 100);
    CHECK(bare.per_second == 10'000);
    CHECK(bare.text == "10,000/s of 100 B through TCP, written, synced and sent on");
  }
  CHECK(of(workload::pubsub, 0, 1u << 20, 100).what == kind::fdatasync);
}

TEST_CASE("what is read from the page cache is held against a stream") {
  CHECK(of(workload::consume, 0, 1024).what == kind::stream);
  CHECK(of(workload::fanout, 0, 1024).what == kind::stream);
}

TEST_CASE("requests are held against a routed echo, whose sockets have to hold what is under way") {
  const yardstick many = of(workload::request, 64, 128);
  CHECK(many.what == kind::routed_echo);
  CHECK(many.in == unit::per_s);
  CHECK(many.in_flight == 64);
  CHECK(of(workload::request, 1, 128).in == unit::us);
  CHECK(of(workload::request, 64, 16u << 10).in_flight == 16);
  CHECK(of(workload::request, 64, 1u << 20).what == kind::none);
}

TEST_CASE("a saga waits for six fsyncs; many share theirs") {
  CHECK(of(workload::saga, 1, 0).in_a_row == 6);
  CHECK(of(workload::saga, 64, 0, 100).what == kind::fdatasync);
  CHECK(of(workload::saga, 64, 0).what == kind::none);
}

TEST_CASE("where nothing is comparable, that is said") {
  options with;
  with.durability = skald::durability::memory;
  CHECK(yardstick_for(with, 1024).what == kind::none);
  CHECK(yardstick_for(with, 1024).text == "what is acknowledged from memory does not wait for the disk");
  with.durability = skald::durability::disk;
  with.compression = skald::compression::zstd;
  CHECK(yardstick_for(with, 1024).what == kind::none);
  with.rate = 100;
  CHECK(yardstick_for(with, 1024).what == kind::fdatasync);
}

}  // namespace
}  // namespace skald::cli::bench
