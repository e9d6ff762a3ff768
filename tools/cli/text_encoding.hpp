// Bytes inside text: UTF-8 validation, base64, JSON strings and the harmless display of anything.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace skald::cli {

// Whether the bytes are well-formed UTF-8 (Unicode 15, table 3-7: no overlong forms, no surrogates).
bool is_utf8(std::string_view bytes);

// Appends `bytes` in the base64 of RFC 4648 section 4, padded.
void append_base64(std::string& out, std::string_view bytes);

// Replaces `out` by what `text` encodes. False, with `out` unspecified, for anything but padded base64
// without white space whose unused bits are zero, so that equal bytes have one spelling.
bool decode_base64(std::string_view text, std::string& out);

// Appends a JSON string, quotes included. `utf8` has to be valid UTF-8.
void append_json_string(std::string& out, std::string_view utf8);

// The start of `bytes` for an error message: unprintable ones as \xHH, long ones cut off with "...".
std::string printable(std::string_view bytes, std::size_t characters_max = 40);

}  // namespace skald::cli
