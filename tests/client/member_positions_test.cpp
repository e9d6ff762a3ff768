// What a member commits, when, and when it gives a partition back.
#include "client/src/member_positions.hpp"

#include <doctest/doctest.h>

using namespace skald;
using detail::member_positions;
using detail::placed_offset;
using detail::topic_partition;

namespace {

topic_partition place(std::uint32_t partition) {
  return {topic_id(1), partition_id(partition)};
}
placed_offset at(std::uint32_t partition, std::uint64_t next) {
  return {place(partition), offset(next)};
}
std::vector<std::uint64_t> offsets(const std::vector<placed_offset>& positions) {
  std::vector<std::uint64_t> all;
  for (const auto& one : positions) all.push_back(one.offset.value());
  return all;
}
using numbers = std::vector<std::uint64_t>;

}  // namespace

TEST_SUITE("member positions") {
  TEST_CASE("what was given out is committed once it is processed, and once only") {
    member_positions of;
    of.assigned(at(0, 5));
    of.given(place(0), offset(9));
    CHECK(of.begin_commit().empty());
    of.processed_all();
    of.given(place(0), offset(12));
    CHECK(offsets(of.begin_commit()) == numbers{9});
    CHECK(of.begin_commit().empty());
    of.committed({at(0, 9)});
    of.processed_all();
    CHECK(offsets(of.begin_commit()) == numbers{12});
  }

  TEST_CASE("a commit that failed goes with the next") {
    member_positions of;
    of.assigned(at(0, 0));
    of.given(place(0), offset(3));
    of.processed_all();
    of.commit_failed(of.begin_commit());
    CHECK(offsets(of.begin_commit()) == numbers{3});
  }

  TEST_CASE("a partition is given back behind the commit of all that was given out of it") {
    member_positions of;
    of.assigned(at(0, 0));
    of.assigned(at(1, 0));
    of.given(place(0), offset(3));
    of.revoked(place(0));
    of.revoked(place(1));
    CHECK(of.take_releasable() == std::vector{place(1)});  // nothing of it was given out
    of.processed_all();
    CHECK(offsets(of.begin_commit()) == numbers{3});
    CHECK(of.take_releasable() == std::vector{place(0)});
    CHECK(of.take_releasable().empty());
  }

  TEST_CASE("explicit commits count, by record") {
    member_positions of;
    of.assigned(at(0, 0));
    of.given(place(0), offset(3));
    of.revoked(place(0));
    of.sent(at(0, 2));
    CHECK(of.take_releasable().empty());
    of.sent(at(0, 3));
    CHECK(of.take_releasable() == std::vector{place(0)});
  }

  TEST_CASE("what a unit of work has committed counts, and nothing before it took effect") {
    member_positions of;
    of.assigned(at(0, 0));
    of.given(place(0), offset(3));
    of.revoked(place(0));
    CHECK(of.take_releasable().empty());
    CHECK(of.begin_commit().empty());
    of.acknowledged(at(0, 3));
    of.acknowledged(at(0, 2));  // an earlier one, answered later
    CHECK(of.begin_commit().empty());
    CHECK(of.take_releasable() == std::vector{place(0)});
  }

  TEST_CASE("a new connection goes on with what is not committed, of partitions that are still its own") {
    member_positions of;
    of.assigned(at(0, 0));
    of.assigned(at(1, 0));
    of.assigned(at(2, 0));
    for (const std::uint32_t partition : {0u, 1u, 2u}) of.given(place(partition), offset(4));
    of.processed_all();
    CHECK(of.begin_commit().size() == 3);  // on its way when the connection was lost
    of.attached();
    CHECK(of.begin_commit().empty());
    of.assigned(at(0, 4));
    of.assigned(at(1, 6));  // somebody else has been there
    CHECK(offsets(of.begin_commit()) == numbers{4});
    of.revoked(place(2));
    CHECK(offsets(of.begin_commit()) == numbers{4});
    CHECK(of.take_releasable() == std::vector{place(2)});
  }

  TEST_CASE("what is lost is not committed, and what is unknown is given back") {
    member_positions of;
    of.assigned(at(0, 0));
    of.given(place(0), offset(4));
    of.processed_all();
    of.lost(place(0));
    CHECK(of.begin_commit().empty());
    of.revoked(place(9));
    CHECK(of.take_releasable() == std::vector{place(9)});
  }
}
