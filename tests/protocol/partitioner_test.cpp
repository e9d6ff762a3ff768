#include <doctest/doctest.h>

#include <string>

#include <skald/protocol/partitioner.hpp>

namespace skald::protocol {
namespace {

TEST_CASE("murmur2 gives the values that Kafka publishes") {
  CHECK(murmur2("21") == -973932308);
  CHECK(murmur2("foobar") == -790332482);
  CHECK(murmur2("a-little-bit-long-string") == -985981536);
  CHECK(murmur2("a-little-bit-longer-string") == -1486304829);
  CHECK(murmur2("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8") == -58897971);
  CHECK(murmur2("abc") == 479470107);
}

TEST_CASE("murmur2 takes bytes above 127 as unsigned") {
  // Values of an independent implementation, itself checked against the published ones.
  CHECK(murmur2("\xff\xfe\xfd") == 998637092);
  CHECK(murmur2("\xff\x80\xfe\xfd\x81") == 527161247);
}

TEST_CASE("a key's partition is its hash without the sign, modulo the partitions") {
  CHECK(partition_for("foobar", 1) == partition_id(0));
  CHECK(partition_for("foobar", 1000) == partition_id((-790332482 & 0x7fffffff) % 1000));
  CHECK(partition_for("abc", 7) == partition_id(479470107 % 7));
}

TEST_CASE("equal keys share a partition and many keys use all of them") {
  std::uint32_t used = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto partition = partition_for(std::to_string(i), 8);
    REQUIRE(partition.value() < 8);
    used |= 1u << partition.value();
  }
  CHECK(used == 0xff);
}

}  // namespace
}  // namespace skald::protocol
