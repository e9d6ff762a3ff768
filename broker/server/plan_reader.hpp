// Turns the places of a read plan into the bytes of whole batches, ready to be sent.
//
// Stored batches keep the bytes they came with; the base offset and the epoch are patched in here. What lies
// in the page cache is read at once, on the calling reactor; everything else goes to background threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <system_error>

#include "broker/base/buffer.hpp"
#include "broker/base/disk.hpp"
#include "broker/server/block_pool.hpp"
#include "broker/server/shard_port.hpp"

namespace skald::server {

// A run of batches of a plan.
struct batch_run {
  std::size_t first = 0;
  std::size_t count = 0;
  std::size_t bytes = 0;
};

// As many batches from `first` as fit `bytes_max`, at least one. There must be one.
batch_run choose_run(const shard::read_plan& plan, std::size_t first, std::size_t bytes_max);

// Where to go on after a run: beyond what has expired, too.
offset after(const shard::read_plan& plan, const batch_run& run);

// Where the bytes of batches come from. Thread-safe.
class batch_source {
 public:
  virtual ~batch_source() = default;
  // Fills `into`, which has exactly the run's bytes, with the batches one after another, as they are stored.
  // With blocking refused: std::errc::operation_would_block unless all is in memory.
  virtual std::error_code read(const shard::read_plan& plan, const batch_run& run, std::span<std::byte> into,
                               file::blocking mode) = 0;
};

// The source that reads journal segments, many batches in one system call.
batch_source& segment_source();

// Where blocking work goes.
class background {
 public:
  virtual ~background() = default;
  // Runs `work` on another thread, then `then` on the reactor this belongs to.
  virtual void run(std::function<void()> work, std::function<void()> then) = 0;
};

class plan_reader {
 public:
  plan_reader(batch_source& from, background& slow, block_pool& memory)
      : from_(from), slow_(slow), memory_(memory) {}

  using done = std::function<void(std::error_code, slice)>;
  // The bytes, if they were in memory or could not be read at all; otherwise nothing, and `later` is called
  // on this reactor when they have been.
  struct outcome {
    std::error_code failed;
    slice bytes;
  };
  std::optional<outcome> read(const shared_plan& plan, const batch_run& run, done later);

  block_pool& memory() { return memory_; }

 private:
  batch_source& from_;
  background& slow_;
  block_pool& memory_;
};

}  // namespace skald::server
