// A message that keeps its bytes: for records that have to wait for room or for a topic's description.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <skald/record.hpp>

namespace skald::detail {

class owned_message {
 public:
  explicit owned_message(const message& what)
      : key_(what.key), value_(what.value), partition_(what.partition), time_(what.time) {
    headers_.reserve(what.headers.size());
    for (const header& one : what.headers) headers_.push_back({std::string(one.key), owned(one.value)});
    for (const auto& one : headers_) views_.push_back({one.key, one.value});
  }
  owned_message(const owned_message&) = delete;
  owned_message& operator=(const owned_message&) = delete;
  // Moving keeps the views right: the elements of headers_ stay where they are.
  owned_message(owned_message&&) noexcept = default;
  owned_message& operator=(owned_message&&) noexcept = default;

  message view() const {
    return {.key = key_, .value = value_, .headers = views_, .partition = partition_, .time = time_};
  }

 private:
  struct owned_header {
    std::string key;
    std::optional<std::string> value;
  };
  static std::optional<std::string> owned(std::optional<std::string_view> text) {
    return text ? std::optional<std::string>(*text) : std::nullopt;
  }

  std::optional<std::string> key_;
  std::optional<std::string> value_;
  std::vector<owned_header> headers_;
  std::vector<header> views_;
  std::optional<partition_id> partition_;
  std::optional<timestamp> time_;
};

}  // namespace skald::detail
