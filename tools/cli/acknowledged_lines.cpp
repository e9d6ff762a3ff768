#include "tools/cli/acknowledged_lines.hpp"

#include "tools/cli/quantity.hpp"

namespace skald::cli {
namespace {

constexpr std::uint64_t word_lines = 64;
constexpr std::uint64_t full = ~std::uint64_t{0};

std::string describe_range(line_range range) {
  if (range.first == range.last) return format_count(range.first);
  return format_count(range.first) + "-" + format_count(range.last);
}

}  // namespace

void acknowledged_lines::mark(std::uint64_t line) {
  const std::uint64_t index = line - 1;
  if (index / word_lines < full_words_) return;
  const std::uint64_t word = index / word_lines - full_words_;
  if (word >= window_.size()) window_.resize(word + 1);
  const std::uint64_t bit = std::uint64_t{1} << (index % word_lines);
  if ((window_[word] & bit) != 0) return;
  window_[word] |= bit;
  ++count_;
  while (!window_.empty() && window_.front() == full) {
    window_.pop_front();
    ++full_words_;
  }
}

std::vector<line_range> acknowledged_lines::ranges() const {
  std::vector<line_range> found;
  const auto add = [&](std::uint64_t line) {
    if (!found.empty() && found.back().last + 1 == line) {
      found.back().last = line;
    } else {
      found.push_back({line, line});
    }
  };
  if (full_words_ != 0) found.push_back({1, full_words_ * word_lines});
  for (std::size_t word = 0; word < window_.size(); ++word) {
    for (std::uint64_t bit = 0; bit < word_lines; ++bit) {
      if ((window_[word] >> bit & 1) != 0) add((full_words_ + word) * word_lines + bit + 1);
    }
  }
  return found;
}

std::string acknowledged_lines::describe(std::string_view noun, std::size_t ranges_max) const {
  const std::vector<line_range> found = ranges();
  if (found.empty()) return "no " + std::string(noun) + "s";
  std::string text = std::string(noun) + (count_ == 1 ? " " : "s ");
  const bool all = found.size() <= ranges_max;
  const std::size_t named = all ? found.size() : ranges_max;
  for (std::size_t i = 0; i < named; ++i) {
    if (i != 0) text += all && i + 1 == named ? " and " : ", ";
    text += describe_range(found[i]);
  }
  if (!all) {
    std::uint64_t rest = 0;
    for (std::size_t i = named; i < found.size(); ++i) rest += found[i].last - found[i].first + 1;
    text += " and " + format_count(rest) + " more in " + format_count(found.size() - named) +
            " ranges up to " + format_count(found.back().last);
  }
  return text;
}

}  // namespace skald::cli
