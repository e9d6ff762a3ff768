// One record as the commands read it from input and write it to output. All views belong to somebody else.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <skald/record.hpp>

namespace skald::cli {

using record_header = skald::header;

// A record to publish. What is absent is chosen by flags, the client library or the broker.
struct input_record {
  std::uint64_t line = 0;  // where it was in the input, counted from 1
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;  // absent: a tombstone
  std::vector<record_header> headers;
  std::optional<skald::timestamp> timestamp;
  std::optional<partition_id> partition;
};

// A record that was received.
struct output_record {
  partition_id partition;
  skald::offset offset;
  skald::timestamp timestamp;
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  std::vector<record_header> headers;
};

}  // namespace skald::cli
