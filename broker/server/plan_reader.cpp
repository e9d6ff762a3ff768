#include "broker/server/plan_reader.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "skald/protocol/record_batch.hpp"

namespace skald::server {

namespace {

// Patches what the broker assigns into each batch of a run.
void patch(const shard::read_plan& plan, const batch_run& run, std::span<std::byte> bytes) {
  for (std::size_t i = run.first; i < run.first + run.count; ++i) {
    const shard::stored_batch& batch = plan.batches[i];
    protocol::patch_base_offset(bytes.first(batch.at.bytes), batch.base_offset,
                                static_cast<std::int32_t>(batch.leader_epoch));
    bytes = bytes.subspan(batch.at.bytes);
  }
}

const journal::segment* find_segment(const shard::read_plan& plan, journal::generation name) {
  for (const auto& [generation, pin] : plan.pins) {
    if (generation == name) return pin.get();
  }
  return nullptr;
}

class journal_segments final : public batch_source {
 public:
  std::error_code read(const shard::read_plan& plan, const batch_run& run, std::span<std::byte> into,
                       file::blocking mode) override {
    std::size_t next = run.first;
    const std::size_t end = run.first + run.count;
    while (next < end) {
      if (const std::error_code failed = read_neighbours(plan, next, end, into, mode)) return failed;
    }
    return {};
  }

 private:
  // Between batches of one group lie entry headers and, where producers share the journal, others' batches.
  // Reading a small gap along costs less than another system call.
  static constexpr std::uint64_t gap_bytes_max = 4096;
  static constexpr std::size_t parts_max = 512;  // below IOV_MAX

  // Reads the batches from `next` on that lie close together with one call; advances `next` and `into`.
  static std::error_code read_neighbours(const shard::read_plan& plan, std::size_t& next, std::size_t end,
                                         std::span<std::byte>& into, file::blocking mode) {
    thread_local std::array<std::byte, gap_bytes_max> gap_bytes;
    std::array<iovec, parts_max> parts;
    std::size_t used = 0;
    const journal::place start = plan.batches[next].at;
    std::uint64_t position = start.position;
    while (next < end && used + 2 <= parts_max) {
      const journal::place& at = plan.batches[next].at;
      if (at.segment != start.segment || at.position < position) break;
      const std::uint64_t gap = at.position - position;
      if (gap > gap_bytes_max) break;
      if (gap > 0) parts[used++] = {gap_bytes.data(), gap};
      parts[used++] = {into.data(), at.bytes};
      into = into.subspan(at.bytes);
      position = std::uint64_t{at.position} + at.bytes;
      ++next;
    }
    const journal::segment* const segment = find_segment(plan, start.segment);
    if (segment == nullptr) return std::make_error_code(std::errc::no_such_file_or_directory);
    return journal::read(*segment, start.position, std::span(parts).first(used), mode);
  }
};

}  // namespace

batch_run choose_run(const shard::read_plan& plan, std::size_t first, std::size_t bytes_max) {
  batch_run run{first, 0, 0};
  for (std::size_t i = first; i < plan.batches.size(); ++i) {
    const std::size_t bytes = plan.batches[i].at.bytes;
    if (run.count > 0 && run.bytes + bytes > bytes_max) break;
    run.bytes += bytes;
    ++run.count;
  }
  return run;
}

offset after(const shard::read_plan& plan, const batch_run& run) {
  const std::size_t end = run.first + run.count;
  return end < plan.batches.size() ? plan.batches[end].base_offset : plan.next;
}

batch_source& segment_source() {
  static journal_segments source;
  return source;
}

std::optional<plan_reader::outcome> plan_reader::read(const shared_plan& plan, const batch_run& run,
                                                      done later) {
  auto memory = memory_.take(run.bytes);
  const std::span<std::byte> into = memory->bytes().first(run.bytes);
  const std::error_code failed = from_.read(*plan, run, into, file::blocking::refused);
  if (failed != std::errc::operation_would_block) {
    if (failed) return outcome{failed, {}};
    patch(*plan, run, into);
    return outcome{{}, slice(std::move(memory), into)};
  }
  auto result = std::make_shared<outcome>(outcome{{}, slice(memory, into)});
  slow_.run(
      [&from = from_, plan, run, into, result] {
        result->failed = from.read(*plan, run, into, file::blocking::allowed);
        if (!result->failed) patch(*plan, run, into);
      },
      [result, later = std::move(later)] { later(result->failed, std::move(result->bytes)); });
  return std::nullopt;
}

}  // namespace skald::server
