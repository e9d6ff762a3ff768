#include "skald/outbox/headers.hpp"

#include <cstdint>

#include <skald/protocol/error.hpp>

namespace skald::outbox {

namespace {

constexpr std::uint32_t no_value = 0xffff'ffff;

void append_length(std::string& to, std::uint32_t length) {
  for (int shift = 0; shift < 32; shift += 8) to += static_cast<char>((length >> shift) & 0xff);
}

class reader {
 public:
  explicit reader(std::string_view bytes) : left_(bytes) {}
  bool done() const { return left_.empty(); }

  std::uint32_t length() {
    const std::string_view bytes = take(4);
    std::uint32_t result = 0;
    for (std::size_t i = 0; i < 4; ++i)
      result |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    return result;
  }
  std::string_view take(std::size_t size) {
    if (size > left_.size())
      throw error(errc::invalid_request, "the headers of an outbox row are damaged: they end too early");
    const std::string_view result = left_.substr(0, size);
    left_.remove_prefix(size);
    return result;
  }

 private:
  std::string_view left_;
};

}  // namespace

std::string encode_headers(std::span<const header> headers) {
  std::string result;
  for (const header& each : headers) {
    append_length(result, static_cast<std::uint32_t>(each.key.size()));
    result += each.key;
    append_length(result, each.value ? static_cast<std::uint32_t>(each.value->size()) : no_value);
    result += each.value.value_or("");
  }
  return result;
}

std::vector<header> decode_headers(std::string_view encoded) {
  std::vector<header> result;
  for (reader from(encoded); !from.done();) {
    header each{.key = from.take(from.length())};
    if (const std::uint32_t length = from.length(); length != no_value) each.value = from.take(length);
    result.push_back(each);
  }
  return result;
}

}  // namespace skald::outbox
