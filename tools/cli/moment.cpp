#include "tools/cli/moment.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "tools/cli/quantity.hpp"

namespace skald::cli {
namespace {

using namespace std::chrono;

constexpr timestamp newest{milliseconds(253'402'300'799'999)};

failure bad_time(std::string_view text, std::string_view why) {
  return {errc::invalid_request, "timestamp '" + std::string(text) + "' " + std::string(why) +
                                     "; write RFC 3339 such as 2026-11-22T21:54:02Z, or @MILLISECONDS"};
}

// Reads what RFC 3339 is made of: numbers of a fixed width, and the characters between them.
class scanner {
 public:
  explicit scanner(std::string_view text) : rest_(text) {}

  bool failed() const { return failed_; }
  bool at_end() const { return rest_.empty(); }

  int digits(std::size_t width) {
    int number = 0;
    for (std::size_t i = 0; i < width; ++i) {
      if (i >= rest_.size() || rest_[i] < '0' || rest_[i] > '9') return failed_ = true, 0;
      number = number * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(width);
    return number;
  }
  // The next character, which has to be one of these.
  char one_of(std::string_view allowed) {
    if (rest_.empty() || allowed.find(rest_.front()) == std::string_view::npos) return failed_ = true, '\0';
    const char found = rest_.front();
    rest_.remove_prefix(1);
    return found;
  }
  bool skip(char wanted) {
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // The digits of a fraction, as milliseconds.
  int fraction() {
    int value = 0;
    std::size_t count = 0;
    for (; count < rest_.size() && rest_[count] >= '0' && rest_[count] <= '9'; ++count) {
      if (count < 3) value = value * 10 + (rest_[count] - '0');
    }
    if (count == 0) failed_ = true;
    for (std::size_t have = count; have < 3; ++have) value *= 10;
    rest_.remove_prefix(count);
    return value;
  }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

// Nothing for what is not RFC 3339 or names a time that does not exist. Leap seconds (second 60) count as the
// following second, as Unix time has it.
std::optional<timestamp> parse_rfc3339(std::string_view text) {
  scanner in(text);
  const int year_number = in.digits(4);
  in.one_of("-");
  const int month_number = in.digits(2);
  in.one_of("-");
  const int day_number = in.digits(2);
  in.one_of("Tt ");
  const int hour = in.digits(2);
  in.one_of(":");
  const int minute = in.digits(2);
  in.one_of(":");
  const int second = in.digits(2);
  const int fraction = in.skip('.') ? in.fraction() : 0;
  const char zone = in.one_of("Zz+-");
  minutes shift{0};
  if (zone == '+' || zone == '-') {
    const int zone_hours = in.digits(2);
    in.one_of(":");
    const int zone_minutes = in.digits(2);
    if (zone_hours > 23 || zone_minutes > 59) return std::nullopt;
    shift = hours(zone_hours) + minutes(zone_minutes);
    if (zone == '-') shift = -shift;
  }
  if (in.failed() || !in.at_end() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const year_month_day date{year(year_number), month(static_cast<unsigned>(month_number)),
                            day(static_cast<unsigned>(day_number))};
  if (!date.ok()) return std::nullopt;
  return sys_days(date) + hours(hour) + minutes(minute) + seconds(second) + milliseconds(fraction) - shift;
}

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

void append_digits(char*& at, unsigned number, int width) {
  for (int place = width - 1; place >= 0; --place, number /= 10)
    at[place] = static_cast<char>('0' + number % 10);
  at += width;
}

}  // namespace

result<timestamp> parse_timestamp(std::string_view text) {
  std::optional<timestamp> at;
  if (text.starts_with('@')) {
    const auto number = whole_number(text.substr(1));
    if (!number) return bad_time(text, "has no whole number of milliseconds after the @");
    at = *number > static_cast<std::uint64_t>(newest.time_since_epoch().count())
             ? newest + milliseconds(1)
             : timestamp(milliseconds(static_cast<std::int64_t>(*number)));
  } else {
    at = parse_rfc3339(text);
    if (!at) return bad_time(text, "is not a date and time with a zone");
  }
  if (*at < timestamp{} || *at > newest) return bad_time(text, "is not between the years 1970 and 9999");
  return *at;
}

void append_timestamp(std::string& out, timestamp at) {
  const auto midnight = floor<days>(at);
  const year_month_day date(midnight);
  const auto of_day = static_cast<unsigned>((at - midnight).count());
  char text[24];
  char* end = text;
  append_digits(end, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  *end++ = '-';
  append_digits(end, static_cast<unsigned>(date.month()), 2);
  *end++ = '-';
  append_digits(end, static_cast<unsigned>(date.day()), 2);
  *end++ = 'T';
  append_digits(end, of_day / 3'600'000, 2);
  *end++ = ':';
  append_digits(end, of_day / 60'000 % 60, 2);
  *end++ = ':';
  append_digits(end, of_day / 1'000 % 60, 2);
  *end++ = '.';
  append_digits(end, of_day % 1'000, 3);
  *end++ = 'Z';
  out.append(text, end);
}

result<start_position> parse_start(std::string_view text, timestamp now) {
  if (text == "earliest") return start_position(from_earliest{});
  if (text == "latest") return start_position(from_latest{});
  if (const auto number = whole_number(text)) return start_position(offset(*number));
  if (text.starts_with('-')) {
    const auto before = parse_duration(text.substr(1));
    if (!before) return before.error();
    return start_position(std::max(timestamp{}, now - *before));
  }
  if (const auto at = parse_timestamp(text)) return start_position(*at);
  return failure{errc::invalid_request,
                 "'" + std::string(text) +
                     "' is no place to start from; write earliest, latest, an offset, a time such as "
                     "2026-11-22T21:54:02Z or @MILLISECONDS, or how long ago, such as -1h"};
}

}  // namespace skald::cli
