#include "tools/cli/record_format.hpp"

#include <doctest/doctest.h>

#include <chrono>

namespace skald::cli {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

const output_record example{
    partition_id(2), offset(42), timestamp(1500ms), "k", "v", {{"a", "1"}, {"b", std::nullopt}}};
const output_record bare{partition_id(0), offset(0), timestamp(0ms), std::nullopt, std::nullopt, {}};

std::string formatted(std::string_view format, const output_record& record = example) {
  std::string out;
  record_format::parse(format).value().append(out, "orders", record);
  return out;
}

std::string refused(std::string_view format) {
  const auto parsed = record_format::parse(format);
  REQUIRE(!parsed);
  CHECK(parsed.error().code == errc::invalid_request);
  return parsed.error().message;
}

TEST_CASE("text is the value on a line, raw the value alone") {
  CHECK(formatted("text") == "v\n");
  CHECK(formatted("text", bare) == "\n");
  CHECK(formatted("raw") == "v");
  CHECK(formatted("raw", bare) == "");
}

TEST_CASE("a template can say which topic a record is from") {
  CHECK(formatted("%N: %v") == "orders: v\n");
}

TEST_CASE("json says everything about a record") {
  CHECK(
      formatted("json") ==
      R"({"topic":"orders","partition":2,"offset":42,"timestamp":"1970-01-01T00:00:01.500Z","key":"k","value":"v",)"
      R"("headers":[{"key":"a","value":"1"},{"key":"b","value":null}]})"
      "\n");
  CHECK(
      formatted("json", bare) ==
      R"({"topic":"orders","partition":0,"offset":0,"timestamp":"1970-01-01T00:00:00.000Z","key":null,"value":null})"
      "\n");
}

TEST_CASE("json has base64 for what is not UTF-8") {
  output_record binary = bare;
  binary.value = "\xff";
  CHECK(formatted("json", binary).find(R"("key":null,"value_base64":"/w==")") != std::string::npos);
}

TEST_CASE("every escape of a template") {
  CHECK(formatted("%k|%v|%h|%p|%o|%t|%T|%%") == "k|v|a=1,b|2|42|1970-01-01T00:00:01.500Z|1500|%\n");
  CHECK(formatted("[%k%v%h]", bare) == "[]\n");
  CHECK(formatted(R"(\t\r\\\x41%n)") == "\t\r\\A\n");
}

TEST_CASE("a newline follows unless the template ends in a separator of its own") {
  CHECK(formatted("%v") == "v\n");
  CHECK(formatted("%v\\t") == "v\t\n");
  CHECK(formatted("%v%n") == "v\n");
  CHECK(formatted("%v\\n") == "v\n");
  CHECK(formatted("%v\\0") == "v\0"s);
  CHECK(formatted("%v\\x1e") == "v\x1e");
  CHECK(formatted("%v\\c") == "v");
  CHECK(formatted("%n%v") == "\nv\n");
}

TEST_CASE("a mistake in a template is named with its position") {
  CHECK(refused("%k %q").starts_with("unknown escape '%q' at position 4; known are %k"));
  CHECK(refused("%").starts_with("unknown escape '%' at position 1"));
  CHECK(refused("100%").starts_with("unknown escape '%' at position 4"));
  CHECK(refused("\\q").starts_with("unknown escape '\\q' at position 1"));
  CHECK(refused("%v\\").starts_with("unknown escape '\\' at position 3"));
  CHECK(refused("\\x4").starts_with("unknown escape '\\x4' at position 1"));
  CHECK(refused("\\xzz").starts_with("unknown escape '\\xzz' at position 1"));
  CHECK(refused("\\c%v").starts_with("only the end may be '\\c' at position 1"));
}

TEST_CASE("a misspelt format is not taken for a template") {
  CHECK(refused("jsno").find("neither text, json or raw nor a template") != std::string::npos);
  CHECK(refused("").find("neither text, json or raw nor a template") != std::string::npos);
}

}  // namespace
}  // namespace skald::cli
