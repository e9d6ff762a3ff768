#include "broker/journal/group_writer.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "skald/protocol/crc32c.hpp"

namespace skald::journal {

namespace {

constexpr std::size_t page_bytes = 4096;
constexpr std::uint64_t piece_bytes = 256u << 10;

iovec part_of(std::span<const std::byte> bytes) {
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};  // iovec serves reads and writes alike
}

// Writes the first `bytes` of the parts, and takes them off.
std::error_code write_front(file& to, std::uint64_t position, std::uint64_t bytes, std::span<iovec>& parts) {
  std::size_t whole = 0;
  while (whole < parts.size() && parts[whole].iov_len <= bytes) bytes -= parts[whole++].iov_len;
  if (bytes == 0) {
    const std::error_code failed = to.write(position, parts.first(whole));
    parts = parts.subspan(whole);
    return failed;
  }
  iovec& split = parts[whole];
  const iovec behind{static_cast<std::byte*>(split.iov_base) + bytes, split.iov_len - bytes};
  split.iov_len = bytes;
  const std::error_code failed = to.write(position, parts.first(whole + 1));
  split = behind;
  parts = parts.subspan(whole);
  return failed;
}

std::uint64_t payload_bytes(const pending_entry& entry) {
  return entry.head.size() + entry.body.size();
}

}  // namespace

group_writer::group_writer(const options& with, std::uint32_t checksum_seed, sequence durable,
                           log_index last_index, term last_term)
    : group_bytes_max_(with.group_bytes_max),
      seed_(checksum_seed),
      durable_(durable),
      last_index_(last_index),
      last_term_(last_term) {}

void group_writer::continue_at(segment& last, std::optional<std::uint64_t> position) {
  tail_ = &last;
  tail_position_ = position;
}

// Headers, heads and paddings are laid out one after another; each body interrupts them. Returns how many
// entries the group has.
std::size_t group_writer::gather(const std::deque<pending_entry>& queue) {
  const segment* const into = queue.front().into;
  std::size_t count = 0;
  std::size_t small_bytes = 0;
  group_bytes_ = 0;
  for (const pending_entry& entry : queue) {
    const std::uint64_t bytes = stored_bytes(payload_bytes(entry));
    if (entry.into != into || (count > 0 && group_bytes_ + bytes > group_bytes_max_)) break;
    group_bytes_ += bytes;
    small_bytes += static_cast<std::size_t>(bytes) - entry.body.size();
    ++count;
  }
  small_parts_.assign(small_bytes, std::byte{0});  // the full size at once: parts_ points into it
  parts_.clear();
  std::byte* next = small_parts_.data();
  std::byte* run = next;  // begin of what no body has interrupted yet
  for (std::size_t i = 0; i < count; ++i) {
    const pending_entry& entry = queue[i];
    entry_header header = entry.header;
    header.durable = durable_.value();
    header.payload_bytes = static_cast<std::uint32_t>(payload_bytes(entry));
    header.payload_checksum = protocol::crc32c(entry.body.bytes(), protocol::crc32c(entry.head));
    encode(header, seed_, std::span<std::byte, entry_header_bytes>(next, entry_header_bytes));
    next = std::ranges::copy(entry.head, next + entry_header_bytes).out;
    if (!entry.body.empty()) {
      parts_.push_back(part_of({run, next}));
      parts_.push_back(part_of(entry.body.bytes()));
      run = next;
    }
    next += stored_bytes(header.payload_bytes) - entry_header_bytes - header.payload_bytes;
  }
  if (run != next) parts_.push_back(part_of({run, next}));
  return count;
}

// Bytes that do not fill their page make the kernel read that page first, unless it is cached, which the
// pages of a recycled segment are not: that costs more than a third of the throughput of small groups. So
// each write goes on with zeros to the end of its page. The next one begins where the entries end, in a page
// that is cached by then. (A segment is a whole number of pages.)
void group_writer::fill_page(std::uint64_t end) {
  static constexpr std::array<std::byte, page_bytes> zeros{};
  const std::size_t rest = static_cast<std::size_t>((page_bytes - end % page_bytes) % page_bytes);
  if (rest > 0) parts_.push_back(part_of(std::span(zeros).first(rest)));
  group_bytes_ += rest;
}

// The disk gets the first pieces of a large group while the others are still being copied for it. Each piece
// ends with a page, for the reason that fill_page() has.
write_failure group_writer::write(segment& into, std::uint64_t position) {
  const std::uint64_t end = position + group_bytes_;
  std::span<iovec> rest(parts_);
  for (std::uint64_t at = position; at < end;) {
    const bool is_last = end - at < 2 * piece_bytes;
    const std::uint64_t until = is_last ? end : (at + piece_bytes) / page_bytes * page_bytes;
    if (const auto failed = write_front(into.content(), at, until - at, rest)) {
      return {segment_name(into.id()) + ": writing " + std::to_string(group_bytes_) + " bytes at " +
              std::to_string(position) + ": " + failed.message()};
    }
    if (!is_last) into.content().begin_sync(at, until - at);
    at = until;
  }
  bytes_written_ += group_bytes_;
  return {};
}

write_failure group_writer::sync(segment& what) {
  ++syncs_;
  if (const auto failed = what.content().sync()) {
    return {segment_name(what.id()) + ": fdatasync: " + failed.message()};
  }
  return {};
}

write_failure group_writer::commit(std::deque<pending_entry>& queue, std::vector<durable_entry>& group) {
  segment& into = *queue.front().into;
  if (&into != tail_) {
    // The old segment gets its mark for good, so that it can be judged without its successor.
    if (write_failure failed = mark(marking::unsynced)) return failed;
    into.begin_use();
  }
  const std::size_t count = gather(queue);
  fill_page(queue.front().position + group_bytes_);
  if (write_failure failed = write(into, queue.front().position)) return failed;
  if (write_failure failed = sync(into)) return failed;
  for (std::size_t i = 0; i < count; ++i) {
    const pending_entry& entry = queue.front();
    const auto payload_at = static_cast<std::uint32_t>(entry.position + entry_header_bytes);
    const auto head = static_cast<std::uint32_t>(entry.head.size());
    const auto body = static_cast<std::uint32_t>(entry.body.size());
    durable_ = sequence(entry.header.sequence);
    last_index_ = log_index(entry.header.index);
    last_term_ = term(entry.header.term);
    group.push_back(
        {durable_, last_index_, {into.id(), payload_at, head + body}, {into.id(), payload_at + head, body}});
    tail_position_ = entry.position + stored_bytes(head + body);
    queue.pop_front();
  }
  tail_ = &into;
  return {};
}

write_failure group_writer::mark(marking how) {
  if (tail_ == nullptr) return {};
  if (tail_position_) {
    entry_header header;
    header.kind = entry_kind::sync_mark;
    header.generation = tail_->id().value();
    header.sequence = header.durable = durable_.value();
    header.index = last_index_.value();
    header.term = last_term_.value();
    small_parts_.resize(std::max(small_parts_.size(), entry_header_bytes));
    const auto bytes = std::span(small_parts_).first<entry_header_bytes>();
    encode(header, seed_, bytes);
    parts_.assign(1, part_of(bytes));
    group_bytes_ = bytes.size();
    fill_page(*tail_position_ + group_bytes_);
    if (write_failure failed = write(*tail_, *tail_position_)) return failed;
  }
  if (how == marking::synced) return sync(*tail_);
  return {};
}

}  // namespace skald::journal
