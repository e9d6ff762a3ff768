#include <algorithm>
#include <vector>

#include "broker/server/handlers/handlers.hpp"
#include "broker/server/session.hpp"

namespace skald::server::handlers {

namespace {

constexpr std::size_t timers_per_answer = 1000;

}  // namespace

void list_timers(session& of, std::uint64_t id, const wire::ListTimers& message) {
  const std::size_t asked = message.limit();
  timer_page page{.owner_prefix = std::string(protocol::text(message.owner_prefix())),
                  .after_owner = std::string(protocol::text(message.after_owner())),
                  .after_name = std::string(protocol::text(message.after_name())),
                  .limit = asked == 0 ? timers_per_answer : std::min(asked, timers_per_answer)};
  of.host().shard.list_timers(
      std::move(page), [request = of.open(id)](const std::vector<shard::timer_info>& found, bool more) {
        request.answer([&](flatbuffers::FlatBufferBuilder& to) {
          std::vector<flatbuffers::Offset<wire::TimerInfo>> timers;
          timers.reserve(found.size());
          for (const shard::timer_info& one : found) {
            const auto owner = to.CreateString(one.owner);
            const auto name = to.CreateString(one.name);
            const auto topic = to.CreateString(one.topic);
            timers.push_back(wire::CreateTimerInfo(to, owner, name, one.due.time_since_epoch().count(), topic,
                                                   one.partition.value(), one.bytes));
          }
          return wire::CreateListTimersOk(to, to.CreateVector(timers), more);
        });
      });
}

}  // namespace skald::server::handlers
