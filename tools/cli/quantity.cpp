#include "tools/cli/quantity.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace skald::cli {
namespace {

constexpr std::uint64_t size_max = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

struct size_unit {
  std::string_view name;
  std::uint64_t bytes;
};
constexpr std::array<size_unit, 14> size_units{{
    {"", 1},
    {"b", 1},
    {"kb", 1'000},
    {"mb", 1'000'000},
    {"gb", 1'000'000'000},
    {"tb", 1'000'000'000'000},
    {"kib", 1ull << 10},
    {"mib", 1ull << 20},
    {"gib", 1ull << 30},
    {"tib", 1ull << 40},
    {"k", 1ull << 10},
    {"m", 1ull << 20},
    {"g", 1ull << 30},
    {"t", 1ull << 40},
}};

struct duration_unit {
  std::string_view name;
  std::int64_t milliseconds;
};
constexpr std::array<duration_unit, 6> duration_units{{
    {"w", 604'800'000},
    {"d", 86'400'000},
    {"h", 3'600'000},
    {"m", 60'000},
    {"s", 1'000},
    {"ms", 1},
}};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Takes the digits at the front of `text`. Nothing when there are none or the number is too large.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || number > size_max) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

failure bad_size(std::string_view text, std::string_view why) {
  return {errc::invalid_request, "size '" + std::string(text) + "' " + std::string(why) +
                                     "; write a whole number with a unit, such as 512KiB or 1GiB"};
}

failure bad_duration(std::string_view text, std::string_view why) {
  return {errc::invalid_request, "duration '" + std::string(text) + "' " + std::string(why) +
                                     "; write numbers with units (w, d, h, m, s, ms), such as 7d or 1h30m"};
}

}  // namespace

result<std::uint64_t> parse_size(std::string_view text) {
  std::string_view rest = text;
  if (rest.empty() || !is_digit(rest.front())) return bad_size(text, "is not a number");
  const auto number = take_number(rest);
  if (!number) return bad_size(text, "is too large");
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  std::string unit(rest);
  std::ranges::transform(unit, unit.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  const auto known = std::ranges::find(size_units, std::string_view(unit), &size_unit::name);
  if (known == size_units.end()) return bad_size(text, "has an unknown unit '" + std::string(rest) + "'");
  if (*number > size_max / known->bytes) return bad_size(text, "is too large");
  return *number * known->bytes;
}

result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  if (text == "0") return std::chrono::milliseconds(0);
  if (text.empty()) return bad_duration(text, "is empty");
  std::uint64_t total = 0;
  auto allowed = duration_units.begin();  // units only get smaller, so "1m1h" and "1h1h" are mistakes
  for (std::string_view rest = text; !rest.empty();) {
    if (!is_digit(rest.front())) return bad_duration(text, "has something that is not a number");
    const auto number = take_number(rest);
    if (!number) return bad_duration(text, "is too large");
    const auto unit_end = std::ranges::find_if_not(rest, is_letter);
    const std::string_view name(rest.begin(), unit_end);
    if (name.empty()) return bad_duration(text, "lacks a unit");
    const auto known = std::ranges::find(duration_units, name, &duration_unit::name);
    if (known == duration_units.end()) {
      return bad_duration(text, "has an unknown unit '" + std::string(name) + "'");
    }
    if (known < allowed) return bad_duration(text, "does not go from larger to smaller units");
    allowed = known + 1;
    const auto unit = static_cast<std::uint64_t>(known->milliseconds);
    if (*number > (size_max - total) / unit) return bad_duration(text, "is too large");
    total += *number * unit;
    rest.remove_prefix(name.size());
  }
  return std::chrono::milliseconds(static_cast<std::int64_t>(total));
}

std::string format_size(std::uint64_t bytes) {
  static constexpr std::array<std::string_view, 7> names{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  std::size_t unit = 0;
  while (unit + 1 < names.size() && bytes >> (10 * (unit + 1)) != 0) ++unit;
  const std::uint64_t whole = bytes >> (10 * unit);
  const std::uint64_t rest = bytes - (whole << (10 * unit));
  std::string text = std::to_string(whole);
  if (rest != 0) {
    text += '.';
    text += static_cast<char>('0' + ((rest >> (10 * (unit - 1))) * 10 >> 10));
  }
  return text.append(" ").append(names[unit]);
}

std::string format_duration(std::chrono::milliseconds duration) {
  if (duration.count() == 0) return "0s";
  std::string text = duration.count() < 0 ? "-" : "";
  std::uint64_t left = duration.count() < 0 ? 0 - static_cast<std::uint64_t>(duration.count())
                                            : static_cast<std::uint64_t>(duration.count());
  for (const duration_unit& unit : duration_units) {
    if (unit.name == "w") continue;  // "14d" reads better than "2w"
    const auto size = static_cast<std::uint64_t>(unit.milliseconds);
    if (const std::uint64_t number = left / size; number != 0) {
      text.append(std::to_string(number)).append(unit.name);
      left %= size;
    }
  }
  return text;
}

std::string format_age(std::chrono::milliseconds age) {
  using namespace std::chrono_literals;
  age = std::max(age, 0ms);
  if (age < 1s) return format_duration(age);
  if (age < 9'950ms) {
    const auto tenths = std::chrono::round<std::chrono::duration<std::int64_t, std::deci>>(age).count();
    const std::string whole = std::to_string(tenths / 10);
    return tenths % 10 == 0 ? whole + "s" : whole + "." + std::to_string(tenths % 10) + "s";
  }
  if (age < 1h) return format_duration(std::chrono::round<std::chrono::seconds>(age));
  if (age < 24h) return format_duration(std::chrono::round<std::chrono::minutes>(age));
  return format_duration(std::chrono::round<std::chrono::hours>(age));
}

std::string format_count(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, 1, ',');
  return digits;
}

}  // namespace skald::cli
