#include "tools/cli/record_source.hpp"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>

#include "tools/cli/record_format.hpp"

namespace skald::cli {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;

// A file that holds this text and is read from its beginning.
class text_file {
 public:
  explicit text_file(std::string_view text) : descriptor_(::memfd_create("input", MFD_CLOEXEC)) {
    REQUIRE(::write(descriptor_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    REQUIRE(::lseek(descriptor_, 0, SEEK_SET) == 0);
  }
  ~text_file() { ::close(descriptor_); }
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

struct json_input {
  explicit json_input(std::string_view text)
      : file(text), reader(file.descriptor(), 1 << 20), source(make_json_source(reader)) {}
  read_status next() { return source->next(record); }
  text_file file;
  line_reader reader;
  std::unique_ptr<record_source> source;
  input_record record;
};

std::string json_error(std::string_view text) {
  json_input input(text);
  try {
    while (input.next() == read_status::ready) {
    }
  } catch (const input_error& error) {
    return std::to_string(error.line()) + ": " + error.what();
  }
  return "no error";
}

TEST_CASE("a line is a value, and its number is known") {
  const text_file file("a b\n\nc");
  line_reader reader(file.descriptor(), 100);
  const auto source = make_line_source(reader);
  input_record record;
  REQUIRE(source->next(record) == read_status::ready);
  CHECK(record.value == "a b");
  CHECK_FALSE(record.key);
  REQUIRE(source->next(record) == read_status::ready);
  CHECK(record.value == "");
  REQUIRE(source->next(record) == read_status::ready);
  CHECK(record.value == "c");
  CHECK(record.line == 3);
  CHECK(source->next(record) == read_status::end);
}

TEST_CASE("the key ends at the first separator") {
  const text_file file("k::v::w\n::v\nk::\nnone");
  line_reader reader(file.descriptor(), 100);
  const auto source = make_line_source(reader, "::");
  input_record record;
  REQUIRE(source->next(record) == read_status::ready);
  CHECK(record.key == "k");
  CHECK(record.value == "v::w");
  REQUIRE(source->next(record) == read_status::ready);
  CHECK(record.key == "");
  CHECK(record.value == "v");
  REQUIRE(source->next(record) == read_status::ready);
  CHECK(record.key == "k");
  CHECK(record.value == "");
  CHECK_THROWS_WITH_AS(source->next(record), "no key separator '::' in it", input_error);
}

TEST_CASE("messages given as arguments are read like lines") {
  const std::vector<std::string> messages{"k=v", "two\nlines=x"};
  const auto source = make_argument_source(messages, "=");
  input_record record;
  REQUIRE(source->next(record) == read_status::ready);
  CHECK(record.key == "k");
  REQUIRE(source->next(record) == read_status::ready);
  CHECK(record.key == "two\nlines");
  CHECK(record.line == 2);
  CHECK(source->next(record) == read_status::end);
}

TEST_CASE("raw input is one record, even when it is empty") {
  for (const std::string_view text : {"a\nb\n\0c"sv, ""sv}) {
    const text_file file(text);
    line_reader reader(file.descriptor(), 100);
    const auto source = make_raw_source(reader);
    input_record record;
    REQUIRE(source->next(record) == read_status::ready);
    CHECK(record.value == text);
    CHECK(source->next(record) == read_status::end);
  }
}

TEST_CASE("a JSON line may set everything about a record") {
  json_input input(R"({"key":"k","value":"v\n\u00e9","headers":{"a":"1","b":null},)"
                   R"("timestamp":"1970-01-01T00:00:01Z","partition":3})"
                   "\n");
  REQUIRE(input.next() == read_status::ready);
  CHECK(input.record.key == "k");
  CHECK(input.record.value == "v\n\xc3\xa9");
  CHECK(input.record.headers == std::vector<record_header>{{"a", "1"}, {"b", std::nullopt}});
  CHECK(input.record.timestamp == timestamp(1s));
  CHECK(input.record.partition == partition_id(3));
  CHECK(input.next() == read_status::end);
}

TEST_CASE("absent and null fields of a JSON line are no key and a tombstone") {
  json_input input("{}\n{\"key\":null,\"value\":null}");
  REQUIRE(input.next() == read_status::ready);
  CHECK_FALSE(input.record.key);
  CHECK_FALSE(input.record.value);
  REQUIRE(input.next() == read_status::ready);
  CHECK_FALSE(input.record.key);
  CHECK_FALSE(input.record.value);
}

TEST_CASE("nothing of one JSON line remains in the next") {
  json_input input(R"({"key":"k","value":"v","headers":{"a":"1"},"timestamp":5,"partition":3})"
                   "\n \t\r\n{\"value\":\"w\"}");
  REQUIRE(input.next() == read_status::ready);
  REQUIRE(input.next() == read_status::ready);
  CHECK(input.record.line == 3);
  CHECK_FALSE(input.record.key);
  CHECK(input.record.value == "w");
  CHECK(input.record.headers.empty());
  CHECK_FALSE(input.record.timestamp);
  CHECK_FALSE(input.record.partition);
}

TEST_CASE("bytes come as base64, in keys, values and headers") {
  json_input input(
      R"({"key_base64":"/w==","value_base64":"AAE=","headers":[{"key_base64":"gA==","value_base64":"/w=="},)"
      R"({"key":"same"},{"key":"same","value":"2"}]})");
  REQUIRE(input.next() == read_status::ready);
  CHECK(input.record.key == "\xff");
  CHECK(input.record.value == "\x00\x01"sv);
  CHECK(input.record.headers ==
        std::vector<record_header>{{"\x80", "\xff"}, {"same", std::nullopt}, {"same", "2"}});
}

TEST_CASE("each mistake in a JSON line is named") {
  CHECK(json_error("{}\n[1]") == "2: not a JSON object");
  CHECK(json_error("{\"key\":\"a\"").starts_with("1: not JSON: it ends before it is complete"));
  CHECK(json_error("{\"key\":x}").starts_with("1: not JSON: "));
  CHECK(json_error("{\"key\":x}").ends_with(" at column 8"));
  CHECK(json_error("{} {}").starts_with("1: not JSON: extra data"));
  CHECK(json_error("{\"value\":\"\xff\"}") == "1: is not UTF-8; write bytes as key_base64 and value_base64");
  CHECK(json_error(R"({"vlaue":"x"})").starts_with("1: has an unknown field 'vlaue'; known are key"));
  CHECK(json_error(R"({"key":1})") == "1: key has to be a string or null");
  CHECK(json_error(R"({"value":{"a":1}})") == "1: value has to be a string or null");
  CHECK(json_error(R"({"key":"a","key_base64":"YQ=="})") == "1: has both key and key_base64");
  CHECK(json_error(R"({"value":"a","value_base64":"YQ=="})") == "1: has both value and value_base64");
  CHECK(json_error(R"({"value_base64":"a"})")
            .starts_with("1: value_base64 has to be a string of padded base64"));
  CHECK(
      json_error(R"({"value_base64":7})").starts_with("1: value_base64 has to be a string of padded base64"));
  CHECK(json_error(R"({"headers":"a"})") == "1: headers has to be an object or an array of objects");
  CHECK(json_error(R"({"headers":["a"]})") == "1: headers has something that is not an object");
  CHECK(json_error(R"({"headers":[{"value":"a"}]})") == "1: a header has no key");
  CHECK(json_error(R"({"headers":[{"key":null}]})") == "1: a header's key must not be null");
  CHECK(json_error(R"({"headers":[{"key":"a","key_base64":"YQ=="}]})") ==
        "1: a header has both key and key_base64");
  CHECK(
      json_error(R"({"headers":[{"key":"a","x":"b"}]})").starts_with("1: a header has an unknown field 'x'"));
  CHECK(json_error(R"({"headers":{"a":1}})") == "1: a header's value has to be a string or null");
  CHECK(json_error(R"({"timestamp":true})").starts_with("1: timestamp has to be an RFC 3339 string"));
  CHECK(json_error(R"({"timestamp":1.5})").starts_with("1: timestamp has to be an RFC 3339 string"));
  CHECK(json_error(R"({"timestamp":-1})").starts_with("1: timestamp '@-1'"));
  CHECK(json_error(R"({"timestamp":"now"})").starts_with("1: timestamp 'now'"));
  CHECK(json_error(R"({"partition":-1})") == "1: partition has to be a whole number");
  CHECK(json_error(R"({"partition":1.5})") == "1: partition has to be a whole number");
  CHECK(json_error(R"({"partition":4294967296})") == "1: partition has to be a whole number");
  CHECK(json_error(R"({"partition":"1"})") == "1: partition has to be a whole number");
}

TEST_CASE("what sub writes as json is what pub reads, byte for byte") {
  std::string every_byte;
  for (int byte = 0; byte < 256; ++byte) every_byte += static_cast<char>(byte);
  std::vector<output_record> written(5);
  written[0] = {partition_id(0), offset(0), timestamp(0ms), std::nullopt, std::nullopt, {}};
  written[1] = {partition_id(1), offset(9), timestamp(1ms), "", "", {{"", ""}, {"", std::nullopt}}};
  written[2] = {partition_id(2), offset(1),  timestamp(253'402'300'799'999ms),
                every_byte,      every_byte, {{every_byte, every_byte}}};
  written[3] = {partition_id(3), offset(2), timestamp(3ms), "\xc3\xa9\"\\\n", "\x7f\x01", {}};
  written[4] = {partition_id(4), offset(3), timestamp(4ms), "key", "value", {{"h", "1"}, {"h", "2"}}};
  std::string text;
  const record_format json = *record_format::parse("json");
  for (const output_record& record : written) json.append(text, "a.topic", record);

  json_input input(text);
  for (const output_record& record : written) {
    REQUIRE(input.next() == read_status::ready);
    CHECK(input.record.key == record.key);
    CHECK(input.record.value == record.value);
    CHECK(input.record.headers == record.headers);
    CHECK(input.record.timestamp == record.timestamp);
    CHECK(input.record.partition == record.partition);
  }
  CHECK(input.next() == read_status::end);
}

}  // namespace
}  // namespace skald::cli
