#include "tools/cli/output.hpp"

#include <unistd.h>

#include <cerrno>
#include <iostream>
#include <system_error>

#include "tools/cli/exit_code.hpp"

namespace skald::cli {
namespace {

void write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(descriptor, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EPIPE) throw command_error(exit_code::broken_pipe, "");
    if (count < 0) {
      throw command_error(exit_code::failed,
                          "cannot write the output: " + std::system_category().message(errno));
    }
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace

void output_buffer::flush() {
  write_all(descriptor_, bytes_);
  bytes_.clear();
}

void print(std::string_view text) {
  write_all(STDOUT_FILENO, text);
}

bool agrees(const std::string& question) {
  std::cerr << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

void complain(std::string_view message) {
  const std::string line = "skald: " + std::string(message) + "\n";
  // There is nobody left to tell when standard error cannot be written.
  [[maybe_unused]] const ssize_t count = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace skald::cli
