// Aligned columns for people.
#pragma once

#include <string>
#include <vector>

namespace skald::cli {

class table {
 public:
  // One name for each column; with a leading '>' it is aligned to the right. Without any name there is no
  // heading line.
  explicit table(std::vector<std::string> headings);
  // As many cells as there are columns.
  void add(std::vector<std::string> cells);
  // The lines, without trailing spaces.
  std::string text() const;

 private:
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace skald::cli
