// Which records a subscription is for. All that is given must hold; a filter without anything lets all
// through.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "protocol/wire.hpp"
#include "skald/protocol/record_batch.hpp"

namespace skald::server {

struct record_filter {
  struct header {
    std::string name;
    std::optional<std::string> value;  // absent: a header without one
  };

  std::optional<std::string> key = {};  // "" is a key
  std::optional<std::string> key_prefix = {};
  std::vector<header> headers = {};  // of each, the record has one with that name and value

  bool operator()(const protocol::record_view& record) const;
};

// Null when there is no filter, or nothing in it.
std::optional<record_filter> read_filter(const wire::RecordFilter* filter);

}  // namespace skald::server
