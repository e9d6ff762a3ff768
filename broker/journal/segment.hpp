// A segment: one open file of the journal in one use, and the names that segments have in a directory.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "broker/base/disk.hpp"
#include "broker/journal/journal.hpp"

namespace skald::journal {

// "00000000000000a7.segment", in use; "spare-00000000000000a7.segment", to be recycled. The number of a spare
// is that of its last use, or of the one it is made for.
std::string segment_name(generation id);
std::string spare_name(generation id);
struct parsed_name {
  generation id;
  bool spare = false;
};
std::optional<parsed_name> parse_name(std::string_view name);

// Takes the file of a released segment once nobody reads it any more. Called on any thread.
class segment_home {
 public:
  virtual ~segment_home() = default;
  virtual void take_back(generation id, std::unique_ptr<file> content) noexcept = 0;
};

// Shared by all who may read it; `segment_pin` is a share. Nothing about it changes but by the calls named
// for it.
class segment {
 public:
  // `written`: all of its blocks have been written before, so there is nothing to zero.
  segment(generation id, std::unique_ptr<file> content, std::uint64_t bytes, bool written,
          std::weak_ptr<segment_home> home);
  ~segment();
  segment(const segment&) = delete;
  segment& operator=(const segment&) = delete;

  generation id() const { return id_; }
  file& content() const { return *content_; }
  std::uint64_t bytes() const { return bytes_; }

  // Nothing in it is needed: its file goes home with the last share.
  void release() { released_.store(true); }

  // Zeros are written ahead of use, in the background, piece by piece, until somebody wants to write.
  // `begin_use` waits for the piece being written and is called before the first write; nothing is zeroed
  // afterwards. After an error no more zeros are written.
  void begin_use();
  std::error_code fill(std::uint64_t bytes);
  // Whether there is nothing left to zero.
  bool written() const { return written_.load(); }

 private:
  generation id_;
  std::unique_ptr<file> content_;
  std::uint64_t bytes_;
  std::weak_ptr<segment_home> home_;
  std::atomic<bool> released_{false};
  std::atomic<bool> written_;

  // Guards what follows and is held while zeros are written. No other lock is taken under it.
  std::mutex filling_;
  std::uint64_t filled_;
};

}  // namespace skald::journal
