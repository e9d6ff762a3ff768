#include "bench/curves/table.hpp"

#include <array>
#include <cstdio>
#include <stdexcept>

namespace skald::bench::curves {
namespace {

std::string joined(const std::vector<std::string>& cells) {
  std::string line;
  for (const std::string& each : cells) line += each + ",";
  line.pop_back();
  return line;
}

}  // namespace

table::table(const std::filesystem::path& file, const std::vector<std::string>& remarks,
             const std::vector<std::string>& columns)
    : file_(file), columns_(columns), out_(file, std::ios::trunc) {
  for (const std::string& each : remarks) write("# " + each);
  write(joined(columns));
}

void table::add(const std::vector<std::string>& cells) {
  if (cells.size() != columns_.size()) throw std::logic_error(file_.string() + ": a row of other columns");
  write(joined(cells));
  std::string shown;
  for (std::size_t i = 0; i < cells.size(); ++i)
    if (!cells[i].empty()) shown += "  " + columns_[i] + "=" + cells[i];
  std::fprintf(stderr, "%s\n", shown.c_str());
}

void table::remark(const std::string& text) {
  write("# " + text);
  std::fprintf(stderr, "  %s\n", text.c_str());
}

void table::fail(const std::string& why) {
  failed_ = true;
  remark("failed: " + why);
}

void table::write(const std::string& line) {
  out_ << line << '\n' << std::flush;
  if (!out_) throw std::runtime_error("cannot write " + file_.string());
}

std::string cell(std::uint64_t number) {
  return std::to_string(number);
}

std::string cell(double number, int digits) {
  std::array<char, 64> text{};
  const int size = std::snprintf(text.data(), text.size(), "%.*f", digits, number);
  return {text.data(), static_cast<std::size_t>(size)};
}

}  // namespace skald::bench::curves
