#include "broker/offline_commands.hpp"

#include <fmt/format.h>

#include "broker/base/disk.hpp"
#include "broker/server/data_directory.hpp"
#include "broker/server/units.hpp"
#include "broker/shard/dump.hpp"
#include "broker/shard/verify.hpp"

namespace skald {

namespace {

// Holds the data directory while it is looked into.
server::data_directory open(const std::string& path) {
  return server::data_directory(path, server::data_directory::when_missing::fail);
}

}  // namespace

offline_commands::offline_commands(CLI::App& to) {
  verify_ = to.add_subcommand("verify", "Check every checksum, index and invariant of a data directory");
  dump_ = to.add_subcommand("dump", "Print what a data directory holds, row by row");
  for (CLI::App* const one : {verify_, dump_}) {
    one->add_option("--data-dir", data_dir_, "The data directory, which no broker may be using")
        ->required()
        ->envname("SKALD_DATA_DIR");
  }
  dump_->add_option("--output", output_, "text, or json for one object a line")
      ->check(CLI::IsMember({"text", "json"}));
  dump_->add_option(
      "section", sections_,
      fmt::format("What to print: {}; everything if not given", fmt::join(shard::dump_sections(), ", ")));
}

std::optional<int> offline_commands::run() const {
  if (verify_->parsed()) return verify();
  if (dump_->parsed()) return dump();
  return std::nullopt;
}

int offline_commands::verify() const {
  const server::data_directory held = open(data_dir_);
  const shard::verification is =
      shard::verify(native_disk(), held.shard_path(),
                    [](const shard::finding& found) { fmt::print("{}\n", shard::to_line(found)); });
  fmt::print(
      "checked {} segments with {} entries ({} to be replayed), {} topics, {} partitions, {} batches with {} "
      "records in {}: {} errors, {} notes\n",
      is.segments, is.entries, is.replayed, is.topics, is.partitions, is.batches, is.records,
      server::show_bytes(is.batch_bytes), is.errors, is.notes);
  return is.errors == 0 ? 0 : 1;
}

int offline_commands::dump() const {
  const server::data_directory held = open(data_dir_);
  const bool json = output_ == "json";
  shard::dump(native_disk(), held.shard_path(), sections_, [json](const shard::dump_row& row) {
    fmt::print("{}\n", json ? shard::to_json(row) : shard::to_text(row));
  });
  return 0;
}

}  // namespace skald
