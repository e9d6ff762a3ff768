// The state of a shard that is not running, as a start would find it: what is flushed, and in memory on top
// of it what the journal holds beyond. Nothing is written.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>

#include "broker/base/disk.hpp"
#include "broker/journal/inspect.hpp"
#include "broker/shard/command.hpp"
#include "broker/shard/state_machine.hpp"
#include "broker/state/store.hpp"
#include "broker/state/tables.hpp"

namespace skald::shard {

// One entry of the journal, met on the way.
struct offline_entry {
  const std::filesystem::path& file;
  std::uint64_t position = 0;  // of its header
  const journal::entry_header& header;
  const command& what;
  journal::place batch;   // empty unless the command has one
  bool replayed = false;  // it is beyond what is flushed
};

class offline_state : private journal::inspector {
 public:
  class listener {
   public:
    virtual ~listener() = default;
    virtual void on_segment(const std::filesystem::path&, const journal::segment_header&) {}
    virtual void on_entry(const offline_entry&) {}
    // A damaged part of the journal, an entry that cannot be read or applied.
    virtual void on_defect(const journal::defect&) {}
  };

  offline_state(disk& on, std::filesystem::path journal_directory, state::store& flushed);

  // Walks the whole journal once and applies what is beyond the flushed state. Throws skald::error when the
  // directory cannot be read.
  journal::inspection walk(listener& tell);

  const state::tables& tables() const { return tables_; }
  std::uint64_t replayed() const { return replayed_; }

 private:
  void on_segment(const std::filesystem::path& file, const journal::segment_header& header) override;
  void on_entry(const std::filesystem::path& file, std::uint64_t position,
                const journal::entry_header& header, std::span<const std::byte> payload) override;
  void on_defect(const journal::defect& found) override;

  disk& disk_;
  std::filesystem::path directory_;
  state::tables tables_;
  state_machine machine_;
  journal::replay_point from_;
  listener* tell_ = nullptr;
  std::uint64_t replayed_ = 0;
};

}  // namespace skald::shard
