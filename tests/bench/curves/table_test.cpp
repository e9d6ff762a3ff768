#include "bench/curves/table.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace skald::bench::curves {
namespace {

class table_file {
 public:
  table_file() {
    std::string name = (std::filesystem::temp_directory_path() / "skald-table-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    directory_ = name;
  }
  ~table_file() { std::filesystem::remove_all(directory_); }
  table_file(const table_file&) = delete;
  table_file& operator=(const table_file&) = delete;

  std::filesystem::path path() const { return directory_ / "curve.csv"; }
  std::string contents() const {
    std::ifstream in(path());
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  std::filesystem::path directory_;
};

TEST_CASE("what is known so far is in the file, whatever becomes of the rest") {
  const table_file file;
  table into(file.path(), {"two processors"}, {"partitions", "mb_per_s", "restart_s"});
  CHECK(file.contents() == "# two processors\npartitions,mb_per_s,restart_s\n");
  into.add({cell(std::uint64_t{10}), cell(123.456, 1), ""});
  CHECK(file.contents() == "# two processors\npartitions,mb_per_s,restart_s\n10,123.5,\n");
}

TEST_CASE("a point that failed is told in the file, and makes the curve one that failed") {
  const table_file file;
  table into(file.path(), {}, {"partitions"});
  into.remark("skipped: 100 partitions");
  CHECK_FALSE(into.failed());
  into.fail("point 3: records are missing");
  CHECK(into.failed());
  CHECK(file.contents() == "partitions\n# skipped: 100 partitions\n# failed: point 3: records are missing\n");
}

TEST_CASE("a file that cannot be written is named") {
  const table_file file;
  const std::filesystem::path nowhere = file.path().parent_path() / "none" / "curve.csv";
  CHECK_THROWS_WITH_AS(table(nowhere, {}, {"partitions"}), doctest::Contains(nowhere.c_str()),
                       std::runtime_error);
}

TEST_CASE("a row has a cell for each column") {
  const table_file file;
  table into(file.path(), {}, {"partitions", "mb_per_s"});
  CHECK_THROWS_AS(into.add({"1"}), std::logic_error);
}

}  // namespace
}  // namespace skald::bench::curves
