// Finds entries in the bytes of a segment: what replay, the search for damage and the offline tools share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "broker/base/disk.hpp"
#include "broker/journal/entry.hpp"

namespace skald::journal {

// Reads and checks the header of a segment file. Throws skald::error: storage_corrupt when it does not
// verify, names another generation than the file's name or promises more bytes than there are;
// unsupported_version; storage_error when it cannot be read.
segment_header read_segment_header(file& from, const std::filesystem::path& path,
                                   std::uint64_t expected_generation);

// Not thread-safe. What it returns is valid until the next call. Throws skald::error (storage_error) when the
// disk fails to read; positions beyond the segment merely hold no entry.
class segment_reader {
 public:
  segment_reader(file& from, std::filesystem::path path, const segment_header& header,
                 std::size_t block_bytes = 4u << 20);

  // The entry header at a position, if one of this segment's generation verifies there and its payload
  // would fit the segment.
  std::optional<entry_header> header_at(std::uint64_t position);
  // The payload of an entry whose header is at `position`, if its checksum matches.
  std::optional<std::span<const std::byte>> payload_at(std::uint64_t position, const entry_header& header);

  struct found {
    std::uint64_t position = 0;
    entry_header header;
  };
  // The first entry header that verifies at or after a position.
  std::optional<found> find(std::uint64_t position);

  const std::filesystem::path& path() const { return path_; }

 private:
  std::span<const std::byte> view(std::uint64_t position, std::uint64_t bytes);

  file& from_;
  std::filesystem::path path_;
  std::uint64_t generation_;
  std::uint64_t end_;
  std::uint32_t seed_;
  std::size_t block_bytes_;
  std::unique_ptr<std::byte[]> block_;  // holds [start_, start_ + size_) of the file
  std::size_t capacity_ = 0;
  std::uint64_t start_ = 0;
  std::size_t size_ = 0;
};

}  // namespace skald::journal
