// How far a long command is, on one line of a terminal's standard error.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace skald::cli {

class progress {
 public:
  using clock = std::chrono::steady_clock;

  // Shows nothing unless `enabled`; see wanted(). `noun` is one of what is counted.
  progress(bool enabled, std::string_view verb, std::string_view noun = "record")
      : enabled_(enabled), verb_(verb), noun_(noun), started_(clock::now()) {}
  ~progress() { clear(); }
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;

  // Whether a person is watching: standard error is a terminal, and, for commands that write records,
  // standard output is not the same place.
  static bool wanted(bool quiet, bool writes_records);

  // Redraws the line when the last time is long enough ago; cheap enough for every thousand records.
  void update(std::uint64_t records, std::uint64_t bytes);
  // Removes the line, so that something else can be written.
  void clear();

  std::chrono::duration<double> elapsed() const { return clock::now() - started_; }

 private:
  bool enabled_;
  std::string verb_;
  std::string noun_;
  clock::time_point started_;
  clock::time_point drawn_{};
  std::uint64_t drawn_records_ = 0;
  bool visible_ = false;
};

// "published 1,234 records, 1.2 MiB, 56,789 records/s". What else is counted may have no bytes.
std::string describe_progress(std::string_view verb, std::uint64_t records, std::uint64_t bytes,
                              double records_per_second, std::string_view noun = "record");

}  // namespace skald::cli
