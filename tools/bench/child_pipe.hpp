// What this process and one that it has forked say to each other.
#pragma once

#include <string>
#include <string_view>

namespace skald::cli::bench {

// As far as somebody reads.
void write_whole(int descriptor, std::string_view text);
// Until the other end is closed.
std::string read_whole(int descriptor);
// Without its end; what there is when the other end is closed before.
std::string read_line(int descriptor);

}  // namespace skald::cli::bench
