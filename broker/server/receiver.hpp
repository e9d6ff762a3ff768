// Where received bytes go, and the frames in them. No I/O: the connection reads into the space that prepare()
// gives and says how much arrived.
//
// A connection without a partial frame holds no memory. It reads into its reactor's scratch block: what is
// small is copied out into a block of its own size; what is large keeps the scratch block, and the reactor
// takes another. Payloads are therefore used where they arrived, all the way to the journal. A frame that
// does not fit where it began moves once, to a block that holds the whole frame; only above
// `whole_frame_bytes` do blocks grow with what has really arrived, so that nobody reserves memory by
// announcing it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "broker/server/block_pool.hpp"
#include "skald/protocol/frame.hpp"

namespace skald::server {

class receiver {
 public:
  // The block that the connections of a reactor receive into; null until needed.
  using scratch = std::shared_ptr<block>;
  using on_frame = std::function<void(const protocol::frame_view&, const std::shared_ptr<const void>& owner)>;

  // Space for the next bytes; never empty.
  std::span<std::byte> prepare(block_pool& from, scratch& shared);
  // `count` bytes have arrived there. Calls `take` for each whole frame; fails as parse_frame() does, and
  // then must not be used again.
  result<> received(std::size_t count, const protocol::frame_limits& limits, block_pool& from,
                    scratch& shared, const on_frame& take);

  // Whether part of a frame has arrived.
  bool in_frame() const { return block_ != nullptr; }
  // Whether the rest of that frame needs no more memory, as far as its length is known.
  bool has_space_for_frame() const { return frame_end_ <= block_->capacity(); }
  void clear() { block_.reset(); }

 private:
  static constexpr std::size_t small_bytes = 16u << 10;
  static constexpr std::size_t whole_frame_bytes =
      (1u << 20) + (64u << 10);  // a batch of 1 MiB, and around it

  void keep(std::shared_ptr<block> in, std::span<const std::byte> rest, std::size_t missing, bool busy,
            block_pool& from);

  std::shared_ptr<block> block_;  // holds the partial frame
  std::size_t begin_ = 0;         // of the partial frame
  std::size_t end_ = 0;           // of what has arrived
  std::size_t frame_end_ = 0;     // where the frame will end, which may be beyond the block
};

}  // namespace skald::server
