#include "broker/shard/offline_state.hpp"

#include <utility>

#include "skald/protocol/error.hpp"

namespace skald::shard {

offline_state::offline_state(disk& on, std::filesystem::path journal_directory, state::store& flushed)
    : disk_(on),
      directory_(std::move(journal_directory)),
      tables_(flushed),
      machine_(tables_),
      from_(tables_.meta.replay_from) {}

journal::inspection offline_state::walk(listener& tell) {
  tell_ = &tell;
  // A state that has never been flushed knows of no segment.
  const bool ever_flushed = from_.segment != journal::generation(0);
  return journal::inspect(disk_, directory_, ever_flushed ? std::optional(from_) : std::nullopt, *this);
}

void offline_state::on_segment(const std::filesystem::path& file, const journal::segment_header& header) {
  tell_->on_segment(file, header);
}

void offline_state::on_defect(const journal::defect& found) {
  tell_->on_defect(found);
}

void offline_state::on_entry(const std::filesystem::path& file, std::uint64_t position,
                             const journal::entry_header& header, std::span<const std::byte> payload) {
  if (header.kind == journal::entry_kind::sync_mark) return;
  try {
    const decoded_command decoded = decode_command(payload);
    const std::uint64_t body = position + journal::entry_header_bytes + decoded.head_bytes;
    const journal::place batch{journal::generation(header.generation), static_cast<std::uint32_t>(body),
                               header.payload_bytes - decoded.head_bytes};
    const bool beyond = header.sequence >= from_.next.value();
    if (beyond) {
      machine_.apply(decoded.what, batch);
      ++replayed_;
    }
    tell_->on_entry({file, position, header, decoded.what, batch, beyond});
  } catch (const error& failed) {
    tell_->on_defect({file, position, failed.message()});
  }
}

}  // namespace skald::shard
