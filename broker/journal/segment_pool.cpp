#include "broker/journal/segment_pool.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <random>
#include <utility>

namespace skald::journal {

namespace {

constexpr std::size_t ready_ahead = 2;  // the next one, and the one in reserve
constexpr std::chrono::milliseconds full_disk_interval{200};
journal_id random_id() {
  std::random_device source;
  journal_id id;
  for (std::byte& each : id) each = std::byte(source() & 0xff);
  return id;
}

std::size_t ready_needed(std::size_t count, urgency how) {
  return how == urgency::normal ? count + 1 : count;
}

}  // namespace

segment_pool::segment_pool(disk& on, const options& with) : on_(on), with_(with) {}

segment_pool::~segment_pool() {
  stop();
}

void segment_pool::adopt(journal_id id, generation highest, std::vector<spare_file> spares) {
  id_ = id;
  if (id_ == journal_id{}) id_ = with_.new_id;
  if (id_ == journal_id{}) id_ = random_id();
  highest_ = highest.value();
  spares_ = std::move(spares);
}

void segment_pool::start(callbacks reports, driven_by driver) {
  reports_ = std::move(reports);
  driver_ = driver;
  if (driver_ == driven_by::threads) thread_ = std::thread(&segment_pool::run_thread, this);
}

void segment_pool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool segment_pool::enough(std::size_t count, urgency how) const {
  return ready_.size() >= ready_needed(count, how);
}

std::error_code segment_pool::claim(std::size_t count, urgency how,
                                    std::vector<std::shared_ptr<segment>>& out) {
  std::unique_lock lock(mutex_);
  wanted_ = ready_needed(count, how);
  changed_.notify_all();
  while (!enough(count, how) && !full_ && !failed_ && !stopping_) {
    if (driver_ == driven_by::threads) {
      changed_.wait(lock);
      continue;
    }
    lock.unlock();
    const bool progress = work();
    lock.lock();
    if (!progress) break;
  }
  wanted_ = 0;
  if (stopping_) return errc::shutting_down;
  if (failed_) return errc::storage_error;
  if (!enough(count, how)) {
    const std::size_t lacked = ready_needed(count, how);
    refused_ = std::min(refused_.value_or(lacked), lacked);
    return errc::storage_full;
  }
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back(std::move(ready_.front()));
    ready_.pop_front();
  }
  ready_count_ = ready_.size();
  choose_unwritten();
  changed_.notify_all();
  return {};
}

void segment_pool::take_back(generation id, std::unique_ptr<file> content) noexcept {
  {
    const std::lock_guard lock(mutex_);
    returned_.push_back({id, std::move(content)});
    look_again_ = true;
  }
  changed_.notify_all();
}

std::uint32_t segment_pool::spares() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::uint32_t>(spares_.size());
}

segment_pool::task segment_pool::next_task() const {
  if (failed_ || stopping_) return task::none;
  if (!returned_.empty()) return task::shelve;
  const std::size_t target = std::max({ready_ahead, wanted_, refused_.value_or(0)});
  if (ready_.size() < target && (!full_ || look_again_)) return task::prepare;
  if (spares_.size() > with_.spare_segments_max) return task::trim;
  if (unwritten_) return task::fill;
  return task::none;
}

bool segment_pool::work() {
  task what = task::none;
  {
    const std::lock_guard lock(mutex_);
    if (full_ && driver_ == driven_by::step) look_again_ = true;
    what = next_task();
    if (what == task::prepare) look_again_ = false;
  }
  switch (what) {
    case task::shelve:
      return shelve();
    case task::prepare:
      return prepare();
    case task::trim:
      return trim();
    case task::fill:
      return fill();
    case task::none:
      break;
  }
  return false;
}

void segment_pool::run_thread() {
  auto looked_at = std::chrono::steady_clock::now();  // a full disk
  std::unique_lock lock(mutex_);
  while (!stopping_ && !failed_) {
    if (const auto now = std::chrono::steady_clock::now(); full_ && now - looked_at >= full_disk_interval) {
      look_again_ = true;
      looked_at = now;
    }
    const task next = next_task();
    if (next == task::fill && !may_fill(lock)) continue;
    if (next != task::none) {
      lock.unlock();
      work();
      lock.lock();
    } else if (full_) {
      changed_.wait_for(lock, full_disk_interval);
    } else {
      changed_.wait(lock);
    }
  }
}

bool segment_pool::may_fill(std::unique_lock<std::mutex>& lock) {
  const auto written = [this] { return written_.load(std::memory_order_relaxed); };
  const auto writing = [this] { return writing_.load(std::memory_order_relaxed); };
  zeros_at_once_ = pace_.at_once(written(), writing());
  if (zeros_at_once_ > 0) return true;
  if (changed_.wait_for(lock, fill_pace::interval) == std::cv_status::no_timeout) return false;
  const bool is_next = unwritten_ && unwritten_ == ready_.front();
  zeros_at_once_ = pace_.beside(written(), writing(), is_next);
  return zeros_at_once_ > 0;
}

// The file of a released segment becomes spare. Its name says so durably before its header is overwritten:
// a segment under its old name with another header would be taken for damaged.
bool segment_pool::shelve() {
  spare_file file;
  {
    const std::lock_guard lock(mutex_);
    file = std::move(returned_.back());
    returned_.pop_back();
  }
  const auto path = path_of(segment_name(file.id));
  std::error_code failed = on_.rename(path, path_of(spare_name(file.id)));
  if (!failed) failed = on_.sync_directory(with_.directory);
  // A segment of a size that is no longer configured, or of a directory opened with another, is of no use.
  if (!failed && file.content->size() != with_.segment_bytes) {
    failed = on_.remove(path_of(spare_name(file.id)));
    file.content.reset();
  }
  if (failed) return fail(failed, "making a released segment spare", path), false;
  if (file.content) put_back(std::move(file));
  return true;
}

bool segment_pool::prepare() {
  spare_file file;
  generation id;
  {
    const std::lock_guard lock(mutex_);
    id = generation(++highest_);
    if (!spares_.empty()) {
      file = std::move(spares_.back());
      spares_.pop_back();
    }
  }
  const bool recycled = file.content != nullptr;
  outcome how = recycled ? outcome::done : create_file(id, file);
  const bool has_file = how == outcome::done;
  if (has_file) how = make_ready(id, file);
  if (how == outcome::failed) return false;
  if (how == outcome::no_space) {
    if (has_file) put_back(std::move(file));
    report_full();
    return false;
  }
  admit(std::make_shared<segment>(id, std::move(file.content), with_.segment_bytes, recycled,
                                  weak_from_this()));
  return true;
}

void segment_pool::report_full() {
  {
    const std::lock_guard lock(mutex_);
    full_ = true;
  }
  changed_.notify_all();
}

segment_pool::outcome segment_pool::create_file(generation id, spare_file& out) {
  std::uint64_t free = 0;
  if (const auto failed = on_.free_bytes(with_.directory, free)) {
    return judge(failed, "asking for its free space", with_.directory);
  }
  if (free < with_.segment_bytes + with_.reserve_bytes) return outcome::no_space;
  const auto path = path_of(spare_name(id));
  std::unique_ptr<file> content;
  if (const auto failed = on_.open(path, disk::open_mode::create, content)) {
    return judge(failed, "creating it", path);
  }
  const std::error_code unallocated = content->allocate(with_.segment_bytes);
  if (unallocated) {
    if (const auto failed = on_.remove(path)) return judge(failed, "removing it", path);
    return judge(unallocated, "allocating its blocks", path);
  }
  out = {id, std::move(content)};
  return outcome::done;
}

segment_pool::outcome segment_pool::make_ready(generation id, spare_file& from) {
  const auto spare_path = path_of(spare_name(from.id));
  std::array<std::byte, segment_header_bytes> header;
  encode({format_version, id.value(), with_.segment_bytes, id_}, header);
  const iovec part{header.data(), header.size()};
  if (const auto failed = from.content->write(0, {&part, 1})) {
    return judge(failed, "writing its header", spare_path);
  }
  if (const auto failed = from.content->sync()) {
    return fail(failed, "syncing its header", spare_path), outcome::failed;
  }
  if (const auto failed = on_.rename(spare_path, path_of(segment_name(id)))) {
    return judge(failed, "renaming it", spare_path);
  }
  if (const auto failed = on_.sync_directory(with_.directory)) {
    return fail(failed, "syncing the directory", with_.directory), outcome::failed;
  }
  return outcome::done;
}

void segment_pool::admit(std::shared_ptr<segment> prepared) {
  bool space = false;
  {
    const std::lock_guard lock(mutex_);
    ready_.push_back(std::move(prepared));
    ready_count_ = ready_.size();
    choose_unwritten();
    full_ = false;  // until the next attempt says otherwise
    if (refused_ && ready_.size() >= *refused_) {
      refused_.reset();
      space = true;
    }
  }
  changed_.notify_all();
  if (space && reports_.on_space) reports_.on_space();
}

void segment_pool::put_back(spare_file unused) {
  const std::lock_guard lock(mutex_);
  spares_.push_back(std::move(unused));
}

bool segment_pool::trim() {
  spare_file file;
  {
    const std::lock_guard lock(mutex_);
    file = std::move(spares_.back());
    spares_.pop_back();
  }
  const auto path = path_of(spare_name(file.id));
  std::error_code failed = on_.remove(path);
  if (!failed) failed = on_.sync_directory(with_.directory);
  if (failed) return fail(failed, "removing a spare segment", path), false;
  return true;
}

void segment_pool::choose_unwritten() {
  const auto next = std::ranges::find_if(ready_, [](const auto& each) { return !each->written(); });
  unwritten_ = next == ready_.end() ? nullptr : *next;
}

bool segment_pool::fill() {
  std::shared_ptr<segment> target;
  {
    const std::lock_guard lock(mutex_);
    target = unwritten_;
  }
  if (!target) return false;
  const std::error_code failed = target->fill(zeros_at_once_);
  if (failed && failed != std::errc::no_space_on_device) {
    return fail(failed, "writing zeros", path_of(segment_name(target->id()))), false;
  }
  const std::lock_guard lock(mutex_);
  choose_unwritten();
  return true;
}

segment_pool::outcome segment_pool::judge(std::error_code failed, std::string_view doing,
                                          const std::filesystem::path& path) {
  if (failed == std::errc::no_space_on_device) return outcome::no_space;
  return fail(failed, doing, path), outcome::failed;
}

void segment_pool::fail(std::error_code why, std::string_view doing, const std::filesystem::path& path) {
  {
    const std::lock_guard lock(mutex_);
    failed_ = true;
  }
  changed_.notify_all();
  if (reports_.on_fatal) reports_.on_fatal(path.string() + ": " + std::string(doing) + ": " + why.message());
}

}  // namespace skald::journal
