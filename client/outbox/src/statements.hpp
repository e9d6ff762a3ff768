// What both databases are asked in the same words. Parameters are $1, $2, ... in the order in which they
// appear: SQLite takes these for names, and numbers them so.
#pragma once

#include <chrono>
#include <cstdint>

#include <skald/protocol/types.hpp>

namespace skald::outbox::detail {

inline constexpr const char* insert_row =
    "INSERT INTO skald_outbox (id, topic, key, value, headers, partition, time_ms) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7)";
inline constexpr const char* update_failure = "UPDATE skald_outbox SET failure = $1 WHERE position = $2";
inline constexpr const char* forget_failures =
    "UPDATE skald_outbox SET failure = NULL WHERE failure IS NOT NULL";
inline constexpr const char* select_parked =
    "SELECT position, id, topic, key, failure FROM skald_outbox WHERE failure IS NOT NULL "
    "ORDER BY position LIMIT $1";
inline constexpr const char* select_statistics =
    "SELECT count(*), count(failure), min(time_ms) FROM skald_outbox";
inline constexpr const char* update_answer =
    "UPDATE skald_inbox SET answer = $1 WHERE consumer = $2 AND id = $3";
inline constexpr const char* select_answer = "SELECT answer FROM skald_inbox WHERE consumer = $1 AND id = $2";

inline timestamp time_from(std::int64_t ms) {
  return timestamp(std::chrono::milliseconds(ms));
}

}  // namespace skald::outbox::detail
