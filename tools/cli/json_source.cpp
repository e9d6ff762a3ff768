// JSON lines as records.
#include <array>
#include <boost/json.hpp>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "tools/cli/moment.hpp"
#include "tools/cli/record_source.hpp"
#include "tools/cli/text_encoding.hpp"

namespace skald::cli {
namespace {

namespace json = boost::json;

class json_source final : public record_source {
 public:
  explicit json_source(line_reader& reader) : reader_(reader) {}

  read_status next(input_record& record) override {
    std::string_view line;
    do {
      if (const read_status status = reader_.next(line); status != read_status::ready) return status;
    } while (line.find_first_not_of(" \t\r") == std::string_view::npos);
    const json::object* fields = parse(line).if_object();
    if (fields == nullptr) fail("not a JSON object");
    decoded_.clear();
    record.line = reader_.line_number();
    record.key.reset();
    record.value.reset();
    record.headers.clear();
    record.timestamp.reset();
    record.partition.reset();
    for (const auto& [name, value] : *fields) read_field(record, *fields, name, value);
    return read_status::ready;
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw input_error(reader_.line_number(), message);
  }

  // Documents live in the arena, one at a time; a line too large for it makes it grow for that line.
  const json::value& parse(std::string_view line) {
    document_.reset();
    memory_.release();
    parser_.reset(&memory_);
    boost::system::error_code error;
    const std::size_t consumed = parser_.write_some(line.data(), line.size(), error);
    if (!error && line.find_first_not_of(" \t\r", consumed) != std::string_view::npos) {
      error = json::error::extra_data;
    }
    if (!error) parser_.finish(error);
    if (error) {
      if (!is_utf8(line)) fail("is not UTF-8; write bytes as key_base64 and value_base64");
      if (error == json::error::incomplete) fail("not JSON: it ends before it is complete");
      fail("not JSON: " + error.message() + " at column " + std::to_string(consumed + 1));
    }
    return document_.emplace(parser_.release());
  }

  void read_field(input_record& record, const json::object& all, std::string_view name,
                  const json::value& value) {
    if (name == "key") {
      record.key = text(name, value);
    } else if (name == "value") {
      record.value = text(name, value);
    } else if (name == "key_base64") {
      if (all.contains("key")) fail("has both key and key_base64");
      record.key = base64(name, value);
    } else if (name == "value_base64") {
      if (all.contains("value")) fail("has both value and value_base64");
      record.value = base64(name, value);
    } else if (name == "headers") {
      read_headers(record, value);
    } else if (name == "timestamp") {
      record.timestamp = time(value);
    } else if (name == "partition") {
      record.partition = partition(value);
    } else if (name != "topic" && name != "offset") {
      fail("has an unknown field '" + printable(name) +
           "'; known are key, value, key_base64, value_base64, headers, timestamp and partition");
    }
  }

  std::optional<std::string_view> text(std::string_view name, const json::value& value) const {
    if (value.is_null()) return std::nullopt;
    if (const json::string* string = value.if_string()) return std::string_view(*string);
    fail(std::string(name) + " has to be a string or null");
  }

  std::optional<std::string_view> base64(std::string_view name, const json::value& value) {
    if (value.is_null()) return std::nullopt;
    const json::string* string = value.if_string();
    decoded_.emplace_back();  // a deque: what is in it stays where it is
    if (string == nullptr || !decode_base64(*string, decoded_.back())) {
      fail(std::string(name) + " has to be a string of padded base64, or null");
    }
    return decoded_.back();
  }

  void read_headers(input_record& record, const json::value& value) {
    if (value.is_null()) return;
    if (const json::object* object = value.if_object()) {
      for (const auto& [key, header] : *object) {
        record.headers.push_back({std::string_view(key), text("a header's value", header)});
      }
    } else if (const json::array* array = value.if_array()) {
      for (const json::value& header : *array) record.headers.push_back(read_header(header));
    } else {
      fail("headers has to be an object or an array of objects");
    }
  }

  record_header read_header(const json::value& value) {
    const json::object* fields = value.if_object();
    if (fields == nullptr) fail("headers has something that is not an object");
    record_header header;
    bool has_key = false, has_value = false;
    for (const auto& [name, field] : *fields) {
      const bool is_key = name == "key" || name == "key_base64";
      if (!is_key && name != "value" && name != "value_base64") {
        fail("a header has an unknown field '" + printable(std::string_view(name)) +
             "'; known are key, value, key_base64 and value_base64");
      }
      if (std::exchange(is_key ? has_key : has_value, true)) {
        fail(is_key ? "a header has both key and key_base64" : "a header has both value and value_base64");
      }
      const bool encoded = name == "key_base64" || name == "value_base64";
      const auto bytes = encoded ? base64(name, field) : text(name, field);
      if (is_key && !bytes) fail("a header's key must not be null");
      if (is_key) {
        header.key = *bytes;
      } else {
        header.value = bytes;
      }
    }
    if (!has_key) fail("a header has no key");
    return header;
  }

  timestamp time(const json::value& value) const {
    std::string written;
    if (const json::string* string = value.if_string()) {
      written = std::string_view(*string);
    } else if (value.is_int64() || value.is_uint64()) {
      written = "@" + json::serialize(value);
    } else {
      fail("timestamp has to be an RFC 3339 string or whole milliseconds since the Unix epoch");
    }
    const auto at = parse_timestamp(written);
    if (!at) fail(at.error().message);
    return *at;
  }

  partition_id partition(const json::value& value) const {
    boost::system::error_code error;
    const auto number = value.to_number<std::uint32_t>(error);
    if (error || !(value.is_int64() || value.is_uint64())) fail("partition has to be a whole number");
    return partition_id(number);
  }

  line_reader& reader_;
  std::array<unsigned char, 16 * 1024> arena_;
  json::monotonic_resource memory_{arena_.data(), arena_.size()};
  json::stream_parser parser_;
  std::optional<json::value> document_;
  std::deque<std::string> decoded_;
};

}  // namespace

std::unique_ptr<record_source> make_json_source(line_reader& reader) {
  return std::make_unique<json_source>(reader);
}

}  // namespace skald::cli
