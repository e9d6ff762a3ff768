// A record_filter with bytes of its own, to be sent on every connection anew.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <skald/options.hpp>
#include "protocol/wire.hpp"

namespace skald::detail {

class subscription_filter {
 public:
  // Throws skald::error (invalid_request) when it has too many headers.
  explicit subscription_filter(const record_filter& filter);

  // 0 when everything matches.
  flatbuffers::Offset<wire::RecordFilter> encode(flatbuffers::FlatBufferBuilder& builder) const;

 private:
  struct header {
    std::string name;
    std::optional<std::string> value;
  };
  std::optional<std::string> key_;
  std::optional<std::string> key_prefix_;
  std::vector<header> headers_;
};

}  // namespace skald::detail
