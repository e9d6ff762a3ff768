// What a topic, a consumer group or a producer may be called.
#pragma once

#include <cstddef>
#include <string_view>

#include <skald/protocol/result.hpp>

namespace skald::protocol {

inline constexpr std::size_t topic_name_bytes_max = 249;

// Whether users may create a topic of this name: 1 to 249 characters of A-Z a-z 0-9 . _ and -, neither "."
// nor "..", and not beginning with "__", which is the broker's own. Otherwise invalid_topic_name, with a
// message that says which rule was broken (and never repeats unprintable bytes).
result<> check_topic_name(std::string_view name);

// Whether a consumer group, or a static member of one, may have this name: the same characters, and any of
// these names. Otherwise invalid_request.
result<> check_group_name(std::string_view name);

// The same of a producer's name.
result<> check_producer_name(std::string_view name);

}  // namespace skald::protocol
