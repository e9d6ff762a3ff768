// What the earlier appends of a commit will have changed once it takes effect. Internal to the state machine.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "broker/shard/state_machine.hpp"

namespace skald::shard {

struct state_machine::staged {
  std::map<state::partition_key, std::uint64_t> bytes;
  std::map<state::text_key, std::uint64_t> records;  // by key
  std::set<state::text_key> message_ids;

  std::uint64_t bytes_of(const state::partition_key& of) const {
    const auto found = bytes.find(of);
    return found == bytes.end() ? 0 : found->second;
  }
  void add(const append_command& c) {
    bytes[c.to] += c.batch_bytes;
    if (c.terms == nullptr) return;
    if (!waits(c))
      for (const append_terms::record_key& one : c.terms->keys) ++records[{c.to, one.key}];
    if (!c.terms->message_id.empty()) message_ids.insert({c.to, c.terms->message_id});
  }
};

}  // namespace skald::shard
