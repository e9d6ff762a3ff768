// Where a benchmark runs as a whole: a directory for what it makes and removes, and a name for its results.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/system/support/skaldd_process.hpp"

namespace skald::tests {

struct benchmark_stage {
  scratch_directory directory;
  std::string data = (directory.path() / "data").string();
  std::string results = (directory.path() / "results").string();

  benchmark_stage() { std::filesystem::create_directory(data); }
  bool nothing_left() const { return std::filesystem::is_empty(data); }
};

// "" when there is no such file.
inline std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline bool contains(const std::string& text, const std::string& what) {
  return text.find(what) != std::string::npos;
}

}  // namespace skald::tests
