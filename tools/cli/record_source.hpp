// Input as records: a line each, JSON lines, or everything as one record.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "tools/cli/line_reader.hpp"
#include "tools/cli/record.hpp"

namespace skald::cli {

enum class input_format { lines, json, raw };

class record_source {
 public:
  virtual ~record_source() = default;
  // Fills `record`, whose views are valid until the next call. Throws input_error.
  virtual read_status next(input_record& record) = 0;
};

// Each line is a value. With a separator, what is before its first appearance is the key, and a line without
// it is an error. The reader has to outlive the source.
std::unique_ptr<record_source> make_line_source(line_reader& reader, std::string key_separator = {});

// The same for messages given as arguments, which the source keeps a reference to; their number is their
// line.
std::unique_ptr<record_source> make_argument_source(const std::vector<std::string>& messages,
                                                    std::string key_separator = {});

// Each line is a JSON object with any of
//   key, value          a string or null
//   key_base64, value_base64   the same for bytes that are not UTF-8, instead
//   headers             an object of strings, or an array of objects with key, value or their base64 variants
//   timestamp           RFC 3339, or a number of milliseconds since the Unix epoch
//   partition           a number
//   topic, offset       ignored, so that the output of `skald sub --format json` is input
// Blank lines are skipped; any other field is an error, since it is probably a misspelt one.
std::unique_ptr<record_source> make_json_source(line_reader& reader);

// The whole input is one value, whatever it contains.
std::unique_ptr<record_source> make_raw_source(line_reader& reader);

}  // namespace skald::cli
