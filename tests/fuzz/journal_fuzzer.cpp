// A segment full of anything: offline inspection and recovery either understand it or say why not, both
// alike, and a recovery that succeeded leaves a journal that opens again with the same entries.
//
// The first byte chooses: whether checksums are put right where an entry header begins (else nearly nothing
// would verify), and whether the rest is a segment header instead. What follows are the bytes of the segment.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "broker/journal/entry.hpp"
#include "broker/journal/inspect.hpp"
#include "broker/journal/journal.hpp"
#include "skald/protocol/crc32c.hpp"
#include "tests/broker/support/sim_disk.hpp"
#include "tests/fuzz/fuzzer.hpp"

namespace {

using namespace skald;
using namespace skald::journal;
using skald::fuzz::require;

constexpr std::uint8_t fix_checksums = 1;
constexpr std::uint8_t as_segment_header = 2;
constexpr std::size_t input_bytes_max = 8192;
const std::filesystem::path path = "/j/0000000000000001.segment";

template <class Number>
Number load(const std::byte* from) {
  Number number;
  std::memcpy(&number, from, sizeof number);
  return number;
}

// Takes the fields of each header as they are and gives it the checksums it lacks; lengths are cut to what
// there is, and what is no kind becomes a command.
void put_right(std::span<std::byte> entries, std::uint32_t seed) {
  std::size_t position = 0;
  while (position + entry_header_bytes <= entries.size()) {
    const std::byte* const from = &entries[position];
    entry_header header;
    header.payload_bytes = load<std::uint32_t>(from + 8);
    header.kind = entry_kind(std::clamp(load<std::uint8_t>(from + 12), std::uint8_t{1}, std::uint8_t{3}));
    header.generation = 1;
    header.sequence = load<std::uint64_t>(from + 24);
    header.index = load<std::uint64_t>(from + 32);
    header.term = load<std::uint64_t>(from + 40);
    header.durable = load<std::uint64_t>(from + 48);
    const std::size_t room = entries.size() - position - entry_header_bytes;
    if (header.payload_bytes > room) header.payload_bytes = static_cast<std::uint32_t>(room);
    header.payload_checksum =
        protocol::crc32c(entries.subspan(position + entry_header_bytes, header.payload_bytes));
    encode(header, seed, entries.subspan(position).first<entry_header_bytes>());
    position += stored_bytes(header.payload_bytes);
  }
}

class listing final : public inspector {
 public:
  void on_segment(const std::filesystem::path&, const segment_header&) override {}
  void on_entry(const std::filesystem::path&, std::uint64_t position, const entry_header& header,
                std::span<const std::byte> payload) override {
    require(position + stored_bytes(payload.size()) <= segment_bytes, "an entry lies within its segment");
    for (const std::byte each : payload) skald::fuzz::touch(each);
    if (header.kind != entry_kind::sync_mark) ++entries;
  }
  void on_defect(const defect&) override {}

  std::uint64_t segment_bytes = 0;
  std::uint64_t entries = 0;
};

std::vector<std::string> replay(disk& on) {
  options with;
  with.directory = "/j";
  std::vector<std::string> texts;
  recovery_report report;
  const skald::journal::journal log(
      on, with, {},
      [&](const replayed_entry& entry) {
        require(entry.sequence.value() == texts.size() + 1, "entries are replayed in order");
        texts.emplace_back(reinterpret_cast<const char*>(entry.bytes.data()), entry.bytes.size());
      },
      report);
  return texts;
}

void read_segment(std::vector<std::byte> bytes) {
  testing::sim_disk on(1);
  listing listed;
  listed.segment_bytes = bytes.size();
  on.replace(path, std::move(bytes));
  const inspection totals = inspect(on, "/j", replay_point{}, listed);
  require(totals.entries == listed.entries, "inspection counts what it lists");
  try {
    const std::vector<std::string> texts = replay(on);
    require(texts.size() <= listed.entries, "what is replayed can be inspected");
    require(replay(on) == texts, "a journal that opened opens again with the same entries");
  } catch (const error& refused) {
    require(!refused.message().empty(), "a refusal has a reason");
  }
}

void read_header(std::span<const std::byte> input) {
  std::array<std::byte, segment_header_bytes> bytes{};
  std::ranges::copy(input.first(std::min(input.size(), bytes.size())), bytes.begin());
  segment_header header;
  if (decode(bytes, header) != errc::ok) return;
  std::array<std::byte, segment_header_bytes> again;
  encode(header, again);
  segment_header same;
  require(decode(again, same) == errc::ok && same == header, "a segment header survives a round trip");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::uint8_t choice = *data;
  const auto input = std::as_bytes(std::span(data + 1, std::min(size - 1, input_bytes_max)));
  if ((choice & as_segment_header) != 0) {
    read_header(input);
    return 0;
  }
  std::vector<std::byte> bytes(segment_header_bytes + input.size());
  encode({format_version, 1, bytes.size(), {}}, std::span(bytes).first<segment_header_bytes>());
  const auto entries = std::span(bytes).subspan(segment_header_bytes);
  std::ranges::copy(input, entries.begin());
  if ((choice & fix_checksums) != 0) put_right(entries, checksum_seed({}));
  read_segment(std::move(bytes));
  return 0;
}
