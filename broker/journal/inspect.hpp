// Looks at a whole journal without opening it, as `skaldd verify` and `skaldd dump` do: every segment, also
// before the replay point, every checksum. Reads only. The journal must not be open, or what is being written
// looks torn.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "broker/journal/journal.hpp"

namespace skald::journal {

struct defect {
  std::filesystem::path file;
  std::uint64_t position = 0;
  std::string what;
};

// Called in the order of the journal, on the calling thread.
class inspector {
 public:
  virtual ~inspector() = default;
  virtual void on_segment(const std::filesystem::path& file, const segment_header& header) = 0;
  // An entry whose checksums match; a sync mark too. The payload is valid during the call.
  virtual void on_entry(const std::filesystem::path& file, std::uint64_t position, const entry_header& header,
                        std::span<const std::byte> payload) = 0;
  virtual void on_defect(const defect& found) = 0;
};

struct inspection {
  std::uint64_t segments = 0;
  std::uint64_t spares = 0;
  std::uint64_t entries = 0;      // sync marks excluded
  std::uint64_t entry_bytes = 0;  // headers and padding included
  std::uint64_t torn_bytes = 0;   // remnants of group commits that a crash tore; no defect
  std::uint64_t defects = 0;
};

// `from` is what the state has committed: with it, missing segments and a state ahead of the journal are
// defects too; without it, a gap between segments passes for released ones. Throws skald::error
// (storage_error) when the directory cannot be listed.
inspection inspect(disk& on, const std::filesystem::path& directory, std::optional<replay_point> from,
                   inspector& to);

}  // namespace skald::journal
