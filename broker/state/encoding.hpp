// Numbers as bytes: big-endian, so that the byte order of keys is the order of what they mean.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "skald/protocol/error.hpp"
#include "skald/protocol/types.hpp"

namespace skald::state {

class encoder {
 public:
  explicit encoder(std::string& into) : into_(into) { into_.clear(); }

  template <std::unsigned_integral Number>
  encoder& number(Number value) {
    char bytes[sizeof(Number)];
    for (std::size_t i = 0; i < sizeof(Number); ++i)
      bytes[i] = static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * (sizeof(Number) - 1 - i)));
    into_.append(bytes, sizeof(Number));
    return *this;
  }
  encoder& number(std::int32_t value) { return number(static_cast<std::uint32_t>(value)); }
  encoder& number(std::int64_t value) { return number(static_cast<std::uint64_t>(value)); }
  template <class Tag, class Number>
  encoder& number(strong_id<Tag, Number> id) {
    return number(id.value());
  }
  encoder& number(offset at) { return number(at.value()); }
  encoder& number(timestamp at) { return number(std::int64_t{at.time_since_epoch().count()}); }
  encoder& text(std::string_view value) {
    number(static_cast<std::uint32_t>(value.size()));
    into_.append(value);
    return *this;
  }
  // A text that orders as its bytes do, wherever it stands in a key.
  encoder& ordered_text(std::string_view value) {
    for (const char byte : value) {
      into_ += byte;
      if (byte == '\0') into_ += '\xff';
    }
    into_.append(2, '\0');
    return *this;
  }

 private:
  std::string& into_;
};

// Throws storage_corrupt when the bytes end too early, or are not all used when finish() is called.
class decoder {
 public:
  explicit decoder(std::string_view from) : rest_(from) {}

  template <std::unsigned_integral Number>
  decoder& number(Number& value) {
    const std::string_view bytes = take(sizeof(Number));
    std::uint64_t wide = 0;
    for (const char byte : bytes) wide = wide << 8 | static_cast<unsigned char>(byte);
    value = static_cast<Number>(wide);
    return *this;
  }
  decoder& number(std::int32_t& value) {
    std::uint32_t bits = 0;
    number(bits);
    value = static_cast<std::int32_t>(bits);
    return *this;
  }
  decoder& number(std::int64_t& value) {
    std::uint64_t bits = 0;
    number(bits);
    value = static_cast<std::int64_t>(bits);
    return *this;
  }
  template <class Tag, class Number>
  decoder& number(strong_id<Tag, Number>& id) {
    Number value = 0;
    number(value);
    id = strong_id<Tag, Number>(value);
    return *this;
  }
  decoder& number(offset& at) {
    std::uint64_t value = 0;
    number(value);
    at = offset(value);
    return *this;
  }
  decoder& number(timestamp& at) {
    std::int64_t value = 0;
    number(value);
    at = timestamp(std::chrono::milliseconds(value));
    return *this;
  }
  decoder& text(std::string& value) {
    std::uint32_t size = 0;
    number(size);
    value = take(size);
    return *this;
  }
  decoder& ordered_text(std::string& value) {
    value.clear();
    while (true) {
      const char byte = take(1).front();
      if (byte != '\0') {
        value += byte;
        continue;
      }
      const char next = take(1).front();
      if (next == '\0') return *this;
      if (next != '\xff') corrupt();
      value += '\0';
    }
  }
  void finish() const {
    if (!rest_.empty()) corrupt();
  }

 private:
  std::string_view take(std::size_t bytes) {
    if (bytes > rest_.size()) corrupt();
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }
  [[noreturn]] static void corrupt() {
    throw error(errc::storage_corrupt, "a row of the state has an impossible length");
  }

  std::string_view rest_;
};

}  // namespace skald::state
