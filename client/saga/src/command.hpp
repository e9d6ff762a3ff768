// What a participant is asked to do, and how its answer travels.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <skald/protocol/error.hpp>
#include <skald/queue.hpp>
#include <skald/saga/messages.hpp>
#include <skald/saga/participant.hpp>

namespace skald::sagas::detail {

// A command as it came; views into the delivery.
struct command {
  explicit command(const delivery& from)
      : saga(from.key().value_or("")),
        type(find_header(from, headers::command).value_or("")),
        id(find_header(from, headers::command_id).value_or("")),
        reply_to(find_header(from, headers::reply_to).value_or("")),
        cause(tracing::caused_by(from)),
        compensates(find_header(from, headers::compensates).value_or("")),
        body(from.value().value_or("")) {
    if (type.empty() || id.empty() || reply_to.empty())
      throw error(errc::invalid_request, "it is no command of a saga");
  }
  // Where the answer to a command is kept. Its id is its orchestrator's, of which there may be others.
  std::string inbox_key(std::string_view command_id) const {
    return std::string(reply_to) + '/' + std::string(command_id);
  }

  std::string_view saga;
  std::string_view type;
  std::string_view id;
  std::string_view reply_to;
  tracing::lineage cause;
  std::string_view compensates;  // the id of a command; empty: it undoes none
  std::string_view body;
};

// The answer to a command that was undone before it came.
inline answer refusal() {
  return {.is_failed = true, .type = "undone-before-it-came"};
}
inline bool is_refusal(const answer& with) {
  return with.is_failed && with.type == refusal().type;
}

// The headers of an answer, in the inbox and on its way.
inline std::vector<header> headers_of(const command& to, const answer& with) {
  std::vector<header> made{
      {headers::kind, "reply"}, {headers::command_id, to.id}, {headers::reply, with.type}};
  if (with.is_failed) made.push_back({headers::failed, "1"});
  return made;
}

}  // namespace skald::sagas::detail
