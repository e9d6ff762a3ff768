#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "broker/server/data_directory.hpp"

namespace skald::server {

namespace {

struct temporary_directory {
  temporary_directory() {
    std::string name = (std::filesystem::temp_directory_path() / "skald-data-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~temporary_directory() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

errc open_fails_with(const std::filesystem::path& path, std::string* text = nullptr) {
  try {
    const data_directory opened(path);
    return errc::ok;
  } catch (const error& failed) {
    if (text != nullptr) *text = failed.what();
    return static_cast<errc>(failed.code().value());
  }
}

}  // namespace

TEST_CASE("a data directory is made, private, and keeps its identity") {
  const temporary_directory in;
  const auto path = in.path / "a" / "b";
  std::string id;
  {
    const data_directory made(path / "");
    CHECK(made.path() == path);
    id = made.broker_id();
    CHECK(id.size() == 32);
    CHECK(std::filesystem::is_directory(made.shard_path()));
  }
  struct stat is{};
  REQUIRE(::stat(path.c_str(), &is) == 0);
  CHECK((is.st_mode & 0777) == 0700);
  CHECK(data_directory(path).broker_id() == id);
}

TEST_CASE("a data directory has one holder, whom the next is told about") {
  const temporary_directory in;
  const data_directory held(in.path);
  std::string text;
  CHECK(open_fails_with(in.path, &text) == errc::storage_error);
  CHECK(text.find("process " + std::to_string(::getpid())) != std::string::npos);
}

TEST_CASE("looking into what is no data directory does not make it one") {
  const temporary_directory in;
  CHECK_THROWS_AS(data_directory(in.path, data_directory::when_missing::fail), error);
  CHECK(std::filesystem::is_empty(in.path));
}

TEST_CASE("a newer format is refused and left as it is") {
  const temporary_directory in;
  std::ofstream(in.path / "FORMAT") << "skald 99\nbroker abc\n";
  std::string text;
  CHECK(open_fails_with(in.path, &text) == errc::unsupported_version);
  CHECK(text.find("format 99") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(in.path / "shards"));
}

TEST_CASE("a FORMAT that is not skald's is refused") {
  const temporary_directory in;
  std::ofstream(in.path / "FORMAT") << "something else\n";
  CHECK(open_fails_with(in.path) == errc::storage_corrupt);
}

TEST_CASE("a path that cannot be a directory is refused") {
  const temporary_directory in;
  std::ofstream(in.path / "file") << "x";
  CHECK(open_fails_with(in.path / "file") == errc::storage_error);
  CHECK(open_fails_with(in.path / "file" / "below") == errc::storage_error);
}

}  // namespace skald::server
