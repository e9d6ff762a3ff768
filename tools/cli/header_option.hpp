// KEY=VALUE on the command line.
#pragma once

#include <string>
#include <vector>

#include <skald/record.hpp>

namespace skald::cli {

// The views are into `texts`. Throws CLI::ValidationError, naming the option, for what is not KEY=VALUE.
std::vector<header> parse_headers(const std::string& option, const std::vector<std::string>& texts);

}  // namespace skald::cli
