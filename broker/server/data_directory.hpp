// The directory that everything durable lies in: made when missing, held by one process, of a format we know.
//
//   LOCK      locked while a broker runs, with its process id
//   FORMAT    the version of what lies here, and the broker's identity
//   shards/0  the shard
#pragma once

#include <filesystem>
#include <string>

#include "skald/protocol/error.hpp"

namespace skald::server {

class data_directory {
 public:
  static constexpr int format_version = 1;

  // Throws skald::error: storage_error when it cannot be made, written or locked (and then names the process
  // that has it), unsupported_version when a newer skald wrote it.
  // Without `create`, also storage_error when there is no data directory.
  enum class when_missing { create, fail };
  explicit data_directory(std::filesystem::path path, when_missing then = when_missing::create);
  ~data_directory();
  data_directory(const data_directory&) = delete;
  data_directory& operator=(const data_directory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path shard_path() const { return path_ / "shards" / "0"; }
  const std::string& broker_id() const { return broker_id_; }

 private:
  void make() const;
  void lock();
  void read_format();

  std::filesystem::path path_;
  std::string broker_id_;
  int lock_ = -1;
};

}  // namespace skald::server
