#include "tools/cli/line_reader.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

namespace skald::cli {
namespace {

struct pipe_ends {
  pipe_ends() { REQUIRE(::pipe2(descriptors, O_CLOEXEC) == 0); }
  ~pipe_ends() {
    close_writer();
    ::close(descriptors[0]);
  }
  void write(std::string_view text) const {
    REQUIRE(::write(descriptors[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  void close_writer() {
    if (descriptors[1] != -1) ::close(descriptors[1]);
    descriptors[1] = -1;
  }
  int reader() const { return descriptors[0]; }
  int descriptors[2];
};

std::vector<std::string> all_lines(line_reader& reader) {
  std::vector<std::string> lines;
  for (std::string_view line; reader.next(line) == read_status::ready;) lines.emplace_back(line);
  return lines;
}

std::vector<std::string> lines_of(std::string_view text) {
  pipe_ends pipe;
  pipe.write(text);
  pipe.close_writer();
  line_reader reader(pipe.reader(), 1000);
  return all_lines(reader);
}

using lines = std::vector<std::string>;

TEST_CASE("a line ends with a newline, the last one also with the input") {
  CHECK(lines_of("") == lines{});
  CHECK(lines_of("\n") == lines{""});
  CHECK(lines_of("a") == lines{"a"});
  CHECK(lines_of("a\n") == lines{"a"});
  CHECK(lines_of("a\n\nb") == lines{"a", "", "b"});
  CHECK(lines_of("a\r\nb\n") == lines{"a\r", "b"});
  CHECK(lines_of(std::string_view("a\0b\n", 4)) == lines{std::string("a\0b", 3)});
}

TEST_CASE("a line is there as soon as its newline is") {
  pipe_ends pipe;
  line_reader reader(pipe.reader(), 1000);
  std::string_view line;

  pipe.write("first\nsec");
  REQUIRE(reader.next(line) == read_status::ready);
  CHECK(line == "first");
  CHECK_FALSE(reader.has_buffered_line());

  pipe.write("ond\nthird\n");
  REQUIRE(reader.next(line) == read_status::ready);
  CHECK(line == "second");
  CHECK(reader.has_buffered_line());
  REQUIRE(reader.next(line) == read_status::ready);
  CHECK(line == "third");
  CHECK(reader.line_number() == 3);
}

TEST_CASE("lines across many buffers, and larger than one, come whole") {
  std::vector<std::string> written;
  written.reserve(402);
  for (std::size_t i = 0; i < 400; ++i)
    written.emplace_back(i * 97 % 40'000, static_cast<char>('a' + i % 26));
  written.emplace_back(5'000'000, 'x');
  written.emplace_back("end");
  pipe_ends pipe;
  std::thread writer([&] {
    std::string text;
    for (const std::string& line : written) text.append(line).append("\n");
    for (std::string_view rest = text; !rest.empty();) {
      const ssize_t count = ::write(pipe.descriptors[1], rest.data(), rest.size());
      if (count <= 0) break;
      rest.remove_prefix(static_cast<std::size_t>(count));
    }
    pipe.close_writer();
  });
  line_reader reader(pipe.reader(), 6'000'000);
  const std::vector<std::string> read = all_lines(reader);
  writer.join();
  CHECK(read == written);
}

TEST_CASE("a line over the limit fails with its number, before it is all in memory") {
  pipe_ends pipe;
  pipe.write("short\n" + std::string(11, 'x'));
  line_reader reader(pipe.reader(), 10);
  std::string_view line;
  REQUIRE(reader.next(line) == read_status::ready);
  try {
    reader.next(line);
    FAIL("a line of 11 bytes was accepted");
  } catch (const input_error& error) {
    CHECK(error.line() == 2);
    CHECK(error.what() == std::string("longer than the limit of 10 B"));
  }
}

TEST_CASE("a line of exactly the limit is fine") {
  pipe_ends pipe;
  pipe.write("0123456789\n0123456789");
  pipe.close_writer();
  line_reader reader(pipe.reader(), 10);
  CHECK(all_lines(reader) == lines{"0123456789", "0123456789"});
}

TEST_CASE("everything can be read as one piece") {
  pipe_ends pipe;
  pipe.write("a\nb\n");
  pipe.close_writer();
  line_reader reader(pipe.reader(), 10);
  std::string_view all;
  REQUIRE(reader.rest(all) == read_status::ready);
  CHECK(all == "a\nb\n");
}

TEST_CASE("one piece over the limit fails") {
  pipe_ends pipe;
  pipe.write("0123456789\n");
  line_reader reader(pipe.reader(), 10);
  std::string_view all;
  CHECK_THROWS_AS(reader.rest(all), input_error);
}

TEST_CASE("a wait for input can be interrupted, and nothing is lost") {
  pipe_ends pipe;
  const int wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  line_reader reader(pipe.reader(), 1000, wake);
  pipe.write("half");
  std::string_view line;
  std::thread waker([&] {
    const std::uint64_t one = 1;
    CHECK(::write(wake, &one, sizeof one) == sizeof one);
  });
  CHECK(reader.next(line) == read_status::interrupted);
  waker.join();
  std::uint64_t count = 0;
  REQUIRE(::read(wake, &count, sizeof count) == sizeof count);
  pipe.write(" whole\n");
  CHECK(reader.next(line) == read_status::ready);
  CHECK(line == "half whole");
  ::close(wake);
}

TEST_CASE("a directory is no input") {
  const int directory = ::open("/", O_RDONLY | O_CLOEXEC);
  line_reader reader(directory, 1000);
  std::string_view line;
  CHECK_THROWS_WITH_AS(reader.next(line), "cannot read: Is a directory", input_error);
  ::close(directory);
}

}  // namespace
}  // namespace skald::cli
