// How many zeros may be written ahead of use, beside what the journal itself writes. Pure; counts bytes.
//
// A sync waits for the zeros that are being written beside it, whatever their number. So a journal that
// pauses gets large pieces; one that writes a little gets few, just enough for the next segment to be written
// when it is needed; and one that writes much gets none, for they would take the disk from it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace skald::journal {

class fill_pace {
 public:
  static constexpr std::chrono::milliseconds interval{20};
  static constexpr std::uint64_t idle_piece_bytes = 1u << 20;

  // `written`: by the journal so far, with what it is writing, `writing`. What may be written at once, for a
  // journal that has not written since the last look and does not write now: 0 or idle_piece_bytes.
  std::uint64_t at_once(std::uint64_t written, std::uint64_t writing) {
    const bool idle = written == seen_ && writing == 0;
    seen_ = written;
    if (!idle) return 0;
    filled_at_ = written;
    return idle_piece_bytes;
  }

  // The same an interval after at_once() said 0. `is_next`: to the segment that is used next; the one after
  // it has time until the journal pauses. A multiple of 4096.
  std::uint64_t beside(std::uint64_t written, std::uint64_t writing, bool is_next) {
    const std::uint64_t in_interval = written - seen_;
    const bool writes_a_little =
        in_interval > 0 && in_interval <= little_bytes_max && writing <= large_group_bytes;
    if (!is_next || !writes_a_little) return 0;
    const std::uint64_t in_step = (written - filled_at_) / 4 * 5;
    if (in_step < piece_bytes_min) return 0;
    filled_at_ = written;
    return std::min(in_step, piece_bytes_max) / 4096 * 4096;
  }

 private:
  static constexpr std::uint64_t little_bytes_max = 256u << 10;  // in an interval
  static constexpr std::uint64_t large_group_bytes = 64u << 10;
  static constexpr std::uint64_t piece_bytes_min = 64u << 10;
  static constexpr std::uint64_t piece_bytes_max = 512u << 10;

  std::uint64_t seen_ = 0;
  std::uint64_t filled_at_ = 0;  // what was written when the last zeros were
};

}  // namespace skald::journal
