// How sagas travel: the topics, and the headers of their records. Programs seldom need it; it is what a
// participant in another language, or a tool, has to know.
//
// An orchestrator NAME has the topic NAME.sagas, with an index of keys: a record is an instance after a
// transition, its key the saga's id, its value the saga's data; all records of a key are its timeline. And
// NAME.sagas.inputs, whose queue `orchestrator` has what moves sagas on: the key is the saga's id, the header
// `skald-saga` says what it is.
//
//   start   skald-saga-definition; the value is the data
//   reply   skald-command-id; skald-reply, the name of its type; skald-failed for an error; the body
//   timer   skald-timer, its number
//   order   the value is retry, skip, compensate or abort
//
// NAME.sagas.definitions, with an index of keys, has the definitions as Mermaid flowcharts, by
// `SAGA@VERSION`.
//
// A participant NAME has the topic NAME.commands, with the queue `participant`: the key is the saga's id, the
// value the command, and the headers are skald-command (its name), skald-command-id, skald-reply-to (a
// topic), and, of the compensation of a command, skald-compensates (the id of that command). Its inbox
// NAME.inbox, with an index of keys, has the answer to each command under REPLY-TO/ID.
//
// correlation-id and causation-id go with every record (see tracing.hpp): what the saga belongs to, by
// default its own id, and the record that caused this one. A command's message-id is its id. All topics of
// one orchestrator and its participants have equally many partitions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <skald/record.hpp>
#include <skald/saga/instance.hpp>
#include <skald/tracing.hpp>

namespace skald::sagas {

std::string sagas_topic(std::string_view orchestrator);
std::string inputs_topic(std::string_view orchestrator);
std::string definitions_topic(std::string_view orchestrator);
std::string definition_key(std::string_view saga, sagas::version version);
std::string commands_topic(std::string_view participant);
std::string inbox_topic(std::string_view participant);

inline constexpr std::string_view orchestrator_queue = "orchestrator";
inline constexpr std::string_view participant_queue = "participant";

namespace headers {
inline constexpr std::string_view kind = "skald-saga";
inline constexpr std::string_view definition = "skald-saga-definition";
inline constexpr std::string_view state = "skald-saga-state";
inline constexpr std::string_view event = "skald-saga-event";
inline constexpr std::string_view command = "skald-command";
inline constexpr std::string_view command_id = "skald-command-id";
inline constexpr std::string_view compensates = "skald-compensates";
inline constexpr std::string_view reply_to = "skald-reply-to";
inline constexpr std::string_view reply = "skald-reply";
inline constexpr std::string_view failed = "skald-failed";
inline constexpr std::string_view timer = "skald-timer";
}  // namespace headers

using tracing::find_header;

// A record of NAME.sagas as what it is. Throws skald::error (invalid_request) for one that is none.
instance instance_of(const record& stored);
// What has happened to the instance with this record, in words.
std::string_view event_of(const record& stored);
// Throws skald::error (invalid_request) unless it has 1 to 80 bytes, and no '/'.
void check_saga_id(std::string_view id);
// The headers of a start, views into the arguments; and its message id, by which there is one for each saga.
// Without a correlation id it belongs to what the unit of work belongs to, or else to itself.
std::vector<header> start_headers(std::string_view saga, std::string_view id, std::string_view correlation,
                                  bool is_traced);
std::string start_message_id(std::string_view id);
// The owner of the timers that an instance waits for.
std::string timer_owner(std::string_view orchestrator, std::string_view saga_id);

}  // namespace skald::sagas
