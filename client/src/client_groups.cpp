// The client's operations on consumer groups.
#include <map>
#include <skald/client.hpp>
#include <utility>

#include "client/src/connection.hpp"
#include "client/src/requests.hpp"

namespace skald {

using detail::expect_ok;
using detail::incoming_frame;
using detail::make_call;
using detail::make_paged_call;
using detail::on_loss;
using flatbuffers::FlatBufferBuilder;

namespace {

std::string about_group(const char* doing, std::string_view group) {
  return std::string(doing) + " group \"" + std::string(group) + "\"";
}

timestamp time_at(std::int64_t ms) {
  return timestamp(std::chrono::milliseconds(ms));
}

void decode(const wire::DescribeGroupOk& ok, group_info& into) {
  for (const auto* one : protocol::each(ok.members()))
    into.members.push_back({one->member(), one->epoch(), std::string(protocol::text(one->instance())),
                            std::string(protocol::text(one->subscription())), one->connected(),
                            one->partitions()});
  std::map<std::uint32_t, std::string> names;
  for (const auto* topic : protocol::each(ok.topics()))
    names.emplace(topic->topic_id(), topic->name()->str());
  for (const auto* one : protocol::each(ok.partitions())) {
    group_partition& partition = into.partitions.emplace_back();
    partition.topic = names[one->topic_id()];
    partition.topic_is = topic_id(one->topic_id());
    partition.partition = partition_id(one->partition());
    if (one->position() >= 0) partition.position = offset(static_cast<std::uint64_t>(one->position()));
    partition.committed = time_at(one->committed_ms());
    partition.log_start = offset(one->log_start());
    partition.end = offset(one->end());
    partition.member = one->member();
  }
}

}  // namespace

detail::operation<std::vector<group_summary>> client::prepare_list_groups(call_options options) {
  using groups = std::vector<group_summary>;
  return make_paged_call<groups>(
      connection_, "listing groups", options.timeout,
      [](detail::session& session, std::uint64_t id, const groups& before) {
        return session.encode(id, [&](FlatBufferBuilder& builder) {
          const std::string_view after = before.empty() ? std::string_view() : before.back().name;
          return wire::CreateListGroups(builder, builder.CreateString(after));
        });
      },
      [](const incoming_frame& answer, groups& into) -> result<bool> {
        const auto* ok = answer.header->body_as_ListGroupsOk();
        if (ok == nullptr) return detail::unexpected_answer("expected ListGroupsOk");
        for (const auto* one : protocol::each(ok->groups()))
          into.push_back({one->name()->str(), one->members(), one->partitions(), one->lag()});
        return ok->more() && !protocol::each(ok->groups()).empty();
      });
}

detail::operation<group_info> client::prepare_describe_group(std::string_view name, call_options options) {
  constexpr std::uint32_t page = 1'000;
  // Which of the two lists have more: asked for together, each to its own end.
  struct rest {
    bool members = true;
    bool partitions = true;
  };
  const auto left = std::make_shared<rest>();
  return make_paged_call<group_info>(
      connection_, about_group("describing", name), options.timeout,
      [left, name = std::string(name)](detail::session& session, std::uint64_t id, const group_info& before) {
        return session.encode(id, [&](FlatBufferBuilder& builder) {
          const auto text = builder.CreateString(name);
          const std::uint64_t member = before.members.empty() ? 0 : before.members.back().id;
          wire::TopicPartition after;
          if (!before.partitions.empty()) {
            after = wire::TopicPartition(before.partitions.back().topic_is.value(),
                                         before.partitions.back().partition.value());
          }
          return wire::CreateDescribeGroup(builder, text, member, left->members ? page : 0,
                                           before.partitions.empty() ? nullptr : &after,
                                           left->partitions ? page : 0);
        });
      },
      [left, name = std::string(name)](const incoming_frame& answer, group_info& into) -> result<bool> {
        const auto* ok = answer.header->body_as_DescribeGroupOk();
        if (ok == nullptr) return detail::unexpected_answer("expected DescribeGroupOk");
        into.name = name;
        decode(*ok, into);
        left->members = ok->more_members() && !protocol::each(ok->members()).empty();
        left->partitions = ok->more_partitions() && !protocol::each(ok->partitions()).empty();
        return left->members || left->partitions;
      });
}

detail::operation<> client::prepare_move_group(std::string_view name, std::span<const group_position> to,
                                               call_options options) {
  return make_call<>(
      connection_, about_group("moving", name), on_loss::repeat, options.timeout,
      [&](FlatBufferBuilder& builder) {
        const auto text = builder.CreateString(name);
        std::vector<flatbuffers::Offset<wire::PartitionOffset>> offsets;
        offsets.reserve(to.size());
        for (const group_position& one : to)
          offsets.push_back(wire::CreatePartitionOffset(builder, one.partition.value(), one.next.value(),
                                                        one.topic.value()));
        return wire::CreateCommitOffsets(builder, text, 0, 0, builder.CreateVector(offsets));
      },
      expect_ok());
}

detail::operation<> client::prepare_delete_group(std::string_view name, call_options options) {
  return make_call<>(
      connection_, about_group("deleting", name), on_loss::fail, options.timeout,
      [&](FlatBufferBuilder& builder) {
        return wire::CreateDeleteGroup(builder, builder.CreateString(name));
      },
      expect_ok());
}

}  // namespace skald
