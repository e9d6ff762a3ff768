#include "tools/bench/payload.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <skald/protocol/crc32c.hpp>

namespace skald::cli::bench {
namespace {

constexpr std::size_t pool_bytes_min = 512u << 10;
constexpr std::size_t records_min = 16;  // so that even huge ones are not all the same
constexpr std::size_t checksum_at = 20;  // in the stamp

std::uint32_t checksum_of(std::string_view bytes, std::uint32_t before = 0) {
  return protocol::crc32c(std::as_bytes(std::span(bytes)), before);
}

void fill_random(std::string& bytes, std::mt19937_64& random) {
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(std::uint64_t)) {
    const std::uint64_t number = random();
    std::memcpy(bytes.data() + at, &number, std::min(sizeof number, bytes.size() - at));
  }
}

void fill_text(std::string& bytes, std::mt19937_64& random) {
  constexpr std::array<std::string_view, 16> words{
      "order ",  "created ", "customer=", "INFO ",   "payment ", "id=",     "accepted ", "2026-11-29T",
      "amount=", "EUR ",     "shipped ",  "region=", "eu-west ", "status=", "retry ",    "took "};
  for (std::size_t at = 0; at < bytes.size();) {
    const std::uint64_t number = random();
    std::string text(words[number % words.size()]);
    text += std::to_string(number >> 48) + " ";
    const std::size_t size = std::min(text.size(), bytes.size() - at);
    std::memcpy(bytes.data() + at, text.data(), size);
    at += size;
  }
}

}  // namespace

void write_stamp(const payload& into, const stamp& is) noexcept {
  char* const at = into.record.data() + into.record.size() - stamp_bytes;
  std::memcpy(at, &is.producer, sizeof is.producer);
  std::memcpy(at + 4, &is.sequence, sizeof is.sequence);
  std::memcpy(at + 12, &is.due_ns, sizeof is.due_ns);
  const std::uint32_t checksum = checksum_of({at, checksum_at}, into.checksum);
  std::memcpy(at + checksum_at, &checksum, sizeof checksum);
}

std::optional<stamp> read_stamp(std::string_view record) noexcept {
  if (record.size() < stamp_bytes) return std::nullopt;
  const char* const at = record.data() + record.size() - stamp_bytes;
  std::uint32_t checksum = 0;
  std::memcpy(&checksum, at + checksum_at, sizeof checksum);
  if (checksum != checksum_of(record.substr(0, record.size() - sizeof checksum))) return std::nullopt;
  stamp is;
  std::memcpy(&is.producer, at, sizeof is.producer);
  std::memcpy(&is.sequence, at + 4, sizeof is.sequence);
  std::memcpy(&is.due_ns, at + 12, sizeof is.due_ns);
  return is;
}

payload_pool payload_pool::generated(std::size_t bytes_min, std::size_t bytes_max, content kind,
                                     std::size_t batch_bytes, std::uint64_t seed) {
  payload_pool made;
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<std::size_t> sizes(bytes_min, bytes_max);
  const std::size_t pool_bytes = std::max(pool_bytes_min, 2 * batch_bytes);
  while (made.bytes_.size() < pool_bytes || made.slots_.size() < records_min) made.add(sizes(random));
  if (kind == content::random) fill_random(made.bytes_, random);
  if (kind == content::text) fill_text(made.bytes_, random);
  made.compute_checksums();
  return made;
}

result<payload_pool> payload_pool::of_lines(std::string_view file) {
  payload_pool made;
  while (!file.empty()) {
    const std::size_t end = std::min(file.find('\n'), file.size());
    made.add(stamp_bytes + end);
    file.substr(0, end).copy(made.bytes_.data() + made.slots_.back().at, end);
    file.remove_prefix(std::min(end + 1, file.size()));
  }
  if (made.slots_.empty()) return failure{errc::invalid_request, "it has no lines"};
  made.compute_checksums();
  return made;
}

void payload_pool::add(std::size_t bytes) {
  slots_.push_back({bytes_.size(), bytes, 0});
  bytes_.resize(bytes_.size() + bytes);
}

void payload_pool::compute_checksums() {
  for (slot& one : slots_)
    if (one.bytes >= stamp_bytes)
      one.checksum = checksum_of({bytes_.data() + one.at, one.bytes - stamp_bytes});
}

payload payload_pool::next() noexcept {
  const slot& is = slots_[next_];
  if (++next_ == slots_.size()) next_ = 0;
  return {{bytes_.data() + is.at, is.bytes}, is.checksum};
}

double payload_pool::mean_bytes() const {
  return static_cast<double>(bytes_.size()) / static_cast<double>(slots_.size());
}

std::size_t payload_pool::bytes_max() const {
  return std::ranges::max_element(slots_, {}, &slot::bytes)->bytes;
}

}  // namespace skald::cli::bench
