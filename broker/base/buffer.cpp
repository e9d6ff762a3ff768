#include "broker/base/buffer.hpp"

#include <cstring>

namespace skald {

buffer::buffer(std::size_t capacity, release_listener* listener)
    : bytes_(new std::byte[capacity]), capacity_(capacity), listener_(listener) {}

buffer::~buffer() {
  bytes_.reset();  // first: the listener may let someone allocate as much again
  if (listener_ != nullptr) listener_->released(capacity_);
}

std::shared_ptr<buffer> buffer::allocate(std::size_t capacity, release_listener* listener) {
  return std::shared_ptr<buffer>(new buffer(capacity, listener));
}

slice slice::copy_of(std::span<const std::byte> bytes) {
  if (bytes.empty()) return {};
  std::shared_ptr<buffer> own = buffer::allocate(bytes.size());
  std::memcpy(own->data(), bytes.data(), bytes.size());
  const std::span<const std::byte> copied(own->data(), bytes.size());
  return {std::move(own), copied};
}

}  // namespace skald
