// The records of a trace in words, as text and as JSON.
#pragma once

#include <boost/json/array.hpp>
#include <skald/record.hpp>
#include <string>
#include <vector>

#include "tools/cli/trace_tree.hpp"

namespace skald::cli {

// What a record is, as far as the library's own headers and topics tell.
struct record_role {
  std::string kind;     // event, command, reply, answer, start, timer, order, transition, request, record
  std::string name;     // the event's or command's type; what happened to a saga
  std::string service;  // whose topic it is in; empty: unknown
};
record_role role_of(const record& one);

std::string trace_text(const std::vector<record>& records, const std::vector<tree_line>& lines);
boost::json::array trace_json(const std::vector<record>& records, const std::vector<tree_line>& lines);

}  // namespace skald::cli
