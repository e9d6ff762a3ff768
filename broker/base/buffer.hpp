// Bytes that several owners share: a network read becomes part of a journal write without being copied.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

namespace skald {

// Storage of a fixed capacity, allocated once and freed when the last slice of it goes. The releaser, if any,
// is told the capacity then, from whichever thread that happens on; memory budgets hang on it.
class buffer {
 public:
  class release_listener {
   public:
    virtual void released(std::size_t bytes) noexcept = 0;

   protected:
    ~release_listener() = default;
  };

  static std::shared_ptr<buffer> allocate(std::size_t capacity, release_listener* listener = nullptr);
  ~buffer();
  buffer(const buffer&) = delete;
  buffer& operator=(const buffer&) = delete;

  std::byte* data() { return bytes_.get(); }
  std::size_t capacity() const { return capacity_; }

 private:
  buffer(std::size_t capacity, release_listener* listener);
  std::unique_ptr<std::byte[]> bytes_;  // deliberately uninitialised
  std::size_t capacity_;
  release_listener* listener_;
};

// A range of bytes and a share in what keeps them alive.
class slice {
 public:
  slice() = default;
  slice(std::shared_ptr<const void> owner, std::span<const std::byte> bytes)
      : owner_(std::move(owner)), bytes_(bytes) {}
  // A slice with a copy of its own.
  static slice copy_of(std::span<const std::byte> bytes);

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::byte* data() const { return bytes_.data(); }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  slice sub(std::size_t from, std::size_t count) const { return {owner_, bytes_.subspan(from, count)}; }
  const std::shared_ptr<const void>& owner() const { return owner_; }

 private:
  std::shared_ptr<const void> owner_;
  std::span<const std::byte> bytes_;
};

}  // namespace skald
