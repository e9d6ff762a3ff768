#include "bench/compare/server.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "bench/limit/files.hpp"
#include "bench/limit/loopback.hpp"

namespace skald::bench::compare {
namespace {

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool has(const std::string& text, const std::string& what) {
  return text.find(what) != std::string::npos;
}

TEST_CASE("settings have the ports and the directory of the one who starts the server") {
  const limit::scratch_directory directory(std::filesystem::temp_directory_path(), 0);
  const std::string text = contents(write_settings("kafka.properties", directory.path(), 1234, 5678));
  CHECK(has(text, "listeners=PLAINTEXT://127.0.0.1:1234,CONTROLLER://127.0.0.1:5678\n"));
  CHECK(has(text, "log.dirs=" + directory.path().string() + "/data\n"));
  CHECK(!has(text, "@PORT"));
}

TEST_CASE("a program that the environment names wrongly is not looked for elsewhere") {
  REQUIRE(find_on_path("sh"));
  ::setenv("SKALD_TEST_SHELL", "/nowhere/sh", 1);
  CHECK(!find_program("SKALD_TEST_SHELL", "sh"));
  ::setenv("SKALD_TEST_SHELL", "/bin/sh", 1);
  CHECK(find_program("SKALD_TEST_SHELL", "no-such-program") == "/bin/sh");
  ::unsetenv("SKALD_TEST_SHELL");
  CHECK(find_program("SKALD_TEST_SHELL", "sh") == find_on_path("sh"));
  CHECK(!find_on_path("no-such-program"));
}

TEST_CASE("a server that ends at once is reported with what it said, and with its environment") {
  const limit::scratch_directory directory(std::filesystem::temp_directory_path(), 0);
  const server started({"/bin/sh", "-c", "echo no $WHAT"}, {"WHAT=java"}, directory.path());
  std::string why;
  try {
    started.wait_for(limit::free_port());
  } catch (const std::runtime_error& failed) {
    why = failed.what();
  }
  CHECK(why == "it ended at once; it said: no java\n");
}

}  // namespace
}  // namespace skald::bench::compare
