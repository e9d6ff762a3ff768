#include "broker/journal/segment_reader.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "skald/protocol/crc32c.hpp"

namespace skald::journal {

segment_header read_segment_header(file& from, const std::filesystem::path& path,
                                   std::uint64_t expected_generation) {
  std::array<std::byte, segment_header_bytes> bytes;
  if (from.size() < bytes.size()) {
    throw error(errc::storage_corrupt, path.string() + ": too short to be a journal segment");
  }
  const iovec part{bytes.data(), bytes.size()};
  if (const std::error_code failed = from.read(0, {&part, 1}, file::blocking::allowed)) {
    throw error(errc::storage_error, path.string() + ": reading its header: " + failed.message());
  }
  segment_header header;
  const errc verdict = decode(bytes, header);
  if (verdict == errc::unsupported_version) {
    throw error(verdict, path.string() + ": written in journal format " + std::to_string(header.format) +
                             ", but this version reads format " + std::to_string(format_version) +
                             "; use a newer skaldd");
  }
  if (verdict != errc::ok) throw error(verdict, path.string() + ": the header of the segment is damaged");
  if (header.generation != expected_generation) {
    throw error(errc::storage_corrupt, path.string() + ": its header is that of generation " +
                                           std::to_string(header.generation) + "; the file was renamed");
  }
  if (header.segment_bytes > from.size()) {
    throw error(errc::storage_corrupt, path.string() + ": cut short; it has " + std::to_string(from.size()) +
                                           " of " + std::to_string(header.segment_bytes) + " bytes");
  }
  return header;
}

segment_reader::segment_reader(file& from, std::filesystem::path path, const segment_header& header,
                               std::size_t block_bytes)
    : from_(from),
      path_(std::move(path)),
      generation_(header.generation),
      end_(header.segment_bytes),
      seed_(checksum_seed(header.id)),
      block_bytes_(block_bytes) {}

std::span<const std::byte> segment_reader::view(std::uint64_t position, std::uint64_t bytes) {
  if (position < start_ || position + bytes > start_ + size_) {
    const auto wanted =
        static_cast<std::size_t>(std::min(std::max<std::uint64_t>(block_bytes_, bytes), end_ - position));
    std::size_t kept = 0;
    const bool overlaps = position >= start_ && position < start_ + size_;
    if (overlaps) kept = static_cast<std::size_t>(start_ + size_ - position);
    if (capacity_ < wanted) {
      auto larger = std::make_unique_for_overwrite<std::byte[]>(wanted);
      if (overlaps) std::memcpy(larger.get(), block_.get() + (position - start_), kept);
      block_ = std::move(larger);
      capacity_ = wanted;
    } else if (overlaps) {
      std::memmove(block_.get(), block_.get() + (position - start_), kept);
    }
    start_ = position;
    size_ = kept;
    const iovec part{block_.get() + kept, wanted - kept};
    if (const std::error_code failed = from_.read(position + kept, {&part, 1}, file::blocking::allowed)) {
      throw error(errc::storage_error, path_.string() + ": reading " + std::to_string(part.iov_len) +
                                           " bytes at " + std::to_string(position + kept) + ": " +
                                           failed.message());
    }
    size_ = wanted;
    if (start_ + size_ < end_) {
      from_.prefetch(start_ + size_, std::min<std::uint64_t>(block_bytes_, end_ - (start_ + size_)));
    }
  }
  return {block_.get() + (position - start_), static_cast<std::size_t>(bytes)};
}

std::optional<entry_header> segment_reader::header_at(std::uint64_t position) {
  if (position + entry_header_bytes > end_) return {};
  const auto bytes = view(position, entry_header_bytes).first<entry_header_bytes>();
  if (claimed_generation(bytes) != generation_) return {};
  std::optional<entry_header> header = decode(bytes, seed_);
  if (header && position + stored_bytes(header->payload_bytes) > end_) return {};
  return header;
}

std::optional<std::span<const std::byte>> segment_reader::payload_at(std::uint64_t position,
                                                                     const entry_header& header) {
  const auto payload = view(position, entry_header_bytes + header.payload_bytes).subspan(entry_header_bytes);
  if (protocol::crc32c(payload) != header.payload_checksum) return {};
  return payload;
}

std::optional<segment_reader::found> segment_reader::find(std::uint64_t position) {
  position = (position + entry_alignment - 1) / entry_alignment * entry_alignment;
  while (position + entry_header_bytes <= end_) {
    // All that the block holds is passed over in one go: nearly nothing of it claims to be an entry.
    view(position, entry_header_bytes);
    const std::byte* next = block_.get() + (position - start_);
    const std::byte* const last = block_.get() + size_ - entry_header_bytes;
    while (next <= last && claimed_generation(std::span<const std::byte, entry_header_bytes>(
                               next, entry_header_bytes)) != generation_) {
      next += entry_alignment;
    }
    position = start_ + static_cast<std::uint64_t>(next - block_.get());
    if (next > last) continue;
    if (const std::optional<entry_header> header = header_at(position)) return found{position, *header};
    position += entry_alignment;
  }
  return {};
}

}  // namespace skald::journal
