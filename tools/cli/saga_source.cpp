#include "tools/cli/saga_source.hpp"

#include <algorithm>
#include <map>
#include <skald/saga/messages.hpp>
#include <utility>

#include "tools/cli/command.hpp"

namespace skald::cli {

std::vector<std::string> list_orchestrators(blocking_client& broker) {
  constexpr std::string_view suffix = ".sagas";
  std::vector<std::string> names;
  for (const topic_info& one : broker.list_topics())
    if (one.settings.index == topic_index::key && one.name.ends_with(suffix))
      names.push_back(one.name.substr(0, one.name.size() - suffix.size()));
  return names;
}

std::optional<found_saga> find_saga(blocking_client& broker, const std::string& orchestrator,
                                    const std::string& id) {
  const std::string topic = sagas::sagas_topic(orchestrator);
  try {
    const key_records found = broker.read_key(topic, id, {.latest = true});
    for (const record& one : found.records)
      return found_saga{orchestrator, found.version, sagas::instance_of(one)};
  } catch (const error& why) {
    if (why.code() != errc::unknown_key) throw about(topic, why);
  }
  return std::nullopt;
}

void for_each_saga(blocking_client& broker, const std::string& orchestrator,
                   const std::function<void(found_saga)>& visit) {
  const std::string topic = sagas::sagas_topic(orchestrator);
  // Where the newest record of each is, and which version that is. They lie close together, so that reading
  // all that lies between is faster than asking for them one by one.
  std::map<partition_id, std::map<offset, std::uint64_t>> wanted;
  for (const key_info& key : about_topic(topic, [&] { return broker.list_keys(topic); }))
    wanted[key.partition][key.latest] = key.version;
  for (auto& [partition, newest] : wanted)
    while (!newest.empty()) {
      const offset from = newest.begin()->first;
      const records some = about_topic(topic, [&] { return broker.fetch(topic, partition, from); });
      for (const record& one : some)
        if (const auto found = newest.extract(one.offset()))
          visit({orchestrator, found.mapped(), sagas::instance_of(one)});
      newest.erase(newest.begin(), newest.lower_bound(std::max(some.end_offset(), from + 1)));
    }
}

}  // namespace skald::cli
