#include "protocol/src/compressor.hpp"

#include <lz4frame.h>
#include <zstd.h>

#include <algorithm>
#include <new>

namespace skald::protocol {
namespace {

LZ4F_preferences_t lz4_preferences(int level, std::size_t content_bytes) {
  LZ4F_preferences_t preferences = LZ4F_INIT_PREFERENCES;
  // Kafka's Java reader refuses linked blocks.
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  preferences.frameInfo.blockSizeID = LZ4F_max64KB;
  preferences.frameInfo.contentSize = content_bytes;
  preferences.compressionLevel = std::min(level, LZ4F_compressionLevel_max());
  return preferences;
}

// Output has room for the worst case and the input is in memory: what is left to fail is allocation.
std::size_t succeeded(std::size_t status, bool failed) {
  if (failed) throw std::bad_alloc();
  return status;
}

}  // namespace

void compressor::free_zstd::operator()(ZSTD_CCtx_s* context) const {
  ZSTD_freeCCtx(context);
}
void compressor::free_lz4::operator()(LZ4F_cctx_s* context) const {
  LZ4F_freeCompressionContext(context);
}

std::size_t compressor::bound(compression codec, std::size_t bytes) {
  if (codec == compression::zstd) return ZSTD_compressBound(bytes);
  const auto preferences = lz4_preferences(0, bytes);
  return LZ4F_HEADER_SIZE_MAX + LZ4F_compressBound(bytes, &preferences);
}

std::size_t compressor::run(compression codec, int level, std::span<const std::byte> content,
                            std::span<std::byte> out) {
  return codec == compression::zstd ? run_zstd(level, content, out) : run_lz4(level, content, out);
}

std::size_t compressor::run_zstd(int level, std::span<const std::byte> content, std::span<std::byte> out) {
  if (!zstd_) zstd_.reset(ZSTD_createCCtx());
  if (!zstd_) throw std::bad_alloc();
  level = std::clamp(level, ZSTD_minCLevel(), ZSTD_maxCLevel());
  ZSTD_CCtx_setParameter(zstd_.get(), ZSTD_c_compressionLevel, level);
  const auto used = ZSTD_compress2(zstd_.get(), out.data(), out.size(), content.data(), content.size());
  return succeeded(used, ZSTD_isError(used) != 0);
}

std::size_t compressor::run_lz4(int level, std::span<const std::byte> content, std::span<std::byte> out) {
  if (!lz4_) {
    LZ4F_cctx* created = nullptr;
    if (LZ4F_isError(LZ4F_createCompressionContext(&created, LZ4F_VERSION))) throw std::bad_alloc();
    lz4_.reset(created);
  }
  const auto preferences = lz4_preferences(level, content.size());
  std::size_t used = 0;
  const auto add = [&](std::size_t status) { used += succeeded(status, LZ4F_isError(status) != 0); };
  add(LZ4F_compressBegin(lz4_.get(), out.data(), out.size(), &preferences));
  add(LZ4F_compressUpdate(lz4_.get(), out.data() + used, out.size() - used, content.data(), content.size(),
                          nullptr));
  add(LZ4F_compressEnd(lz4_.get(), out.data() + used, out.size() - used, nullptr));
  return used;
}

}  // namespace skald::protocol
