#include <algorithm>
#include <optional>
#include <utility>

#include "broker/server/group_port.hpp"
#include "broker/server/handlers/handlers.hpp"
#include "broker/server/session.hpp"
#include "skald/protocol/topic_name.hpp"

namespace skald::server::handlers {

namespace {

using builder = flatbuffers::FlatBufferBuilder;

// Answers fit the header of a frame, with names as long as they may be.
constexpr std::uint32_t groups_per_page = 500;
constexpr std::uint32_t members_per_page = 1000;
constexpr std::uint32_t partitions_per_page = 1000;

group_port::done answer_ok(pending_request request) {
  return [request = std::move(request)](const shard::failure& why) {
    if (why) return request.fail(why.code, why.message);
    request.answer([](builder& to) { return wire::CreateOk(to); });
  };
}

// Whether the request may go on; otherwise it has been answered.
bool check_group(session& of, std::uint64_t id, std::string_view name) {
  const result<> checked = protocol::check_group_name(name);
  if (!checked) of.send_error(id, checked.error().code, checked.error().message);
  return checked.has_value();
}

auto write_members(builder& to, const std::vector<delivery::member_info>& members) {
  std::vector<flatbuffers::Offset<wire::GroupMember>> list;
  list.reserve(members.size());
  for (const delivery::member_info& one : members) {
    const auto instance = to.CreateString(one.instance);
    const auto subscription = to.CreateString(one.subscription);
    list.push_back(wire::CreateGroupMember(to, one.is.member.value(), one.is.epoch.value(), instance,
                                           subscription, one.connected,
                                           static_cast<std::uint32_t>(one.partitions)));
  }
  return to.CreateVector(list);
}

auto write_partitions(builder& to, const std::vector<group_partition>& partitions) {
  std::vector<flatbuffers::Offset<wire::GroupPosition>> list;
  list.reserve(partitions.size());
  for (const group_partition& one : partitions) {
    const std::int64_t position = one.position ? static_cast<std::int64_t>(one.position->value()) : -1;
    list.push_back(wire::CreateGroupPosition(to, one.of.topic.value(), one.of.partition.value(), position,
                                             one.committed.time_since_epoch().count(), one.log_start.value(),
                                             one.end.value(), one.member.value()));
  }
  return to.CreateVector(list);
}

}  // namespace

void commit_offsets(session& of, std::uint64_t id, const wire::CommitOffsets& message) {
  const std::string_view group = protocol::text(message.group());
  if (!check_group(of, id, group)) return;
  std::vector<shard::shard::position> positions;
  positions.reserve(message.offsets()->size());
  for (const wire::PartitionOffset* const one : *message.offsets()) {
    positions.push_back(
        {{topic_id(one->topic_id()), partition_id(one->partition())}, offset(one->offset()), {}});
  }
  of.host().shard.groups().commit(
      std::string(group), {delivery::member_id(message.member()), delivery::member_epoch(message.epoch())},
      std::move(positions), answer_ok(of.open(id)));
}

void list_groups(session& of, std::uint64_t id, const wire::ListGroups& message) {
  const std::uint32_t limit =
      message.limit() == 0 ? groups_per_page : std::min(message.limit(), groups_per_page);
  of.host().shard.groups().list(
      std::string(protocol::text(message.after())), limit,
      [request = of.open(id)](const std::vector<group_summary>& groups, bool more) {
        request.answer([&](builder& to) {
          std::vector<flatbuffers::Offset<wire::GroupSummary>> list;
          list.reserve(groups.size());
          for (const group_summary& one : groups) {
            const auto name = to.CreateString(one.name);
            list.push_back(wire::CreateGroupSummary(to, name, static_cast<std::uint32_t>(one.members),
                                                    static_cast<std::uint32_t>(one.partitions), one.lag));
          }
          return wire::CreateListGroupsOk(to, to.CreateVector(list), more);
        });
      });
}

void describe_group(session& of, std::uint64_t id, const wire::DescribeGroup& message) {
  const std::string_view group = protocol::text(message.group());
  if (!check_group(of, id, group)) return;
  group_query what{.group = std::string(group),
                   .after_member = delivery::member_id(message.after_member()),
                   .members_max = std::min(message.members_max(), members_per_page),
                   .after = {},
                   .partitions_max = std::min(message.partitions_max(), partitions_per_page)};
  if (const wire::TopicPartition* const after = message.after()) {
    what.after = partition_ref{topic_id(after->topic_id()), partition_id(after->partition())};
  }
  of.host().shard.groups().describe(std::move(what), [request = of.open(id)](const group_description& is) {
    if (is.why) return request.fail(is.why.code, is.why.message);
    request.answer([&](builder& to) {
      const auto members = write_members(to, is.members);
      std::vector<flatbuffers::Offset<wire::TopicName>> names;
      names.reserve(is.topics.size());
      for (const auto& topic : is.topics) {
        const auto name = to.CreateString(topic.name);
        names.push_back(wire::CreateTopicName(to, topic.id.value(), name));
      }
      const auto topics = to.CreateVector(names);
      const auto partitions = write_partitions(to, is.partitions);
      return wire::CreateDescribeGroupOk(to, members, is.more_members, topics, partitions,
                                         is.more_partitions);
    });
  });
}

void delete_group(session& of, std::uint64_t id, const wire::DeleteGroup& message) {
  const std::string_view group = protocol::text(message.group());
  if (check_group(of, id, group)) {
    of.host().shard.groups().remove(std::string(group), answer_ok(of.open(id)));
  }
}

}  // namespace skald::server::handlers
