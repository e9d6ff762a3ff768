// Lines from a file descriptor: large reads, no copy of a line that is whole in the buffer, and no waiting
// for more than one line, so that a pipe from `tail -F` is followed line by line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace skald::cli {

// What is wrong with the input, and in which line (counted from 1; 0: not in a line).
class input_error : public std::runtime_error {
 public:
  input_error(std::uint64_t line, const std::string& message) : std::runtime_error(message), line_(line) {}
  std::uint64_t line() const noexcept { return line_; }

 private:
  std::uint64_t line_;
};

enum class read_status {
  ready,        // there is one
  end,          // the input is over
  interrupted,  // the wake descriptor became readable while there was nothing to return
};

// Not thread-safe. Owns neither descriptor.
class line_reader {
 public:
  // Reads `descriptor`. `wake`, when not -1, interrupts a read that waits: it is looked at before each read.
  // A line of more than `line_bytes_max` bytes fails before it is all in memory.
  line_reader(int descriptor, std::size_t line_bytes_max, int wake = -1);

  // The next line without its newline; the last one need not have a newline. The view is valid until the next
  // call. Throws input_error for a line that is too long and when reading fails.
  read_status next(std::string_view& line);

  // All that is left, as one piece, newlines included. Throws as `next` does; the limit holds for the whole.
  read_status rest(std::string_view& all);

  // Whether `next` would return a line without reading from the descriptor.
  bool has_buffered_line() const;

  // The number of the line that was returned last.
  std::uint64_t line_number() const { return line_number_; }
  // How many bytes were read from the descriptor.
  std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  read_status fill();
  void make_room();

  int descriptor_;
  int wake_;
  std::size_t line_bytes_max_;
  std::size_t capacity_;
  std::unique_ptr<char[]> buffer_;
  std::size_t begin_ = 0;    // of the bytes not yet returned
  std::size_t scanned_ = 0;  // up to here there is no newline
  std::size_t end_ = 0;
  std::uint64_t line_number_ = 0;
  std::uint64_t bytes_read_ = 0;
  bool at_end_ = false;
};

}  // namespace skald::cli
