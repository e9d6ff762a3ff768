#include "tools/cli/header_option.hpp"

#include <CLI/CLI.hpp>

#include "tools/cli/text_encoding.hpp"

namespace skald::cli {

std::vector<header> parse_headers(const std::string& option, const std::vector<std::string>& texts) {
  std::vector<header> headers;
  headers.reserve(texts.size());
  for (const std::string_view text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      throw CLI::ValidationError(option, "'" + printable(text) + "' is not KEY=VALUE");
    }
    headers.push_back({text.substr(0, equals), text.substr(equals + 1)});
  }
  return headers;
}

}  // namespace skald::cli
