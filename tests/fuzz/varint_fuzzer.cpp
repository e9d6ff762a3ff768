// Variable-length integers: what is read can be written again, and is read back the same.
#include <skald/protocol/varint.hpp>

#include "tests/fuzz/fuzzer.hpp"

using namespace skald::protocol;
using skald::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::byte* const begin = reinterpret_cast<const std::byte*>(data);
  const std::byte* const end = begin + size;

  std::int32_t number = 0;
  if (const std::byte* next = read_varint(begin, end, number)) {
    require(next > begin && next <= end, "a number ends within the input");
    std::byte out[varint_bytes_max];
    const std::byte* written = write_varint(out, number);
    require(static_cast<std::size_t>(written - out) == varint_size(number), "a number has its stated size");
    require(written - out <= next - begin, "an encoding is the shortest");
    std::int32_t again = 0;
    require(read_varint(out, written, again) == written && again == number, "a varint survives a round trip");
  }
  std::int64_t long_number = 0;
  if (const std::byte* next = read_varlong(begin, end, long_number)) {
    require(next > begin && next <= end, "a long number ends within the input");
    std::byte out[varlong_bytes_max];
    const std::byte* written = write_varlong(out, long_number);
    require(static_cast<std::size_t>(written - out) == varlong_size(long_number),
            "a long number has its size");
    require(written - out <= next - begin, "a long encoding is the shortest");
    std::int64_t again = 0;
    require(read_varlong(out, written, again) == written && again == long_number,
            "a varlong survives a round trip");
  }
  return 0;
}
