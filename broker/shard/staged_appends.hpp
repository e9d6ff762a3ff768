// What the earlier parts of a commit will have changed once it takes effect. Internal to the state machine.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "broker/shard/state_machine.hpp"

namespace skald::shard {

struct state_machine::staged {
  std::map<state::partition_key, std::uint64_t> bytes;
  std::map<state::text_key, std::uint64_t> records;  // by key
  std::map<state::text_key, bool> message_ids;       // whether it is known by now, where that has changed
  std::set<state::timer_name_key> cancelled;
  std::map<state::timer_name_key, state::text_key> timers;  // set by an append, with its message id

  std::uint64_t bytes_of(const state::partition_key& of) const {
    const auto found = bytes.find(of);
    return found == bytes.end() ? 0 : found->second;
  }
  // Whether the message id of the append is known by now; nothing where the state says.
  std::optional<bool> knows_message(const append_command& c) const {
    if (c.terms == nullptr || c.terms->message_id.empty()) return false;
    const auto found = message_ids.find({c.to, c.terms->message_id});
    return found == message_ids.end() ? std::nullopt : std::optional(found->second);
  }
  // The record of a timer goes, and with it the id that it is known by.
  void forget(const state::partition_key& to, const std::string& message_id) {
    if (!message_id.empty()) message_ids[{to, message_id}] = false;
  }
  void add(const append_command& c) {
    bytes[c.to] += c.batch_bytes;
    if (c.terms == nullptr) return;
    if (!waits(c))
      for (const append_terms::record_key& one : c.terms->keys) ++records[{c.to, one.key}];
    if (!c.terms->message_id.empty()) message_ids[{c.to, c.terms->message_id}] = true;
  }
};

}  // namespace skald::shard
