// What the journal costs on the disk that holds the temporary files (TMPDIR chooses it). Bytes per second are
// of payload.
//
//   append/N           one entry of N bytes at a time, each waited for: the latency of a group commit
//   append_unsynced/N  the same without fdatasync: what is left is the hand-over between threads and the page
//   cache append_stream/N    64 MiB of entries of N bytes, as fast as they are taken encode/N           the
//   same without a disk: what gathering, checksums and bookkeeping cost a core replay/N           opening a
//   journal with 256 MiB of entries of N bytes, from the page cache
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>

#include "broker/journal/journal.hpp"

namespace skald::journal {
namespace {

class scratch_directory {
 public:
  scratch_directory() {
    std::string name = (std::filesystem::temp_directory_path() / "skald-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed for " + name);
    path_ = name;
  }
  ~scratch_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

class counter final : public listener {
 public:
  void on_durable(std::vector<durable_entry> group) override {
    last_segment_.store(group.back().payload.segment.value());
    durable_.fetch_add(group.size());
    durable_.notify_all();
  }
  void on_space() override {}
  void on_fatal(const std::string& why) override {
    std::fprintf(stderr, "%s\n", why.c_str());
    std::abort();
  }
  void wait_for(std::uint64_t entries) {
    for (std::uint64_t now = durable_.load(); now < entries; now = durable_.load()) durable_.wait(now);
  }
  generation last_segment() const { return generation(last_segment_.load()); }

 private:
  std::atomic<std::uint64_t> durable_{0};
  std::atomic<std::uint64_t> last_segment_{0};
};

// Accepts everything and keeps nothing but headers of segments.
class null_file final : public file {
 public:
  std::error_code write(std::uint64_t, std::span<const iovec>) override { return {}; }
  std::error_code read(std::uint64_t, std::span<const iovec>, blocking) override {
    return std::make_error_code(std::errc::io_error);
  }
  std::error_code sync() override { return {}; }
  std::error_code allocate(std::uint64_t size) override { return size_ = size, std::error_code(); }
  std::error_code write_zeros(std::uint64_t, std::uint64_t) override { return {}; }
  void begin_sync(std::uint64_t, std::uint64_t) override {}
  void prefetch(std::uint64_t, std::uint64_t) override {}
  std::uint64_t size() const override { return size_; }

 private:
  std::uint64_t size_ = 0;
};

class null_disk final : public disk {
 public:
  std::error_code open(const std::filesystem::path&, open_mode, std::unique_ptr<file>& out) override {
    out = std::make_unique<null_file>();
    return {};
  }
  std::error_code rename(const std::filesystem::path&, const std::filesystem::path&) override { return {}; }
  std::error_code remove(const std::filesystem::path&) override { return {}; }
  std::error_code list(const std::filesystem::path&, std::vector<std::string>&) override { return {}; }
  std::error_code make_directory(const std::filesystem::path&) override { return {}; }
  std::error_code sync_directory(const std::filesystem::path&) override { return {}; }
  std::error_code free_bytes(const std::filesystem::path&, std::uint64_t& out) override {
    return out = UINT64_MAX / 2, std::error_code();
  }
};

// The machine's own, but for making anything durable.
class unsynced_file final : public file {
 public:
  explicit unsynced_file(std::unique_ptr<file> of) : of_(std::move(of)) {}
  std::error_code write(std::uint64_t position, std::span<const iovec> parts) override {
    return of_->write(position, parts);
  }
  std::error_code read(std::uint64_t position, std::span<const iovec> parts, blocking mode) override {
    return of_->read(position, parts, mode);
  }
  std::error_code sync() override { return {}; }
  std::error_code allocate(std::uint64_t size) override { return of_->allocate(size); }
  std::error_code write_zeros(std::uint64_t position, std::uint64_t bytes) override {
    return of_->write_zeros(position, bytes);
  }
  void begin_sync(std::uint64_t position, std::uint64_t bytes) override { of_->begin_sync(position, bytes); }
  void prefetch(std::uint64_t position, std::uint64_t bytes) override { of_->prefetch(position, bytes); }
  std::uint64_t size() const override { return of_->size(); }

 private:
  std::unique_ptr<file> of_;
};

class unsynced_disk final : public disk {
 public:
  std::error_code open(const std::filesystem::path& path, open_mode mode,
                       std::unique_ptr<file>& out) override {
    std::unique_ptr<file> opened;
    if (const std::error_code failed = of_.open(path, mode, opened)) return failed;
    out = std::make_unique<unsynced_file>(std::move(opened));
    return {};
  }
  std::error_code rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    return of_.rename(from, to);
  }
  std::error_code remove(const std::filesystem::path& path) override { return of_.remove(path); }
  std::error_code list(const std::filesystem::path& directory, std::vector<std::string>& out) override {
    return of_.list(directory, out);
  }
  std::error_code make_directory(const std::filesystem::path& directory) override {
    return of_.make_directory(directory);
  }
  std::error_code sync_directory(const std::filesystem::path&) override { return {}; }
  std::error_code free_bytes(const std::filesystem::path& directory, std::uint64_t& out) override {
    return of_.free_bytes(directory, out);
  }

 private:
  disk& of_ = native_disk();
};

std::vector<new_entry> one(const slice& body) {
  std::vector<new_entry> entries(1);
  entries.front().head.resize(40);
  entries.front().body = body;
  return entries;
}

slice body_of(std::int64_t bytes) {
  const std::vector<std::byte> content(static_cast<std::size_t>(bytes), std::byte(0xa5));
  return slice::copy_of(content);
}

// Appends and releases what is behind, so that segments are recycled.
class writer {
 public:
  writer(disk& on, const std::filesystem::path& directory) {
    with_.directory = directory;
    log_.emplace(on, with_, replay_point{}, [](const replayed_entry&) {}, report_);
    log_->start(heard_);
  }
  void append(const slice& body) {
    if (const std::error_code refused = log_->append(one(body))) throw std::system_error(refused);
    ++appended_;
    // As the shard does: hold publishers back beyond a budget.
    while (log_->queued_bytes() > 32u << 20) heard_.wait_for(appended_ - 1);
  }
  void wait() { heard_.wait_for(appended_); }
  void release() {
    for (const generation each : log_->segments()) {
      if (each < heard_.last_segment()) log_->release(each);
    }
  }

 private:
  options with_;
  recovery_report report_;
  counter heard_;
  std::uint64_t appended_ = 0;
  std::optional<journal> log_;
};

void one_by_one(benchmark::State& state, disk& on) {
  const scratch_directory directory;
  writer to(on, directory.path());
  const slice body = body_of(state.range(0));
  for (auto _ : state) {
    to.append(body);
    to.wait();
    to.release();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
void append(benchmark::State& state) {
  one_by_one(state, native_disk());
}
BENCHMARK(append)->Arg(100)->Arg(1 << 10)->Arg(64 << 10)->Arg(1 << 20)->UseRealTime();
void append_unsynced(benchmark::State& state) {
  unsynced_disk fast;
  one_by_one(state, fast);
}
BENCHMARK(append_unsynced)->Arg(100)->Arg(1 << 10)->Arg(64 << 10)->Arg(1 << 20)->UseRealTime();

void stream(benchmark::State& state, disk& on) {
  constexpr std::int64_t bytes = 64 << 20;
  const scratch_directory directory;
  writer to(on, directory.path());
  const slice body = body_of(state.range(0));
  for (auto _ : state) {
    for (std::int64_t i = 0; i < bytes / state.range(0); ++i) to.append(body);
    to.wait();
    to.release();
  }
  state.SetBytesProcessed(state.iterations() * bytes);
}
void append_stream(benchmark::State& state) {
  stream(state, native_disk());
}
BENCHMARK(append_stream)->Arg(4 << 10)->Arg(64 << 10)->Arg(1 << 20)->UseRealTime()->MinTime(3);
void encode(benchmark::State& state) {
  null_disk nothing;
  stream(state, nothing);
}
BENCHMARK(encode)->Arg(4 << 10)->Arg(64 << 10)->UseRealTime();

void replay(benchmark::State& state) {
  constexpr std::int64_t bytes = 256 << 20;
  const scratch_directory directory;
  {
    writer to(native_disk(), directory.path());
    const slice body = body_of(state.range(0));
    for (std::int64_t i = 0; i < bytes / state.range(0); ++i) to.append(body);
    to.wait();
  }
  for (auto _ : state) {
    std::uint64_t seen = 0;
    options with;
    with.directory = directory.path();
    recovery_report report;
    const journal log(
        native_disk(), with, {}, [&](const replayed_entry& entry) { seen += entry.bytes.size(); }, report);
    benchmark::DoNotOptimize(seen);
  }
  state.SetBytesProcessed(state.iterations() * bytes);
}
BENCHMARK(replay)->Arg(1 << 10)->Arg(64 << 10)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace skald::journal
