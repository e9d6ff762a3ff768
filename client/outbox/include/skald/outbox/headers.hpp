// Headers of a record as one column of the outbox: for each header the length of its key (32 bits, little
// endian), the key, the length of its value (all ones: no value), the value.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <skald/options.hpp>

namespace skald::outbox {

std::string encode_headers(std::span<const header> headers);
// Views into `encoded`. Throws skald::error (invalid_request) for bytes that are no headers.
std::vector<header> decode_headers(std::string_view encoded);

}  // namespace skald::outbox
