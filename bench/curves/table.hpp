// The points of a curve, as a CSV file that at any moment has all that is known so far.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace skald::bench::curves {

class table {
 public:
  // Begins the file anew: remarks, the names of the columns, no rows. Throws std::runtime_error when it
  // cannot be written.
  table(const std::filesystem::path& file, const std::vector<std::string>& remarks,
        const std::vector<std::string>& columns);

  // A row, in the order of the columns; an empty cell is a figure that this point has not. Shown on stderr,
  // too.
  void add(const std::vector<std::string>& cells);
  // A line that is no row, "# " before it. Shown likewise.
  void remark(const std::string& text);
  // A remark on a point, or the rest of the curve, that could not be measured, or is not what was published.
  void fail(const std::string& why);
  bool failed() const { return failed_; }

 private:
  void write(const std::string& line);

  std::filesystem::path file_;
  std::vector<std::string> columns_;
  std::ofstream out_;
  bool failed_ = false;
};

// Cells.
std::string cell(std::uint64_t number);
std::string cell(double number, int digits);

}  // namespace skald::bench::curves
