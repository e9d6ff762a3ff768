// Queues, for `skaldd verify` and `skaldd dump`.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "broker/shard/command.hpp"
#include "broker/shard/dump.hpp"
#include "broker/state/tables.hpp"

namespace skald::shard {

// Checks that every queue has a topic, every known range a queue and a place above its floor and before its
// partition's end, that ranges do not overlap, and that their counts are right. Tells `wrong` where and what;
// returns how many queues there are.
std::uint64_t check_queues(const state::tables& of,
                           const std::function<void(std::string where, std::string what)>& wrong);

// The rows of one of the sections queues, queue_partitions and queue_records.
void dump_queues(const state::tables& of, std::string_view section,
                 const std::function<void(const dump_row&)>& out);

// What a command says, as fields of a row of the section journal.
using dump_fields = std::vector<std::pair<std::string_view, dump_row::value>>;
void describe(dump_fields& to, const create_queue_command& c);
void describe(dump_fields& to, const alter_queue_command& c);
void describe(dump_fields& to, const delete_queue_command& c);
void describe(dump_fields& to, const settle_command& c);
void describe(dump_fields& to, const unpark_queue_command& c);
void describe(dump_fields& to, const purge_queue_command& c);
void describe_settled(dump_fields& to, const std::vector<queue_range>& settled);

}  // namespace skald::shard
