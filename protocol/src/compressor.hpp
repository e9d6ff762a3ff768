// Compression of the records of a batch into one frame, with contexts that are reused.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include <skald/protocol/types.hpp>

struct ZSTD_CCtx_s;
struct LZ4F_cctx_s;

namespace skald::protocol {

class compressor {
 public:
  // The room that `run` needs for its output.
  static std::size_t bound(compression codec, std::size_t bytes);

  // Compresses `content` with lz4 or zstd into `out` and returns how many bytes of it were used. Level 0 is
  // the library's default; others are limited to what the codec has. Throws std::bad_alloc only.
  std::size_t run(compression codec, int level, std::span<const std::byte> content, std::span<std::byte> out);

 private:
  struct free_zstd {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  struct free_lz4 {
    void operator()(LZ4F_cctx_s* context) const;
  };

  std::size_t run_zstd(int level, std::span<const std::byte> content, std::span<std::byte> out);
  std::size_t run_lz4(int level, std::span<const std::byte> content, std::span<std::byte> out);

  std::unique_ptr<ZSTD_CCtx_s, free_zstd> zstd_;
  std::unique_ptr<LZ4F_cctx_s, free_lz4> lz4_;
};

}  // namespace skald::protocol
