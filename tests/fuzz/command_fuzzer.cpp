// Commands of the journal: what is accepted lies within its bytes and can be written and read again.
#include <vector>

#include "broker/shard/command.hpp"
#include "skald/protocol/error.hpp"
#include "tests/fuzz/fuzzer.hpp"

using namespace skald::shard;
using skald::fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto payload = std::as_bytes(std::span(data, size));
  try {
    const decoded_command decoded = decode_command(payload);
    require(decoded.head_bytes <= size, "a command lies within its payload");
    command_encoder encoder;
    const std::vector<std::byte> written = encoder.encode(decoded.what);
    const decoded_command again = decode_command(written);
    require(again.head_bytes == written.size(), "a command without a batch is all there is");
    require(encoder.encode(again.what) == written, "a command survives a round trip");
  } catch (const skald::error& refused) {
    require(!refused.message().empty(), "a refusal has a reason");
  }
  return 0;
}
