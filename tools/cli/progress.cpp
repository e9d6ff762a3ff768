#include "tools/cli/progress.hpp"

#include <unistd.h>

#include "tools/cli/quantity.hpp"

namespace skald::cli {
namespace {

constexpr std::chrono::milliseconds redraw_after{200};

void draw(std::string_view text) {
  // A progress line that cannot be drawn is not worth failing for.
  [[maybe_unused]] const ssize_t count = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

bool progress::wanted(bool quiet, bool writes_records) {
  return !quiet && ::isatty(STDERR_FILENO) == 1 && !(writes_records && ::isatty(STDOUT_FILENO) == 1);
}

void progress::update(std::uint64_t records, std::uint64_t bytes) {
  if (!enabled_) return;
  const auto now = clock::now();
  const auto since = now - (drawn_ == clock::time_point{} ? started_ : drawn_);
  if (since < redraw_after) return;
  const double rate =
      static_cast<double>(records - drawn_records_) / std::chrono::duration<double>(since).count();
  draw("\r\x1b[K" + describe_progress(verb_, records, bytes, rate, noun_));
  drawn_ = now;
  drawn_records_ = records;
  visible_ = true;
}

void progress::clear() {
  if (visible_) draw("\r\x1b[K");
  visible_ = false;
}

std::string describe_progress(std::string_view verb, std::uint64_t records, std::uint64_t bytes,
                              double records_per_second, std::string_view noun) {
  std::string text = std::string(verb) + " " + format_count(records) + " " + std::string(noun);
  if (records != 1) text += "s";
  if (bytes != 0 || noun == "record") text += ", " + format_size(bytes);
  // The rate of a handful is that of somebody typing.
  if (records >= 1000)
    text +=
        ", " + format_count(static_cast<std::uint64_t>(records_per_second)) + " " + std::string(noun) + "s/s";
  return text;
}

}  // namespace skald::cli
