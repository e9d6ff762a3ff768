// The simulated disk has to be as bad as it claims: tests of others rest on it.
#include "tests/broker/support/sim_disk.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

namespace skald::testing {

namespace {

struct sim_fixture {
  std::unique_ptr<file> create(sim_disk& on, const char* path) {
    std::unique_ptr<file> made;
    REQUIRE(!on.open(path, disk::open_mode::create, made));
    return made;
  }
  std::error_code write(file& to, std::uint64_t position, std::string text) {
    const iovec part{text.data(), text.size()};
    return to.write(position, {&part, 1});
  }
};

}  // namespace

TEST_CASE_FIXTURE(sim_fixture, "what was synced, with its directory, survives every crash") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    sim_disk on(seed);
    const auto made = create(on, "/d/f");
    REQUIRE(!write(*made, 0, std::string(2'000, 'x')));
    REQUIRE(!made->sync());
    REQUIRE(!on.sync_directory("/d"));
    on.crash();
    CHECK(on.contents("/d/f").size() == 2'000);
    CHECK(write(*made, 0, "y") == std::errc::io_error);
  }
}

TEST_CASE_FIXTURE(sim_fixture,
                  "what was not synced is lost, kept or torn by sectors, depending on the seed") {
  std::set<std::size_t> sectors_kept;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    sim_disk on(seed);
    const auto made = create(on, "/d/f");
    REQUIRE(!made->allocate(4 * sim_disk::sector_bytes));
    REQUIRE(!made->sync());
    REQUIRE(!on.sync_directory("/d"));
    REQUIRE(!write(*made, 0, std::string(4 * sim_disk::sector_bytes, 'x')));
    on.crash();
    const auto bytes = on.contents("/d/f");
    sectors_kept.insert(static_cast<std::size_t>(std::ranges::count(bytes, std::byte('x'))) /
                        sim_disk::sector_bytes);
  }
  CHECK(sectors_kept.contains(0));
  CHECK(sectors_kept.contains(4));
  CHECK(sectors_kept.size() > 2);
}

TEST_CASE_FIXTURE(sim_fixture, "a rename that was not synced may come undone") {
  std::set<std::string> seen;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    sim_disk on(seed);
    const auto made = create(on, "/d/old");
    REQUIRE(!on.sync_directory("/d"));
    REQUIRE(!on.rename("/d/old", "/d/new"));
    on.crash();
    std::vector<std::string> names;
    REQUIRE(!on.list("/d", names));
    REQUIRE(names.size() == 1);
    seen.insert(names.front());
  }
  CHECK(seen == std::set<std::string>{"new", "old"});
}

TEST_CASE_FIXTURE(sim_fixture, "it fills up, fails once and loses power when asked to") {
  sim_disk on(1, 8192);
  const auto made = create(on, "/d/f");
  CHECK(made->allocate(10'000) == std::errc::no_space_on_device);
  CHECK(!made->allocate(8192));
  on.fail_after(1, std::errc::io_error);
  CHECK(!write(*made, 0, "a"));
  CHECK(made->sync() == std::errc::io_error);
  CHECK(!made->sync());
  on.lose_power_after(0);
  CHECK(made->sync() == std::errc::io_error);
  CHECK(made->sync() == std::errc::io_error);
  CHECK(on.power_lost());
}

}  // namespace skald::testing
