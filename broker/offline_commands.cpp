#include "broker/offline_commands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/base/disk.hpp"
#include "broker/server/data_directory.hpp"
#include "broker/shard/dump.hpp"
#include "broker/shard/verify.hpp"

namespace skald {

namespace {

// Holds the data directory while it is looked into.
server::data_directory open(const std::string& path) {
  return server::data_directory(path, server::data_directory::when_missing::fail);
}

CLI::Validator one_of(std::vector<std::string> words) {
  const auto check = [words = std::move(words)](const std::string& text) {
    if (std::ranges::find(words, text) != words.end()) return std::string();
    return fmt::format("'{}' is none of {}", text, fmt::join(words, ", "));
  };
  return {check, ""};
}

}  // namespace

offline_commands::offline_commands(CLI::App& to) {
  verify_ = to.add_subcommand("verify", "Check every checksum, index and invariant of a data directory");
  verify_->footer(
      "Changes nothing. Prints a line for each finding, with its place, and then what was looked at.\n"
      "Exit status: 0 no error found, 1 errors found or nothing to look into, 2 usage.");
  dump_ = to.add_subcommand("dump", "Print what a data directory holds, row by row");
  dump_->footer(
      "Examples:\n"
      "  skaldd dump --data-dir /var/lib/skald topics partitions\n"
      "  skaldd dump --data-dir /var/lib/skald --output json journal | jq .kind");
  for (CLI::App* const one : {verify_, dump_}) {
    one->add_option("--data-dir", data_dir_, "The data directory, which no broker may be using")
        ->required()
        ->type_name("DIR")
        ->envname("SKALD_DATA_DIR");
    one->group("Commands");
  }
  dump_->add_option("--output", output_, "text, or json for one object a line")
      ->check(one_of({"text", "json"}))
      ->type_name("FORMAT");
  dump_
      ->add_option(
          "SECTION", sections_,
          fmt::format("What to print: {}; everything if not given", fmt::join(shard::dump_sections(), ", ")))
      ->check(one_of({shard::dump_sections().begin(), shard::dump_sections().end()}))
      ->type_name("");
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
      "records in {} bytes: {} errors, {} notes\n",
      is.segments, is.entries, is.replayed, is.topics, is.partitions, is.batches, is.records, is.batch_bytes,
      is.errors, is.notes);
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
