// What `skald queue` and `skald dead` have in common: records that a queue holds, and how they are shown.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <skald/queue.hpp>

#include "tools/cli/command.hpp"

namespace skald::cli {

struct queue_target {
  std::string topic;
  std::string queue;
};

// Runs `work`, and lets its errors say which queue they are about.
template <class Work>
auto about_queue(const queue_target& target, Work work) {
  try {
    return work();
  } catch (const error& failed) {
    std::string message = failed.message();
    if (message.find("'" + target.queue + "'") == std::string::npos)
      message = "queue '" + target.queue + "' of topic '" + target.topic + "': " + message;
    if (failed.code() == errc::unknown_queue)
      message += "; create it with: skald queue create " + target.topic + " " + target.queue;
    throw error(static_cast<errc>(failed.code().value()), message);
  }
}

// Calls `visit` with each record that is not settled, partition by partition, until it returns false. The
// bytes of a record are its own.
void for_each_unsettled(blocking_client& broker, const queue_target& target,
                        const std::function<bool(const peeked_record&)>& visit);

// The queue of a dead-letter topic in which letters that were dealt with are settled.
inline constexpr std::string_view dead_queue = "dead";

// Likewise with the dead letters of the queue that have not been dealt with; other queues may share the
// topic.
void for_each_dead(blocking_client& broker, const queue_target& target,
                   const std::function<bool(const peeked_record&)>& visit);

// The record as an object, as `skald sub --format json` writes it, with what the queue knows of it.
std::string to_json_line(const std::string& topic, const peeked_record& shown);
// A key or value for a table.
std::string cell(const std::optional<std::string_view>& bytes);
// The value of a header; empty when there is none.
std::string header_of(const record& of, std::string_view name);

// Asks whether to go on when standard input is a terminal; with `yes` it need not. Elsewhere the command
// fails without it.
void confirm(bool yes, const std::string& question);

// Says how many records it was about.
exit_code changed(const global_options& globals, const queue_target& target, std::string_view verb,
                  std::uint64_t records, bool dry_run = false);

}  // namespace skald::cli
