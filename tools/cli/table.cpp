#include "tools/cli/table.hpp"

#include <algorithm>
#include <utility>

namespace skald::cli {

table::table(std::vector<std::string> headings) {
  for (std::string& heading : headings) {
    right_.push_back(heading.starts_with('>'));
    if (right_.back()) heading.erase(0, 1);
  }
  const bool named = std::ranges::any_of(headings, [](const std::string& name) { return !name.empty(); });
  if (named) rows_.push_back(std::move(headings));
}

void table::add(std::vector<std::string> cells) {
  rows_.push_back(std::move(cells));
}

std::string table::text() const {
  std::vector<std::size_t> widths(right_.size(), 0);
  for (const auto& row : rows_) {
    for (std::size_t column = 0; column < row.size(); ++column) {
      widths[column] = std::max(widths[column], row[column].size());
    }
  }
  std::string out;
  for (const auto& row : rows_) {
    for (std::size_t column = 0; column < row.size(); ++column) {
      const std::string padding(widths[column] - row[column].size(), ' ');
      if (column != 0) out += "  ";
      out += right_[column] ? padding + row[column] : row[column];
      if (!right_[column] && column + 1 < row.size()) out += padding;
    }
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  }
  return out;
}

}  // namespace skald::cli
