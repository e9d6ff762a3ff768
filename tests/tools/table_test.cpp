#include "tools/cli/table.hpp"

#include <doctest/doctest.h>

namespace skald::cli {
namespace {

TEST_CASE("columns are aligned, and lines have no trailing spaces") {
  table rows({"NAME", ">COUNT", "NOTE"});
  rows.add({"a", "1", ""});
  rows.add({"longer", "1,000", "x"});
  CHECK(rows.text() ==
        "NAME    COUNT  NOTE\n"
        "a           1\n"
        "longer  1,000  x\n");
}

TEST_CASE("without headings there is no heading line") {
  table rows({"", ""});
  rows.add({"a", "b"});
  CHECK(rows.text() == "a  b\n");
}

}  // namespace
}  // namespace skald::cli
