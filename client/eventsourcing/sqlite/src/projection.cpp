#include "skald/eventsourcing/projection.hpp"

#include <fstream>
#include <string_view>
#include <thread>

#include "client/eventsourcing/sqlite/src/projector.hpp"

namespace skald::eventsourcing {

namespace {

constexpr milliseconds run_patience{50};
constexpr milliseconds retry_delay{100};
// So near to the live one a rebuild takes over: on a busy topic it would never be level with it.
constexpr std::uint64_t takeover_distance = 1'000;

// Which generation is current is the name that a symbolic link points to: replacing one is atomic.
std::uint64_t read_generation(const std::filesystem::path& link) {
  std::error_code missing;
  const std::string target = std::filesystem::read_symlink(link, missing).string();
  if (missing) return 1;
  const std::size_t dot = target.rfind('.', target.size() - std::string_view(".db").size() - 1);
  return std::stoull(target.substr(dot + 1));
}

}  // namespace

projection::projection(blocking_client& broker, std::filesystem::path directory,
                       projection_definition definition)
    : broker_(broker), directory_(std::move(directory)), definition_(std::move(definition)) {
  std::filesystem::create_directories(directory_);
  generation_ = read_generation(directory_ / (definition_.name + ".db"));
  remove_other_files(generation_);
  take_over(std::make_shared<detail::projector>(broker_, file_of(generation_), definition_), generation_);
}

projection::~projection() = default;

std::filesystem::path projection::file_of(std::uint64_t generation) const {
  return directory_ / (definition_.name + "." + std::to_string(generation) + ".db");
}

void projection::take_over(std::shared_ptr<detail::projector> next, std::uint64_t generation) {
  const std::filesystem::path made = directory_ / (definition_.name + ".next");
  std::filesystem::remove(made);
  std::filesystem::create_symlink(file_of(generation).filename(), made);
  std::filesystem::rename(made, directory_ / (definition_.name + ".db"));
  const std::lock_guard lock(mutex_);
  current_ = std::move(next);
  generation_ = generation;
}

// Of earlier generations, and of a rebuild that did not live to take over; SQLite's files beside them, too.
void projection::remove_other_files(std::uint64_t but) const {
  const std::string prefix = definition_.name + ".";
  const std::string kept = file_of(but).filename().string();
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    const std::string name = entry.path().filename().string();
    const bool generation = name.starts_with(prefix) && name.size() > prefix.size() &&
                            name[prefix.size()] >= '0' && name[prefix.size()] <= '9';
    if (generation && !name.starts_with(kept)) std::filesystem::remove(entry.path());
  }
}

std::shared_ptr<detail::projector> projection::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

std::uint64_t projection::run_once(milliseconds patience) {
  const std::uint64_t applied = current()->run_once(patience);
  const std::lock_guard lock(mutex_);
  statistics_.applied += applied;
  return applied;
}

void projection::run() {
  while (!stopping()) {
    try {
      run_once(run_patience);
    } catch (const std::exception& failed) {
      {
        const std::lock_guard lock(mutex_);
        ++statistics_.failures;
        statistics_.last_failure = failed.what();
      }
      std::this_thread::sleep_for(retry_delay);
    }
  }
}

void projection::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
}

bool projection::stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void projection::rebuild() {
  std::uint64_t generation = 0;
  {
    const std::lock_guard lock(mutex_);
    generation = generation_;
  }
  remove_other_files(generation);
  const auto next = std::make_shared<detail::projector>(broker_, file_of(generation + 1), definition_);
  detail::checkpoint goal = next->ends();
  do {
    while (detail::records_between(next->applied(), goal) > 0) {
      if (stopping()) return;
      next->run_once(run_patience);
    }
    goal = current()->applied();
  } while (detail::records_between(next->applied(), goal) > takeover_distance);
  take_over(next, generation + 1);
  const std::lock_guard lock(mutex_);
  ++statistics_.rebuilds;
}

std::uint64_t projection::lag() const {
  const auto live = current();
  return detail::records_between(live->applied(), live->ends());
}

std::filesystem::path projection::read_model_file() const {
  return current()->file();
}

projection_statistics projection::statistics() const {
  const std::lock_guard lock(mutex_);
  return statistics_;
}

}  // namespace skald::eventsourcing
