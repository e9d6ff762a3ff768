// One read model and its checkpoint in one SQLite file, and the subscription that feeds it.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <skald/outbox/sqlite_statement.hpp>
#include <skald/outbox/sqlite_store.hpp>
#include <string>
#include <utility>
#include <vector>

#include "skald/eventsourcing/projection.hpp"

namespace skald::eventsourcing::detail {

// By topic and partition, the offset that comes next.
using checkpoint = std::map<std::pair<std::string, partition_id>, offset>;

// How many records there are from one to the other.
std::uint64_t records_between(const checkpoint& from, const checkpoint& to);

// Threading: one thread at a time; the const functions by any.
class projector {
 public:
  projector(blocking_client& broker, std::filesystem::path file, const projection_definition& definition);

  std::uint64_t run_once(milliseconds patience);
  // What the topic has, and what is applied of it.
  checkpoint ends() const;
  checkpoint applied() const;
  const std::filesystem::path& file() const { return file_; }

 private:
  void open_subscription();
  // Those that are followed and there.
  std::vector<std::string> topics() const;
  void apply(const records& some);
  void load_checkpoint();

  blocking_client& broker_;
  std::filesystem::path file_;
  std::string topic_;                // or a pattern
  outbox::sqlite_store connection_;  // for how it opens, begins, commits and rolls back
  std::unique_ptr<read_model> model_;
  outbox::sqlite_statement save_;
  std::optional<blocking_subscription> subscription_;
  mutable std::mutex mutex_;  // guards the checkpoint
  checkpoint applied_;
};

}  // namespace skald::eventsourcing::detail
