#include "tools/cli/text_encoding.hpp"

#include <array>
#include <cstdint>
#include <cstring>

namespace skald::cli {
namespace {

constexpr std::string_view base64_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t no_digit = 0xff;

constexpr std::array<std::uint8_t, 256> base64_digits = [] {
  std::array<std::uint8_t, 256> digits{};
  digits.fill(no_digit);
  for (std::size_t i = 0; i < base64_alphabet.size(); ++i) {
    digits[static_cast<unsigned char>(base64_alphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return digits;
}();

constexpr std::string_view hex_digits = "0123456789abcdef";

std::uint32_t byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

bool is_plain(char c) {  // stands for itself inside a JSON string
  return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\';
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  const auto* const end = at + bytes.size();
  while (at != end) {
    if (end - at >= 8) {  // ASCII, eight bytes at a time
      std::uint64_t eight;
      std::memcpy(&eight, at, sizeof eight);
      if ((eight & 0x8080808080808080u) == 0) {
        at += 8;
        continue;
      }
    }
    const unsigned lead = *at++;
    if (lead < 0x80) continue;
    // What the byte after the lead may be excludes overlong forms, surrogates and what is above U+10FFFF.
    unsigned low = 0x80, high = 0xbf;
    std::ptrdiff_t following;
    if (lead >= 0xc2 && lead <= 0xdf) {
      following = 1;
    } else if (lead >= 0xe0 && lead <= 0xef) {
      following = 2;
      if (lead == 0xe0) low = 0xa0;
      if (lead == 0xed) high = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      following = 3;
      if (lead == 0xf0) low = 0x90;
      if (lead == 0xf4) high = 0x8f;
    } else {
      return false;
    }
    if (end - at < following) return false;
    for (; following > 0; --following, low = 0x80, high = 0xbf) {
      const unsigned next = *at++;
      if (next < low || next > high) return false;
    }
  }
  return true;
}

void append_base64(std::string& out, std::string_view bytes) {
  std::size_t at = 0;
  for (; bytes.size() - at >= 3; at += 3) {
    const std::uint32_t three =
        byte_at(bytes, at) << 16 | byte_at(bytes, at + 1) << 8 | byte_at(bytes, at + 2);
    const char four[4] = {base64_alphabet[three >> 18], base64_alphabet[three >> 12 & 63],
                          base64_alphabet[three >> 6 & 63], base64_alphabet[three & 63]};
    out.append(four, 4);
  }
  if (const std::size_t rest = bytes.size() - at; rest != 0) {
    const std::uint32_t two = byte_at(bytes, at) << 16 | (rest == 2 ? byte_at(bytes, at + 1) << 8 : 0);
    out += base64_alphabet[two >> 18];
    out += base64_alphabet[two >> 12 & 63];
    out += rest == 2 ? base64_alphabet[two >> 6 & 63] : '=';
    out += '=';
  }
}

bool decode_base64(std::string_view text, std::string& out) {
  out.clear();
  if (text.size() % 4 != 0) return false;
  std::size_t padding = 0;
  while (padding < 2 && text.size() > padding && text[text.size() - 1 - padding] == '=') ++padding;
  const std::size_t digits = text.size() - padding;
  std::uint32_t bits = 0;
  for (std::size_t at = 0; at < digits; ++at) {
    const std::uint8_t digit = base64_digits[static_cast<unsigned char>(text[at])];
    if (digit == no_digit) return false;
    bits = bits << 6 | digit;
    if (at % 4 == 3) {
      out += static_cast<char>(bits >> 16 & 0xff);
      out += static_cast<char>(bits >> 8 & 0xff);
      out += static_cast<char>(bits & 0xff);
      bits = 0;
    }
  }
  if (padding == 1) {
    out += static_cast<char>(bits >> 10 & 0xff);
    out += static_cast<char>(bits >> 2 & 0xff);
    return (bits & 3) == 0;
  }
  if (padding == 2) {
    out += static_cast<char>(bits >> 4 & 0xff);
    return (bits & 15) == 0;
  }
  return true;
}

void append_json_string(std::string& out, std::string_view utf8) {
  out += '"';
  for (std::size_t at = 0; at < utf8.size();) {
    std::size_t plain_end = at;
    while (plain_end < utf8.size() && is_plain(utf8[plain_end])) ++plain_end;
    out.append(utf8.substr(at, plain_end - at));
    at = plain_end;
    if (at == utf8.size()) break;
    switch (const char c = utf8[at++]) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        out += "\\u00";
        out += hex_digits[static_cast<unsigned char>(c) >> 4];
        out += hex_digits[static_cast<unsigned char>(c) & 15];
    }
  }
  out += '"';
}

std::string printable(std::string_view bytes, std::size_t characters_max) {
  std::string text;
  for (const char c : bytes) {
    if (text.size() >= characters_max) return text + "...";
    if (c >= 0x20 && c < 0x7f) {
      text += c;
    } else {
      text += "\\x";
      text += hex_digits[static_cast<unsigned char>(c) >> 4];
      text += hex_digits[static_cast<unsigned char>(c) & 15];
    }
  }
  return text;
}

}  // namespace skald::cli
