// The worked bytes of protocol/SPEC.md, read from the file itself: they parse to what the text says, and the
// library encodes the same values to the same bytes.
#include <doctest/doctest.h>

#include <fstream>
#include <sstream>
#include <string>

#include <skald/protocol/batch_builder.hpp>
#include <skald/protocol/record_batch.hpp>

#include "protocol/wire.hpp"
#include "tests/protocol/bytes.hpp"

namespace skald::protocol {
namespace {

using test::byte_string;

// The block that opens with ```hex NAME: pairs of digits, with a comment after '#' on each line.
byte_string worked_bytes(const std::string& name) {
  std::ifstream file(SKALD_SPECIFICATION);
  REQUIRE(file.is_open());
  std::string line;
  while (std::getline(file, line) && line != "```hex " + name) {
  }
  byte_string bytes;
  while (std::getline(file, line) && line != "```") {
    std::istringstream words(line.substr(0, line.find('#')));
    for (std::string word; words >> word;) {
      REQUIRE(word.size() == 2);
      bytes.push_back(static_cast<std::byte>(std::stoi(word, nullptr, 16)));
    }
  }
  REQUIRE_MESSAGE(!bytes.empty(), "no worked bytes called ", name);
  return bytes;
}

// The frame in `bytes`, all of which it must take.
frame_view framed(const byte_string& bytes) {
  const auto progress = parse_frame(bytes, {});
  REQUIRE(progress.has_value());
  REQUIRE(progress->complete());
  REQUIRE(progress->frame.size() == bytes.size());
  return progress->frame;
}

const wire::Frame& verified(header_reader& reader, const byte_string& bytes) {
  const auto frame = reader.read(framed(bytes));
  REQUIRE_MESSAGE(frame.has_value(), frame.error().message);
  return **frame;
}

byte_string example_batch() {
  batch_builder builder;
  const header_view headers[] = {{"trace", "7f"}};
  REQUIRE(builder.append("42", "created", headers, test::at_ms(1'700'000'000'000)) == errc::ok);
  REQUIRE(builder.append("42", std::nullopt, {}, test::at_ms(1'700'000'000'005)) == errc::ok);
  return builder.finish({.producer = producer_stamp{producer_id(9), producer_epoch(1), 0}});
}

TEST_CASE("specification: the Hello frame") {
  const byte_string bytes = worked_bytes("hello");
  header_reader reader;
  const wire::Frame& frame = verified(reader, bytes);
  CHECK(frame.id() == 1);
  const wire::Hello* hello = frame.body_as_Hello();
  REQUIRE(hello != nullptr);
  CHECK(hello->version_min() == 1);
  CHECK(hello->version_max() == 1);
  CHECK(text(hello->client_name()) == "example");

  frame_writer writer;
  auto& builder = writer.begin();
  CHECK(test::hex(writer.finish(1, wire::CreateHelloDirect(builder, 1, 1, "example"))) == test::hex(bytes));
}

TEST_CASE("specification: the record batch") {
  const byte_string bytes = worked_bytes("batch");
  const auto batch = batch_view::parse(bytes);
  REQUIRE(batch.has_value());
  REQUIRE(batch->size() == bytes.size());
  batch_decoder decoder;
  const auto records = decoder.check(*batch);
  REQUIRE_MESSAGE(records.has_value(), records.error().message);
  REQUIRE(records->size() == 2);
  auto record = records->begin();
  CHECK(record->key == "42");
  CHECK(record->value == "created");
  CHECK(*record->headers.begin() == header_view{"trace", "7f"});
  ++record;
  CHECK(record->timestamp == test::at_ms(1'700'000'000'005));
  CHECK(record->value == std::nullopt);
  CHECK(test::hex(example_batch()) == test::hex(bytes));
}

TEST_CASE("specification: the Publish frame carries that batch") {
  const byte_string bytes = worked_bytes("publish");
  const byte_string batch = worked_bytes("batch");
  header_reader reader;
  const wire::Frame& frame = verified(reader, bytes);
  CHECK(frame.id() == 2);
  const wire::Publish* publish = frame.body_as_Publish();
  REQUIRE(publish != nullptr);
  CHECK(publish->durability() == wire::Durability::disk);
  REQUIRE(publish->appends()->size() == 1);
  const wire::Append* append = publish->appends()->Get(0);
  CHECK(text(append->topic()) == "orders");
  CHECK(append->partition() == 3);
  CHECK(append->batch_bytes() == batch.size());
  CHECK(std::ranges::equal(framed(bytes).payload, batch));

  frame_writer writer;
  auto& builder = writer.begin();
  const std::vector appends = {
      wire::CreateAppendDirect(builder, "orders", 3, static_cast<std::uint32_t>(batch.size()))};
  const auto front = writer.finish(2, wire::CreatePublishDirect(builder, &appends), batch.size());
  CHECK(test::hex(test::concatenated({front, batch})) == test::hex(bytes));
}

TEST_CASE("specification: the Error frame") {
  const byte_string bytes = worked_bytes("error");
  header_reader reader;
  const wire::Frame& frame = verified(reader, bytes);
  CHECK(frame.id() == 2);
  const wire::Error* error = frame.body_as_Error();
  REQUIRE(error != nullptr);
  CHECK(static_cast<errc>(error->code()) == errc::unknown_topic);
  CHECK(text(error->message()) == "no topic 'orders'");

  frame_writer writer;
  auto& builder = writer.begin();
  CHECK(test::hex(writer.finish(2, wire::CreateErrorDirect(builder, 5, "no topic 'orders'"))) ==
        test::hex(bytes));
}

TEST_CASE("specification: every error code is in its table with its name") {
  std::ifstream file(SKALD_SPECIFICATION);
  std::ostringstream whole;
  whole << file.rdbuf();
  const std::string specification = whole.str();
  int documented = 0;
  for (int code = 1; code < 100; ++code) {
    const auto name = to_string(static_cast<errc>(code));
    if (name == "unknown_error") continue;
    const std::string row = "| " + std::to_string(code) + " | `" + std::string(name) + "` |";
    CHECK_MESSAGE(specification.find(row) != std::string::npos, row);
    ++documented;
  }
  CHECK(documented == 49);
}

TEST_CASE("specification: every message has a heading or a row") {
  std::ifstream file(SKALD_SPECIFICATION);
  std::ostringstream whole;
  whole << file.rdbuf();
  for (const wire::Body type : wire::EnumValuesBody()) {
    if (type == wire::Body::NONE) continue;
    const std::string name = "`" + std::string(wire::EnumNameBody(type)) + "`";
    CHECK_MESSAGE(whole.str().find(name) != std::string::npos, name);
  }
}

}  // namespace
}  // namespace skald::protocol
