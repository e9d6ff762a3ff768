#include "broker/server/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>
#include <span>

namespace skald::server {

namespace {

struct unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array byte_units = {unit{"b", 1},
                                   unit{"", 1},
                                   unit{"kib", 1ull << 10},
                                   unit{"mib", 1ull << 20},
                                   unit{"gib", 1ull << 30},
                                   unit{"tib", 1ull << 40},
                                   unit{"kb", 1'000},
                                   unit{"mb", 1'000'000},
                                   unit{"gb", 1'000'000'000},
                                   unit{"tb", 1'000'000'000'000}};
constexpr std::array duration_units = {unit{"ms", 1}, unit{"s", 1000}, unit{"m", 60'000},
                                       unit{"h", 3'600'000}, unit{"d", 86'400'000}};

// A number and one of the units; nothing else.
result<std::uint64_t> parse(std::string_view text, std::span<const unit> units, std::string_view expected) {
  failure bad{errc::invalid_settings, fmt::format("'{}' is not {}", text, expected)};
  double number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || !std::isfinite(number) || number < 0) return bad;
  std::string name(text.substr(static_cast<std::size_t>(end - text.data())));
  name.erase(0, std::min(name.find_first_not_of(' '), name.size()));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto found =
      std::find_if(units.begin(), units.end(), [&](const unit& one) { return one.name == name; });
  if (found == units.end()) return bad;
  const double value = number * static_cast<double>(found->factor);
  if (value > 9.0e15 || value != std::floor(value)) return bad;  // beyond what a double counts exactly
  return static_cast<std::uint64_t>(value);
}

std::string show(std::uint64_t value, std::initializer_list<unit> largest_first) {
  for (const unit& one : largest_first) {
    if (value != 0 && value % one.factor == 0) return fmt::format("{}{}", value / one.factor, one.name);
  }
  return fmt::format("{}{}", value, std::prev(largest_first.end())->name);
}

}  // namespace

result<std::uint64_t> parse_bytes(std::string_view text) {
  return parse(text, byte_units, "a size; write a number of bytes, or one with KiB, MiB or GiB");
}

result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto parsed = parse(text, duration_units, "a duration; write a number with ms, s, m, h or d");
  if (!parsed) return parsed.error();
  return std::chrono::milliseconds(*parsed);
}

std::string show_bytes(std::uint64_t bytes) {
  return show(bytes,
              {{"TiB", 1ull << 40}, {"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10}, {"B", 1}});
}

std::string show_duration(std::chrono::milliseconds time) {
  return show(static_cast<std::uint64_t>(time.count()),
              {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}});
}

}  // namespace skald::server
