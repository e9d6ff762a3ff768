#include "tools/cli/message_template.hpp"

#include <charconv>
#include <optional>

#include "tools/cli/moment.hpp"
#include "tools/cli/text_encoding.hpp"

namespace skald::cli {
namespace {

template <class Number>
void append_number(std::string& out, Number number) {
  char text[24];
  out.append(text, std::to_chars(text, text + sizeof text, number).ptr);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

failure bad_template(std::string_view text, std::size_t at, std::size_t length, std::string_view why) {
  return {errc::invalid_request,
          std::string(why) + " '" + printable(text.substr(at, length)) + "' at position " +
              std::to_string(at + 1) +
              "; known are %k %v %h %N %p %o %t %T %n %% and \\n \\t \\r \\0 \\\\ \\xHH \\c"};
}

// What stands after the backslash at `at`, and how many characters that took; nothing when it is unknown.
struct escape {
  char byte;
  std::size_t length;
};
std::optional<escape> parse_escape(std::string_view text, std::size_t at) {
  switch (at + 1 < text.size() ? text[at + 1] : ' ') {
    case 'n':
      return escape{'\n', 2};
    case 't':
      return escape{'\t', 2};
    case 'r':
      return escape{'\r', 2};
    case '0':
      return escape{'\0', 2};
    case '\\':
      return escape{'\\', 2};
    case 'x':
      if (at + 3 < text.size() && hex_digit(text[at + 2]) >= 0 && hex_digit(text[at + 3]) >= 0) {
        return escape{static_cast<char>(hex_digit(text[at + 2]) * 16 + hex_digit(text[at + 3])), 4};
      }
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

}  // namespace

void message_template::add_literal(char c) {
  if (pieces_.empty() || pieces_.back().kind != field::literal) pieces_.push_back({field::literal, {}});
  pieces_.back().literal += c;
}

result<message_template> message_template::parse(std::string_view text) {
  message_template parsed;
  bool newline_follows = true;
  for (std::size_t at = 0; at < text.size();) {
    newline_follows = true;
    if (text[at] == '\\') {
      if (text.substr(at) == "\\c") {
        newline_follows = false;
        break;
      }
      const auto escaped = parse_escape(text, at);
      if (!escaped) {
        const std::size_t length = text.substr(at, 2) == "\\x" ? 4 : 2;
        return bad_template(text, at, length,
                            text.substr(at, 2) == "\\c" ? "only the end may be" : "unknown escape");
      }
      parsed.add_literal(escaped->byte);
      newline_follows = escaped->byte == '\t' || escaped->byte == '\r' || escaped->byte == '\\';
      if (escaped->length == 4) newline_follows = false;
      at += escaped->length;
      continue;
    }
    if (text[at] != '%') {
      parsed.add_literal(text[at++]);
      continue;
    }
    switch (at + 1 < text.size() ? text[at + 1] : ' ') {
      case 'N':
        parsed.pieces_.push_back({field::topic, {}});
        break;
      case 'k':
        parsed.pieces_.push_back({field::key, {}});
        break;
      case 'v':
        parsed.pieces_.push_back({field::value, {}});
        break;
      case 'h':
        parsed.pieces_.push_back({field::headers, {}});
        break;
      case 'p':
        parsed.pieces_.push_back({field::partition, {}});
        break;
      case 'o':
        parsed.pieces_.push_back({field::offset, {}});
        break;
      case 't':
        parsed.pieces_.push_back({field::time, {}});
        break;
      case 'T':
        parsed.pieces_.push_back({field::time_ms, {}});
        break;
      case 'n':
        parsed.add_literal('\n'), newline_follows = false;
        break;
      case '%':
        parsed.add_literal('%');
        break;
      default:
        return bad_template(text, at, 2, "unknown escape");
    }
    at += 2;
  }
  if (newline_follows) parsed.add_literal('\n');
  return parsed;
}

void message_template::append(std::string& out, std::string_view topic, const output_record& record) const {
  for (const piece& each : pieces_) {
    switch (each.kind) {
      case field::literal:
        out += each.literal;
        break;
      case field::topic:
        out += topic;
        break;
      case field::key:
        out += record.key.value_or(std::string_view{});
        break;
      case field::value:
        out += record.value.value_or(std::string_view{});
        break;
      case field::headers:
        for (const record_header& header : record.headers) {
          if (&header != &record.headers.front()) out += ',';
          out += header.key;
          if (header.value) out.append("=").append(*header.value);
        }
        break;
      case field::partition:
        append_number(out, record.partition.value());
        break;
      case field::offset:
        append_number(out, record.offset.value());
        break;
      case field::time:
        append_timestamp(out, record.timestamp);
        break;
      case field::time_ms:
        append_number(out, record.timestamp.time_since_epoch().count());
        break;
    }
  }
}

}  // namespace skald::cli
