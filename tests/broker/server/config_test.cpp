#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>

#include "broker/server/config.hpp"
#include "broker/server/units.hpp"

namespace skald::server {

namespace {

// A file that is gone again after the test.
struct config_file {
  explicit config_file(const std::string& text) {
    std::string name = (std::filesystem::temp_directory_path() / "skald-config-XXXXXX").string();
    ::close(::mkstemp(name.data()));
    path = name;
    std::ofstream(path) << text;
  }
  ~config_file() { std::filesystem::remove(path); }
  std::filesystem::path path;
};

loaded_config load_file(const std::string& text) {
  const config_file file(text);
  auto loaded = load_config({file.path, {}, {{"data_dir", "/tmp/d"}}});
  for (std::string& one : loaded.errors) {
    const std::size_t at = one.find(file.path.string());
    if (at == 0) one.erase(0, file.path.string().size());
  }
  return loaded;
}

}  // namespace

TEST_CASE("flags win over the environment, that over the file, that over defaults") {
  const config_file file("segment_bytes = \"64MiB\"\nthreads = 3\nconnections_max = 5\n");
  const auto loaded = load_config({file.path,
                                   {{"SKALD_THREADS", "4"}, {"SKALD_CONNECTIONS_MAX", "6"}},
                                   {{"connections_max", "7"}, {"data_dir", "/tmp/d"}}});
  REQUIRE(loaded.errors.empty());
  CHECK(loaded.config.server.shard.journal.segment_bytes == 64u << 20);
  CHECK(loaded.config.server.threads == 4);
  CHECK(loaded.config.server.connections_max == 7);
  CHECK(loaded.config.server.port == 7411);
}

TEST_CASE("mistakes in the file are reported with line and column") {
  const std::vector<std::pair<std::string, std::string>> all = {
      {"threads = 2\nsegment_byte = 5\n", ":2:1: there is no setting 'segment_byte'"},
      {"\n  threads = \"two\"\n", ":2:13: threads: expected a whole number"},
      {"threads = 1000\n", ":1:11: threads: 1000 is out of range; it must be from 0 to 256"},
      {"threads = -1\n", ":1:11: threads: '-1' is not a whole number"},
      {"segment_bytes = \"12 parsecs\"\n", ":1:17: segment_bytes: '12 parsecs' is not a size"},
      {"idle_timeout = 30\n", ":1:16: idle_timeout: expected a duration in quotes"},
      {"idle_timeout = \"1ms\"\n", ":1:16: idle_timeout: 1ms is out of range; it must be from 100ms to 1d"},
      {"allow_insecure = 1\n", ":1:18: allow_insecure: expected true or false"},
      {"listen = \"nowhere\"\n", ":1:10: listen: 'nowhere' is not an address"},
      {"log_level = \"loud\"\n", ":1:13: log_level: 'loud' is not one of"},
      {"threads = = 2\n", ":1:11: "},
      {"[section]\nthreads = 2\n", ":1:2: there is no setting 'section'; settings stand in no [table]"},
      {"segment_bytes = 8388609\n", "segment_bytes: it must be a multiple of 4096, as 8MiB is"}};
  for (const auto& [text, expected] : all) {
    CAPTURE(text);
    const auto loaded = load_file(text);
    REQUIRE(loaded.errors.size() == 1);
    CHECK_MESSAGE(loaded.errors[0].starts_with(expected), loaded.errors[0]);
  }
}

TEST_CASE("all mistakes are reported, not just the first, and in the order of the file") {
  const auto loaded = load_file("threads = \"a\"\nlisten = 7\na_typo = 1\n");
  REQUIRE(loaded.errors.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(loaded.errors[i].starts_with(":" + std::to_string(i + 1) + ":"));
}

TEST_CASE("mistakes elsewhere name the variable or the flag") {
  const auto loaded =
      load_config({std::nullopt, {{"SKALD_THREADS", "x"}, {"SKALD_TYPO", "1"}}, {{"idle_timeout", "soon"}}});
  REQUIRE(loaded.errors.size() == 2);
  CHECK(loaded.errors[0].starts_with("SKALD_THREADS: "));
  CHECK(loaded.errors[1].starts_with("--idle-timeout: "));
  REQUIRE(loaded.warnings.size() == 1);
  CHECK(loaded.warnings[0].starts_with("SKALD_TYPO "));
}

TEST_CASE("an address that others can reach has to be wanted") {
  const auto refused = load_config({std::nullopt, {}, {{"data_dir", "d"}, {"listen", "0.0.0.0:7411"}}});
  REQUIRE(refused.errors.size() == 1);
  CHECK(refused.errors[0].find("--allow-insecure") != std::string::npos);
  const auto wanted = load_config(
      {std::nullopt, {}, {{"data_dir", "d"}, {"listen", "0.0.0.0:7411"}, {"allow_insecure", "true"}}});
  CHECK(wanted.errors.empty());
  CHECK(load_config({std::nullopt, {}, {{"data_dir", "d"}, {"listen", "[::1]:0"}}}).errors.empty());
}

TEST_CASE("a missing file and a missing data directory are errors") {
  const auto loaded = load_config({"/nonexistent/skald.toml", {}, {}});
  REQUIRE(loaded.errors.size() == 1);
  CHECK(loaded.errors[0].starts_with("/nonexistent/skald.toml: "));
  CHECK(load_config({}).errors.size() == 1);
}

TEST_CASE("a directory is no configuration file") {
  const auto loaded = load_config({"/tmp", {}, {{"data_dir", "d"}}});
  REQUIRE(loaded.errors.size() == 1);
  CHECK(loaded.errors[0] == "/tmp: Is a directory");
}

TEST_CASE("the configuration is shown as a file that loads as the same") {
  const auto first =
      load_config({std::nullopt,
                   {},
                   {{"data_dir", "/tmp/a \"b\""}, {"memory_bytes_max", "1.5GiB"}, {"idle_timeout", "90s"}}});
  REQUIRE(first.errors.empty());
  const config_file file(show_config(first.config));
  const auto second = load_config({file.path, {}, {}});
  REQUIRE(second.errors.empty());
  CHECK(show_config(second.config) == show_config(first.config));
  CHECK(second.config.server.memory_bytes_max == 3ull << 29);
}

TEST_CASE("sizes and durations read as people write them") {
  CHECK(*parse_bytes("0") == 0);
  CHECK(*parse_bytes("128MiB") == 128u << 20);
  CHECK(*parse_bytes("1.5 gib") == 3ull << 29);
  CHECK(*parse_bytes("10kb") == 10'000);
  CHECK(*parse_duration("250ms") == std::chrono::milliseconds(250));
  CHECK(*parse_duration("1.5s") == std::chrono::milliseconds(1500));
  CHECK(*parse_duration("7d") == std::chrono::hours(168));
  for (const char* bad : {"", "x", "-1", "1.0001b", "1e300", "nan", "inf", "5 5"})
    CHECK_FALSE(parse_bytes(bad));
  for (const char* bad : {"", "5", "1y", "-3s", "0.5ms"}) CHECK_FALSE(parse_duration(bad));
  CHECK(show_bytes(192u << 20) == "192MiB");
  CHECK(show_bytes(0) == "0B");
  CHECK(show_duration(std::chrono::milliseconds(1500)) == "1500ms");
}

}  // namespace skald::server
