// Standard output, buffered, and the notices on standard error.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace skald::cli {

// Collects bytes and writes them to a file descriptor in large pieces. Ends the command with broken_pipe when
// the reader is gone, and with failed when writing fails otherwise. What was not flushed is lost with it.
class output_buffer {
 public:
  explicit output_buffer(int descriptor) : descriptor_(descriptor) {}

  // Append to this, then call written().
  std::string& bytes() { return bytes_; }
  void written() {
    if (bytes_.size() >= flush_bytes) flush();
  }
  void flush();

 private:
  static constexpr std::size_t flush_bytes = 256 * 1024;
  int descriptor_;
  std::string bytes_;
};

// Writes `text` to standard output at once.
void print(std::string_view text);

// Whether whoever is at the terminal says yes to this.
bool agrees(const std::string& question);

// A line on standard error, beginning with "skald: ".
void complain(std::string_view message);

}  // namespace skald::cli
