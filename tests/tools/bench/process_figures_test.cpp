#include "tools/bench/process_figures.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ctime>

namespace skald::cli::bench {
namespace {

TEST_CASE("processor time is found behind a name with blanks and parentheses") {
  CHECK(cpu_ticks("12 (a) b) S 1 1 1 0 -1 4 5 6 7 8 250 75 0 0 20 0") == 325);
  CHECK_FALSE(cpu_ticks("12 (skaldd) S 1 1"));
  CHECK_FALSE(cpu_ticks(""));
}

TEST_CASE("a field is found by its whole name") {
  constexpr const char* io = "rchar: 1\nwrite_bytes: 4096\ncancelled_write_bytes: 7\n";
  CHECK(field(io, "write_bytes") == 4096);
  CHECK(field(io, "cancelled_write_bytes") == 7);
  CHECK(field("VmHWM:\t   18532 kB\n", "VmHWM") == 18532);
  CHECK_FALSE(field(io, "bytes"));
  CHECK_FALSE(field("", "rchar"));
}

TEST_CASE("the socket that listens is told from connections to the same port") {
  // From /proc/net/tcp: 7411 is 1CF3.
  constexpr const char* table =
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
      "   0: 0100007F:1CF3 0100007F:D2A4 01 00000000:00000000 00:00000000 00000000  1000        0 11 1 0 20\n"
      "   1: 0100007F:1CF3 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 22 1 0 "
      "100\n";
  CHECK(listening_inode(table, 7411) == 22);
  CHECK_FALSE(listening_inode(table, 7412));
}

TEST_CASE("this process is found by the port it listens on, with what it has used") {
  const int listening = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(listening, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listening, 1) == 0);
  socklen_t size = sizeof address;
  REQUIRE(::getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  CHECK(listening_process(ntohs(address.sin_port)) == ::getpid());
  ::close(listening);

  while (std::clock() < CLOCKS_PER_SEC / 20) {
  }
  const process_figures own = own_figures();
  CHECK(own.cpu_seconds > 0);
  CHECK(own.peak_memory_bytes > 0);
  CHECK_FALSE(figures_of(-1));
}

}  // namespace
}  // namespace skald::cli::bench
