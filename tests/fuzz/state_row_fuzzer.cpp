// Keys and values of the state's tables: what is accepted is read the same when it is written again. The
// first byte chooses which kind it is.
#include <array>
#include <string>
#include <string_view>

#include "broker/state/rows.hpp"
#include "skald/protocol/error.hpp"
#include "tests/fuzz/fuzzer.hpp"

using namespace skald::state;
using skald::fuzz::require;

namespace {

template <class Row>
void read(std::string_view bytes) {
  std::string once;
  std::string twice;
  try {
    Row row;
    decode(bytes, row);
    encode(row, once);
  } catch (const skald::error& refused) {
    return require(!refused.message().empty(), "a refusal has a reason");
  }
  require(once.size() == bytes.size(), "a row has one length");
  Row again;
  decode(once, again);
  encode(again, twice);
  require(once == twice, "a row survives a round trip");
}

constexpr std::array kinds = {&read<skald::topic_id>,
                              &read<skald::producer_id>,
                              &read<partition_key>,
                              &read<batch_key>,
                              &read<place_key>,
                              &read<producer_key>,
                              &read<skald::journal::generation>,
                              &read<text_key>,
                              &read<key_record_key>,
                              &read<commit_key>,
                              &read<meta_row>,
                              &read<topic_row>,
                              &read<partition_row>,
                              &read<batch_row>,
                              &read<producer_row>,
                              &read<segment_row>,
                              &read<garbage_row>,
                              &read<key_row>,
                              &read<offset_row>,
                              &read<commit_row>,
                              &read<committer_row>,
                              &read<named_producer_row>};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  kinds[*data % kinds.size()](bytes);
  return 0;
}
