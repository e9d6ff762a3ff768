#include <doctest/doctest.h>

#include <array>
#include <climits>
#include <cstring>
#include <fstream>
#include <numeric>

#include "broker/base/disk.hpp"
#include "tests/broker/support/temporary_directory.hpp"

namespace skald {

namespace {

struct native_fixture {
  testing::temporary_directory directory;
  disk& on = native_disk();
  std::unique_ptr<file> opened;

  std::filesystem::path path(const char* name) const { return directory.path() / name; }
  file& create(const char* name) {
    REQUIRE(!on.open(path(name), disk::open_mode::create, opened));
    return *opened;
  }
};

std::string read_text(file& from, std::uint64_t position, std::size_t bytes) {
  std::string text(bytes, '?');
  const iovec part{text.data(), text.size()};
  REQUIRE(!from.read(position, {&part, 1}, file::blocking::allowed));
  return text;
}

}  // namespace

TEST_CASE_FIXTURE(native_fixture,
                  "parts are written and read one after another, more of them than the kernel takes") {
  file& content = create("parts");
  std::vector<std::byte> bytes(3 * IOV_MAX + 5);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::byte(i % 251);
  std::vector<iovec> parts;
  for (std::byte& each : bytes) {
    parts.push_back({&each, 1});
    parts.push_back({nullptr, 0});
  }
  REQUIRE(!content.write(7, parts));
  REQUIRE(!content.sync());

  std::vector<std::byte> read_back(bytes.size());
  std::vector<iovec> into;
  into.reserve(read_back.size());
  for (std::byte& each : read_back) into.push_back({&each, 1});
  REQUIRE(!content.read(7, into, file::blocking::allowed));
  CHECK(read_back == bytes);
}

TEST_CASE_FIXTURE(native_fixture, "reading past the end is an error, not a short read") {
  file& content = create("short");
  REQUIRE(!content.allocate(4096));
  std::array<std::byte, 10> bytes;
  const iovec part{bytes.data(), bytes.size()};
  CHECK(content.read(4090, {&part, 1}, file::blocking::allowed) == std::errc::io_error);
  CHECK(content.read(9000, {&part, 1}, file::blocking::allowed) == std::errc::io_error);
}

TEST_CASE_FIXTURE(native_fixture, "what was just written can be read without blocking") {
  file& content = create("warm");
  std::string text = "warm";
  const iovec part{text.data(), text.size()};
  REQUIRE(!content.write(0, {&part, 1}));
  const std::error_code failed = content.read(0, {&part, 1}, file::blocking::refused);
  CHECK((!failed || failed == std::errc::operation_would_block));
}

TEST_CASE_FIXTURE(native_fixture,
                  "allocated and zeroed bytes read as zeros and keep what was written before") {
  file& content = create("zeros");
  std::string text = "header";
  const iovec part{text.data(), text.size()};
  REQUIRE(!content.write(0, {&part, 1}));
  REQUIRE(!content.allocate(8u << 20));
  CHECK(content.size() == 8u << 20);
  REQUIRE(!content.write_zeros(4096, (8u << 20) - 4096));
  REQUIRE(!content.sync());
  CHECK(read_text(content, 0, 6) == "header");
  CHECK(read_text(content, 4096, 100) == std::string(100, '\0'));
  CHECK(read_text(content, (8u << 20) - 100, 100) == std::string(100, '\0'));
  CHECK(std::filesystem::file_size(path("zeros")) == 8u << 20);
}

TEST_CASE_FIXTURE(native_fixture,
                  "a sync that was begun changes nothing, wherever its bytes lie in their pages") {
  file& content = create("begun");
  std::string text(20'000, 'x');
  const iovec part{text.data(), text.size()};
  REQUIRE(!content.write(100, {&part, 1}));
  content.begin_sync(100, 200);
  content.begin_sync(100, text.size());
  const iovec more{text.data(), 10};
  REQUIRE(!content.write(100 + text.size(), {&more, 1}));
  REQUIRE(!content.sync());
  CHECK(read_text(content, 100, text.size() + 10) == text + std::string(10, 'x'));
}

TEST_CASE_FIXTURE(native_fixture, "errors are the system's, as portable conditions") {
  std::unique_ptr<file> none;
  CHECK(on.open(path("absent"), disk::open_mode::existing, none) == std::errc::no_such_file_or_directory);
  create("there");
  CHECK(on.open(path("there"), disk::open_mode::create, none) == std::errc::file_exists);
  CHECK(on.rename(path("absent"), path("elsewhere")) == std::errc::no_such_file_or_directory);
  CHECK(on.remove(path("absent")) == std::errc::no_such_file_or_directory);
  std::uint64_t free = 0;
  CHECK(on.free_bytes(path("absent"), free) == std::errc::no_such_file_or_directory);
  CHECK(on.sync_directory(path("absent")) == std::errc::no_such_file_or_directory);
  std::vector<std::string> names;
  CHECK(on.list(path("absent"), names) == std::errc::no_such_file_or_directory);
  REQUIRE(!on.open(path("there"), disk::open_mode::read_only, none));
  std::string text = "x";
  const iovec part{text.data(), text.size()};
  CHECK(none->write(0, {&part, 1}) == std::errc::bad_file_descriptor);
}

TEST_CASE_FIXTURE(native_fixture, "a full device says so") {
  // Every write to /dev/full fails with ENOSPC.
  std::unique_ptr<file> full;
  if (on.open("/dev/full", disk::open_mode::existing, full)) return;
  std::string text = "x";
  const iovec part{text.data(), text.size()};
  CHECK(full->write(0, {&part, 1}) == std::errc::no_space_on_device);
}

TEST_CASE_FIXTURE(native_fixture, "directories are made with their parents, and list their files in order") {
  const auto deep = directory.path() / "a" / "b";
  REQUIRE(!on.make_directory(deep));
  REQUIRE(!on.make_directory(deep));
  std::unique_ptr<file> none;
  for (const char* name : {"2", "10", "1"}) REQUIRE(!on.open(deep / name, disk::open_mode::create, none));
  REQUIRE(!on.make_directory(deep / "folder"));
  REQUIRE(!on.rename(deep / "10", deep / "3"));
  REQUIRE(!on.sync_directory(deep));
  std::vector<std::string> names;
  REQUIRE(!on.list(deep, names));
  CHECK(names == std::vector<std::string>{"1", "2", "3"});
  std::uint64_t free = 0;
  REQUIRE(!on.free_bytes(deep, free));
  CHECK(free > 0);
  CHECK(on.make_directory(deep / "1" / "below-a-file") == std::errc::not_a_directory);
}

}  // namespace skald
