// Sagas as text and as JSON.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <skald/saga/instance.hpp>
#include <string>
#include <vector>

namespace skald::cli {

struct found_saga {
  std::string orchestrator;
  std::uint64_t version = 0;  // how many transitions it has made
  sagas::instance state;
};

struct timeline_entry {
  timestamp at;
  std::string happened;
};

boost::json::object to_json(const found_saga& of);
boost::json::array to_json(const std::vector<timeline_entry>& timeline);
std::string list_text(const std::vector<found_saga>& all, timestamp now);
std::string show_text(const found_saga& of, const std::vector<timeline_entry>& timeline, timestamp now);

}  // namespace skald::cli
