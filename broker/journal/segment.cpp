#include "broker/journal/segment.hpp"

#include <algorithm>
#include <charconv>

namespace skald::journal {

namespace {

constexpr std::string_view spare_prefix = "spare-";
constexpr std::string_view suffix = ".segment";
constexpr std::size_t digits = 16;

std::string hexadecimal(std::uint64_t number) {
  std::string text(digits, '0');
  for (std::size_t i = digits; i-- > 0; number >>= 4) text[i] = "0123456789abcdef"[number & 15];
  return text;
}

}  // namespace

std::string segment_name(generation id) {
  return hexadecimal(id.value()).append(suffix);
}

std::string spare_name(generation id) {
  return std::string(spare_prefix).append(hexadecimal(id.value())).append(suffix);
}

std::optional<parsed_name> parse_name(std::string_view name) {
  parsed_name parsed;
  parsed.spare = name.starts_with(spare_prefix);
  if (parsed.spare) name.remove_prefix(spare_prefix.size());
  if (name.size() != digits + suffix.size() || !name.ends_with(suffix)) return {};
  const std::string_view number = name.substr(0, digits);
  if (number.find_first_not_of("0123456789abcdef") != std::string_view::npos) return {};
  std::uint64_t value = 0;
  std::from_chars(number.data(), number.data() + number.size(), value, 16);
  parsed.id = generation(value);
  return parsed;
}

segment::segment(generation id, std::unique_ptr<file> content, std::uint64_t bytes, bool written,
                 std::weak_ptr<segment_home> home)
    : id_(id),
      content_(std::move(content)),
      bytes_(bytes),
      home_(std::move(home)),
      written_(written),
      filled_(segment_header_bytes) {}

segment::~segment() {
  if (!released_.load()) return;
  if (const std::shared_ptr<segment_home> home = home_.lock()) home->take_back(id_, std::move(content_));
}

void segment::begin_use() {
  const std::lock_guard lock(filling_);
  written_ = true;
}

std::error_code segment::fill(std::uint64_t bytes) {
  const std::lock_guard lock(filling_);
  if (written_) return {};
  const std::uint64_t step = std::min(bytes, bytes_ - filled_);
  const std::error_code failed = content_->write_zeros(filled_, step);
  filled_ += step;
  written_ = failed || filled_ == bytes_;
  return failed;
}

std::error_code read(const segment& from, std::uint64_t position, std::span<const iovec> into,
                     file::blocking mode) {
  return from.content().read(position, into, mode);
}

}  // namespace skald::journal
