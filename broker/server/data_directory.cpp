#include "broker/server/data_directory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <random>
#include <sstream>
#include <system_error>
#include <utility>

#include "broker/base/disk.hpp"

namespace skald::server {

namespace {

std::string system_text(int code) {
  return std::system_category().message(code);
}

std::string new_broker_id() {
  std::random_device random;
  std::string id;
  for (int i = 0; i < 4; ++i) id += fmt::format("{:08x}", random());
  return id;
}

// Written aside and renamed, so that a crash leaves either nothing or all of it.
void write_durably(const std::filesystem::path& path, const std::string& text) {
  const std::filesystem::path aside = path.string() + ".new";
  const int file = ::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const bool written = file >= 0 &&
                       ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       ::fsync(file) == 0 && ::rename(aside.c_str(), path.c_str()) == 0;
  const int code = errno;
  if (file >= 0) ::close(file);
  if (!written) {
    throw error(errc::storage_error, fmt::format("cannot write {}: {}", path.string(), system_text(code)));
  }
  const int directory = ::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    ::fsync(directory);
    ::close(directory);
  }
}

}  // namespace

data_directory::data_directory(std::filesystem::path path, when_missing then) : path_(std::move(path)) {
  if (!path_.has_filename()) path_ = path_.parent_path();  // it was written with a slash at its end
  if (then == when_missing::create) {
    make();
  } else if (std::error_code unknown; !std::filesystem::exists(path_ / "FORMAT", unknown)) {
    throw error(errc::storage_error, fmt::format("{} is no data directory of skald's", path_.string()));
  }
  lock();
  try {
    read_format();
    if (const std::error_code failed = native_disk().make_directory(shard_path())) {
      throw error(errc::storage_error,
                  fmt::format("cannot make {}: {}", shard_path().string(), failed.message()));
    }
  } catch (...) {
    ::close(lock_);
    throw;
  }
}

data_directory::~data_directory() {
  ::close(lock_);
}

void data_directory::make() const {
  const std::filesystem::path parent = std::filesystem::absolute(path_).parent_path();
  std::error_code failed = native_disk().make_directory(parent);
  if (!failed && ::mkdir(path_.c_str(), 0700) == 0) {
    failed = native_disk().sync_directory(parent);
  } else if (!failed && errno != EEXIST) {
    failed.assign(errno, std::system_category());
  }
  if (!failed && !std::filesystem::is_directory(path_, failed) && !failed) {
    failed = std::make_error_code(std::errc::not_a_directory);
  }
  if (failed) {
    throw error(errc::storage_error,
                fmt::format("cannot make the data directory {}: {}; choose another with --data-dir",
                            path_.string(), failed.message()));
  }
}

void data_directory::lock() {
  const std::filesystem::path file = path_ / "LOCK";
  lock_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0) {
    throw error(
        errc::storage_error,
        fmt::format("cannot write in the data directory {}: {}; give this user the right to, or choose "
                    "another with --data-dir",
                    path_.string(), system_text(errno)));
  }
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    const int code = errno;
    std::array<char, 32> holder{};
    const ssize_t got = ::read(lock_, holder.data(), holder.size() - 1);
    ::close(lock_);
    if (code != EWOULDBLOCK) {
      throw error(errc::storage_error, fmt::format("cannot lock {}: {}", file.string(), system_text(code)));
    }
    const std::string pid(holder.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    throw error(errc::storage_error,
                fmt::format("the data directory {} is in use by process {}; stop it, or choose another with "
                            "--data-dir",
                            path_.string(), pid.empty() ? "(unknown)" : pid.substr(0, pid.find('\n'))));
  }
  const std::string pid = fmt::format("{}\n", ::getpid());
  const bool told = ::ftruncate(lock_, 0) == 0 && ::pwrite(lock_, pid.data(), pid.size(), 0) > 0;
  static_cast<void>(told);  // only a courtesy to whoever finds the directory locked
}

void data_directory::read_format() {
  const std::filesystem::path file = path_ / "FORMAT";
  std::ifstream in(file);
  if (!in) {
    broker_id_ = new_broker_id();
    return write_durably(file, fmt::format("skald {}\nbroker {}\n", format_version, broker_id_));
  }
  std::string name;
  int version = 0;
  std::string word;
  in >> name >> version >> word >> broker_id_;
  if (name != "skald" || version < 1) {
    throw error(errc::storage_corrupt, fmt::format("{} is not one of skald's; is {} its data directory?",
                                                   file.string(), path_.string()));
  }
  if (version > format_version) {
    throw error(
        errc::unsupported_version,
        fmt::format("the data directory {} has format {}, which a newer skald wrote; this one knows formats "
                    "up to {}: start the newer skald",
                    path_.string(), version, format_version));
  }
  if (word != "broker" || broker_id_.empty()) {
    throw error(errc::storage_corrupt, fmt::format("{} lacks the broker's identity", file.string()));
  }
}

}  // namespace skald::server
