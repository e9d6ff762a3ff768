#include "tools/bench/child_pipe.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>

namespace skald::cli::bench {

void write_whole(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(descriptor, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return;  // nobody is left to tell
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

std::string read_whole(int descriptor) {
  std::string text;
  std::array<char, 512> some{};
  for (;;) {
    const ssize_t count = ::read(descriptor, some.data(), some.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return text;
    text.append(some.data(), static_cast<std::size_t>(count));
  }
}

std::string read_line(int descriptor) {
  std::string text;
  for (char one = 0;;) {
    const ssize_t count = ::read(descriptor, &one, 1);  // lines are few, and what follows is somebody else's
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0 || one == '\n') return text;
    text += one;
  }
}

}  // namespace skald::cli::bench
