// Topics in memory that take rows as a broker does: all of a unit of work or none, each message id once.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <skald/outbox/relay.hpp>
#include <string>
#include <utility>
#include <vector>

namespace skald::tests {

class memory_topics {
 public:
  std::uint64_t publish(std::span<const outbox::row> rows) {
    ++calls;
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (refused_topics.contains(rows[i].topic)) throw outbox::row_refused(i, "no such topic");
    if (rows.size() > rows_max) throw outbox::batch_refused("too many at once");
    std::uint64_t duplicates = 0;
    for (const outbox::row& each : rows) {
      if (!known_.insert(each.id).second)
        ++duplicates;
      else
        values[each.key.value_or("")].push_back(each.value.value_or("(none)"));
    }
    return duplicates;
  }
  outbox::publisher publisher() {
    return [this](std::span<const outbox::row> rows) { return publish(rows); };
  }
  std::size_t size() const {
    std::size_t result = 0;
    for (const auto& [key, of] : values) result += of.size();
    return result;
  }

  std::map<std::string, std::vector<std::string>> values;  // by key, in order
  std::set<std::string> refused_topics;
  std::size_t rows_max = 1'000'000;
  int calls = 0;

 private:
  std::set<std::string> known_;
};

}  // namespace skald::tests
