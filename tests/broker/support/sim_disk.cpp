#include "tests/broker/support/sim_disk.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace skald::testing {

struct sim_disk::inode {
  std::vector<std::byte> durable;
  std::vector<std::byte> written;
  std::set<std::uint64_t> dirty;  // sectors that differ, perhaps
  std::errc failing_reads{};

  void touch(std::uint64_t position, std::uint64_t bytes) {
    if (bytes == 0) return;
    for (auto sector = position / sector_bytes; sector <= (position + bytes - 1) / sector_bytes; ++sector) {
      dirty.insert(sector);
    }
  }

  void settle(std::uint64_t sector) {
    const std::size_t begin = sector * sector_bytes;
    if (begin >= written.size()) return;
    const std::size_t count = std::min(sector_bytes, written.size() - begin);
    if (durable.size() < begin + count) durable.resize(begin + count);
    std::memcpy(durable.data() + begin, written.data() + begin, count);
  }

  void sync() {
    durable.resize(written.size());
    for (const std::uint64_t sector : dirty) settle(sector);
    dirty.clear();
  }
};

class sim_disk::handle final : public file {
 public:
  handle(sim_disk& on, std::shared_ptr<inode> node, std::uint64_t epoch, bool writable)
      : on_(on), node_(std::move(node)), epoch_(epoch), writable_(writable) {}

  std::error_code write(std::uint64_t position, std::span<const iovec> parts) override {
    const std::lock_guard lock(on_.mutex_);
    std::size_t bytes = 0;
    for (const iovec& part : parts) bytes += part.iov_len;
    const std::error_code failed = may_write();
    if (failed && !on_.power_lost_at_) return failed;
    if (failed && stale()) return failed;
    // When the power fails during this very write, some of its sectors may have got out.
    if (failed && *on_.power_lost_at_ + 1 != on_.operations_) return failed;
    if (!failed && growth_beyond_capacity(position + bytes)) {
      return std::make_error_code(std::errc::no_space_on_device);
    }
    if (node_->written.size() < position + bytes) node_->written.resize(position + bytes);
    std::uint64_t at = position;
    for (const iovec& part : parts) {
      if (part.iov_len == 0) continue;
      std::memcpy(node_->written.data() + at, part.iov_base, part.iov_len);
      at += part.iov_len;
    }
    node_->touch(position, bytes);
    return failed;
  }

  std::error_code read(std::uint64_t position, std::span<const iovec> parts, blocking mode) override {
    const std::lock_guard lock(on_.mutex_);
    if (stale()) return std::make_error_code(std::errc::io_error);
    if (node_->failing_reads != std::errc{}) return std::make_error_code(node_->failing_reads);
    if (mode == blocking::refused && on_.cold_) {
      return std::make_error_code(std::errc::operation_would_block);
    }
    for (const iovec& part : parts) {
      if (position + part.iov_len > node_->written.size()) return std::make_error_code(std::errc::io_error);
      if (part.iov_len > 0) std::memcpy(part.iov_base, node_->written.data() + position, part.iov_len);
      position += part.iov_len;
    }
    return {};
  }

  std::error_code sync() override {
    const std::lock_guard lock(on_.mutex_);
    if (const std::error_code failed = may_write()) return failed;
    node_->sync();
    return {};
  }

  std::error_code allocate(std::uint64_t size) override {
    const std::lock_guard lock(on_.mutex_);
    if (const std::error_code failed = may_write()) return failed;
    if (growth_beyond_capacity(size)) return std::make_error_code(std::errc::no_space_on_device);
    const std::uint64_t before = node_->written.size();
    if (size > before) {
      node_->written.resize(size);
      node_->touch(before, size - before);
    }
    return {};
  }

  std::error_code write_zeros(std::uint64_t position, std::uint64_t bytes) override {
    const std::vector<std::byte> zeros(bytes);
    const iovec part{const_cast<std::byte*>(zeros.data()), zeros.size()};
    if (const std::error_code failed = write(position, {&part, 1})) return failed;
    const std::lock_guard lock(on_.mutex_);
    on_.zeros_written_ += bytes;
    return {};
  }

  void begin_sync(std::uint64_t, std::uint64_t) override {}

  void prefetch(std::uint64_t, std::uint64_t) override {}

  std::uint64_t size() const override {
    const std::lock_guard lock(on_.mutex_);
    return node_->written.size();
  }

 private:
  bool stale() const { return epoch_ != on_.epoch_; }
  std::error_code may_write() {
    if (!writable_) return std::make_error_code(std::errc::bad_file_descriptor);
    if (stale()) return std::make_error_code(std::errc::io_error);
    return on_.may_write();
  }
  bool growth_beyond_capacity(std::uint64_t size) const {
    return size > node_->written.size() && size - node_->written.size() > on_.free_now();
  }

  sim_disk& on_;
  std::shared_ptr<inode> node_;
  std::uint64_t epoch_;
  bool writable_;
};

sim_disk::sim_disk(std::uint64_t seed, std::uint64_t capacity) : random_(seed), capacity_(capacity) {}
sim_disk::~sim_disk() = default;

void sim_disk::crash() {
  const std::lock_guard lock(mutex_);
  ++epoch_;
  power_lost_at_.reset();
  failing_at_.reset();
  // Sometimes nothing survives, sometimes everything, mostly a part.
  const std::uint64_t survivors = std::array<std::uint64_t, 4>{0, 50, 90, 100}[random_() % 4];
  const auto survives = [&] { return random_() % 100 < survivors; };
  for (const change& each : std::exchange(unsynced_, {})) {
    if (survives()) apply(durable_, each);
  }
  written_ = durable_;
  for (auto& [name, node] : durable_) {
    for (const std::uint64_t sector : std::exchange(node->dirty, {})) {
      if (survives()) node->settle(sector);
    }
    node->written = node->durable;
  }
}

void sim_disk::kill() {
  const std::lock_guard lock(mutex_);
  ++epoch_;
  power_lost_at_.reset();
  failing_at_.reset();
}

void sim_disk::lose_power_after(std::uint64_t operations) {
  const std::lock_guard lock(mutex_);
  power_lost_at_ = operations_ + operations;
}

bool sim_disk::power_lost() const {
  const std::lock_guard lock(mutex_);
  return power_lost_at_ && operations_ > *power_lost_at_;
}

void sim_disk::fail_after(std::uint64_t operations, std::errc how) {
  const std::lock_guard lock(mutex_);
  failing_at_ = operations_ + operations;
  failing_how_ = how;
}

void sim_disk::fail_reads_of(const std::filesystem::path& path, std::errc how) {
  const std::lock_guard lock(mutex_);
  find(path)->failing_reads = how;
}

void sim_disk::flip_bit(const std::filesystem::path& path, std::uint64_t bit) {
  const std::lock_guard lock(mutex_);
  const std::shared_ptr<inode> node = find(path);
  const std::byte mask = std::byte(1u << (bit % 8));
  node->written.at(bit / 8) ^= mask;
  node->durable.at(bit / 8) ^= mask;
}

void sim_disk::set_capacity(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  capacity_ = bytes;
}

void sim_disk::set_cold(bool cold) {
  const std::lock_guard lock(mutex_);
  cold_ = cold;
}

std::uint64_t sim_disk::writing_operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

std::uint64_t sim_disk::zeros_written() const {
  const std::lock_guard lock(mutex_);
  return zeros_written_;
}

std::uint64_t sim_disk::used_bytes() const {
  const std::lock_guard lock(mutex_);
  return capacity_ - free_now();
}

std::vector<std::byte> sim_disk::contents(const std::filesystem::path& path) const {
  const std::lock_guard lock(mutex_);
  return find(path)->written;
}

void sim_disk::replace(const std::filesystem::path& path, std::vector<std::byte> bytes) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<inode>& node = written_[path.string()];
  if (node == nullptr) node = std::make_shared<inode>();
  durable_[path.string()] = node;
  node->dirty.clear();
  node->durable = node->written = std::move(bytes);
}

std::error_code sim_disk::may_write() {
  const std::uint64_t number = operations_++;
  if (power_lost_at_ && number >= *power_lost_at_) return std::make_error_code(std::errc::io_error);
  if (failing_at_ && number == *failing_at_) return std::make_error_code(failing_how_);
  return {};
}

// Files that are no longer named but still open are not counted; no test needs them to be.
std::uint64_t sim_disk::free_now() const {
  std::uint64_t used = 0;
  for (const auto& [name, node] : written_) used += node->written.size();
  return capacity_ - std::min(capacity_, used);
}

std::shared_ptr<sim_disk::inode> sim_disk::find(const std::filesystem::path& path) const {
  const auto found = written_.find(path.string());
  if (found == written_.end()) throw std::invalid_argument(path.string() + ": no such simulated file");
  return found->second;
}

bool sim_disk::apply(names& to, const change& what) {
  std::shared_ptr<inode> node = what.made;
  if (!what.from.empty()) {
    const auto found = to.find(what.from);
    if (found == to.end()) return false;
    node = found->second;
    to.erase(found);
  }
  if (!what.to.empty()) to[what.to] = std::move(node);
  return true;
}

std::error_code sim_disk::open(const std::filesystem::path& path, open_mode mode,
                               std::unique_ptr<file>& out) {
  const std::lock_guard lock(mutex_);
  const auto found = written_.find(path.string());
  if (mode == open_mode::create) {
    if (found != written_.end()) return std::make_error_code(std::errc::file_exists);
    if (const std::error_code failed = may_write()) return failed;
    unsynced_.push_back({{}, path.string(), std::make_shared<inode>()});
    apply(written_, unsynced_.back());
  } else if (found == written_.end()) {
    return std::make_error_code(std::errc::no_such_file_or_directory);
  }
  out = std::make_unique<handle>(*this, written_.at(path.string()), epoch_, mode != open_mode::read_only);
  return {};
}

std::error_code sim_disk::rename(const std::filesystem::path& from, const std::filesystem::path& to) {
  const std::lock_guard lock(mutex_);
  if (const std::error_code failed = may_write()) return failed;
  const change wanted{from.string(), to.string(), nullptr};
  if (!apply(written_, wanted)) return std::make_error_code(std::errc::no_such_file_or_directory);
  unsynced_.push_back(wanted);
  return {};
}

std::error_code sim_disk::remove(const std::filesystem::path& path) {
  const std::lock_guard lock(mutex_);
  if (const std::error_code failed = may_write()) return failed;
  const change wanted{path.string(), {}, nullptr};
  if (!apply(written_, wanted)) return std::make_error_code(std::errc::no_such_file_or_directory);
  unsynced_.push_back(wanted);
  return {};
}

std::error_code sim_disk::list(const std::filesystem::path& directory, std::vector<std::string>& out) {
  const std::lock_guard lock(mutex_);
  out.clear();
  for (const auto& [name, node] : written_) {
    const std::filesystem::path path(name);
    if (path.parent_path() == directory) out.push_back(path.filename().string());
  }
  return {};
}

std::error_code sim_disk::make_directory(const std::filesystem::path&) {
  return {};
}

std::error_code sim_disk::sync_directory(const std::filesystem::path&) {
  const std::lock_guard lock(mutex_);
  if (const std::error_code failed = may_write()) return failed;
  for (const change& each : std::exchange(unsynced_, {})) apply(durable_, each);
  return {};
}

std::error_code sim_disk::free_bytes(const std::filesystem::path&, std::uint64_t& out) {
  const std::lock_guard lock(mutex_);
  out = free_now();
  return {};
}

}  // namespace skald::testing
