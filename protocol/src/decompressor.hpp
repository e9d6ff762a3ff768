// Bounded decompression of the records of a batch, with contexts and output buffer that are reused.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include <skald/protocol/result.hpp>
#include <skald/protocol/types.hpp>

struct ZSTD_DCtx_s;
struct LZ4F_dctx_s;

namespace skald::protocol {

class decompressor {
 public:
  decompressor();
  ~decompressor();

  // The content of `frame`, which must be exactly one lz4 or zstd frame. It is valid until the next call.
  // Fails with corrupt_batch, or with batch_too_large as soon as more than `bytes_max` come out.
  result<std::span<const std::byte>> run(compression codec, std::span<const std::byte> frame,
                                         std::size_t bytes_max);

  // Frees the output buffer and the contexts if they have grown.
  void trim();

 private:
  // Where output goes: at most bytes_max + 1 bytes, so that one byte too many is seen to be too many.
  class output {
   public:
    void start(std::size_t bytes_expected, std::size_t bytes_max);
    // Makes room if there is none. False when the limit has been exceeded.
    bool make_room();
    std::byte* at() const { return bytes_.get() + used_; }
    std::size_t room() const { return capacity_ - used_; }
    void advance(std::size_t bytes) { used_ += bytes; }
    bool exceeds_limit() const { return used_ > bytes_max_; }
    std::span<const std::byte> content() const { return {bytes_.get(), used_}; }
    void trim();

   private:
    void grow(std::size_t capacity);

    std::unique_ptr<std::byte[]> bytes_;
    std::size_t allocated_ = 0;  // of bytes_
    std::size_t capacity_ = 0;   // how much of it this frame may use
    std::size_t used_ = 0;
    std::size_t bytes_max_ = 0;
  };
  struct free_zstd {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  struct free_lz4 {
    void operator()(LZ4F_dctx_s* context) const;
  };

  result<> run_zstd(std::span<const std::byte> frame, std::size_t bytes_max);
  result<> run_lz4(std::span<const std::byte> frame, std::size_t bytes_max);

  std::unique_ptr<ZSTD_DCtx_s, free_zstd> zstd_;
  std::unique_ptr<LZ4F_dctx_s, free_lz4> lz4_;
  output output_;
};

}  // namespace skald::protocol
