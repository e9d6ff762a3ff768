#include "protocol/src/decompressor.hpp"

#include <lz4frame.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <new>
#include <string>

namespace skald::protocol {
namespace {

constexpr std::size_t buffer_bytes_min = 16 * 1024;
constexpr std::size_t buffer_bytes_kept = 256 * 1024;

failure too_large(std::size_t bytes_max) {
  return {errc::batch_too_large,
          "the batch's records, uncompressed, are over the limit of " + std::to_string(bytes_max) + " bytes"};
}

failure undecodable(const std::string& what) {
  return {errc::corrupt_batch, "the batch's records do not uncompress: " + what};
}

}  // namespace

decompressor::decompressor() = default;
decompressor::~decompressor() = default;
void decompressor::free_zstd::operator()(ZSTD_DCtx_s* context) const {
  ZSTD_freeDCtx(context);
}
void decompressor::free_lz4::operator()(LZ4F_dctx_s* context) const {
  LZ4F_freeDecompressionContext(context);
}

void decompressor::output::start(std::size_t bytes_expected, std::size_t bytes_max) {
  used_ = 0;
  bytes_max_ = bytes_max = std::min(bytes_max, std::numeric_limits<std::size_t>::max() / 4);
  const std::size_t wanted = std::max(bytes_expected, buffer_bytes_min);
  capacity_ = std::min(bytes_max + 1, std::max(wanted, allocated_));
  if (capacity_ > allocated_) grow(capacity_);
}

bool decompressor::output::make_room() {
  if (room() > 0) return true;
  if (exceeds_limit()) return false;
  grow(std::min(bytes_max_ + 1, capacity_ * 2));
  return true;
}

void decompressor::output::grow(std::size_t capacity) {
  if (capacity > allocated_) {
    auto larger = std::make_unique_for_overwrite<std::byte[]>(capacity);
    if (used_ > 0) std::memcpy(larger.get(), bytes_.get(), used_);
    bytes_ = std::move(larger);
    allocated_ = capacity;
  }
  capacity_ = capacity;
}

void decompressor::output::trim() {
  if (allocated_ <= buffer_bytes_kept) return;
  bytes_.reset();
  allocated_ = capacity_ = used_ = 0;
}

void decompressor::trim() {
  output_.trim();
  if (zstd_ && ZSTD_sizeof_DCtx(zstd_.get()) > buffer_bytes_kept) zstd_.reset();
  lz4_.reset();
}

result<std::span<const std::byte>> decompressor::run(compression codec, std::span<const std::byte> frame,
                                                     std::size_t bytes_max) {
  const auto ran = codec == compression::zstd ? run_zstd(frame, bytes_max) : run_lz4(frame, bytes_max);
  if (!ran) return ran.error();
  return output_.content();
}

result<> decompressor::run_zstd(std::span<const std::byte> frame, std::size_t bytes_max) {
  if (!zstd_) zstd_.reset(ZSTD_createDCtx());
  if (!zstd_) throw std::bad_alloc();
  ZSTD_DCtx_reset(zstd_.get(), ZSTD_reset_session_only);
  // The window is memory too. Without this a frame of a few bytes could demand 128 MiB.
  const int window_log = std::clamp(static_cast<int>(std::bit_width(bytes_max)), 10, 27);
  ZSTD_DCtx_setParameter(zstd_.get(), ZSTD_d_windowLogMax, window_log);

  const auto stated = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (stated == ZSTD_CONTENTSIZE_ERROR) return undecodable("not a zstd frame");
  if (stated == ZSTD_CONTENTSIZE_UNKNOWN) {
    output_.start(frame.size() * 4, bytes_max);
  } else if (stated > bytes_max) {
    return too_large(bytes_max);
  } else {
    output_.start(static_cast<std::size_t>(stated), bytes_max);
  }

  ZSTD_inBuffer in{frame.data(), frame.size(), 0};
  for (;;) {
    if (!output_.make_room()) return too_large(bytes_max);
    ZSTD_outBuffer out{output_.at(), output_.room(), 0};
    const std::size_t status = ZSTD_decompressStream(zstd_.get(), &out, &in);
    output_.advance(out.pos);
    if (ZSTD_isError(status)) {
      if (ZSTD_getErrorCode(status) == ZSTD_error_frameParameter_windowTooLarge) return too_large(bytes_max);
      return undecodable(ZSTD_getErrorName(status));
    }
    if (status == 0) break;
    if (in.pos == in.size && output_.room() > 0) return undecodable("the zstd frame is cut off");
  }
  if (output_.exceeds_limit()) return too_large(bytes_max);
  if (in.pos != in.size) return undecodable("there are bytes after the zstd frame");
  return {};
}

result<> decompressor::run_lz4(std::span<const std::byte> frame, std::size_t bytes_max) {
  if (!lz4_) {
    LZ4F_dctx* created = nullptr;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&created, LZ4F_VERSION))) throw std::bad_alloc();
    lz4_.reset(created);
  }
  LZ4F_resetDecompressionContext(lz4_.get());

  LZ4F_frameInfo_t info{};
  std::size_t consumed = frame.size();
  if (const auto status = LZ4F_getFrameInfo(lz4_.get(), &info, frame.data(), &consumed); LZ4F_isError(status))
    return undecodable(LZ4F_getErrorName(status));
  if (info.frameType != LZ4F_frame) return undecodable("not an lz4 frame");
  if (info.contentSize > bytes_max) return too_large(bytes_max);
  output_.start(info.contentSize != 0 ? static_cast<std::size_t>(info.contentSize) : frame.size() * 4,
                bytes_max);

  for (;;) {
    if (!output_.make_room()) return too_large(bytes_max);
    frame = frame.subspan(consumed);
    consumed = frame.size();
    std::size_t produced = output_.room();
    const std::size_t status =
        LZ4F_decompress(lz4_.get(), output_.at(), &produced, frame.data(), &consumed, nullptr);
    if (LZ4F_isError(status)) return undecodable(LZ4F_getErrorName(status));
    output_.advance(produced);
    if (status == 0) break;
    if (consumed == frame.size() && output_.room() > 0) return undecodable("the lz4 frame is cut off");
  }
  if (output_.exceeds_limit()) return too_large(bytes_max);
  if (consumed != frame.size()) return undecodable("there are bytes after the lz4 frame");
  return {};
}

}  // namespace skald::protocol
