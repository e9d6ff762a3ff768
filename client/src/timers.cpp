// Records that wait or expire, and the timers there are.
#include <utility>

#include <skald/client.hpp>
#include "client/src/commit_data.hpp"
#include "client/src/committer.hpp"
#include "client/src/connection.hpp"
#include "client/src/requests.hpp"

namespace skald {

using detail::incoming_frame;
using detail::make_paged_call;

detail::operation<std::vector<timer_info>> client::prepare_list_timers(list_timers_options options) {
  // What the last page ended with: the name that a program sees does not say where its owner ends.
  struct cursor {
    std::string owner;
    std::string name;
  };
  const auto after = std::make_shared<cursor>();
  return make_paged_call<std::vector<timer_info>>(
      connection_, "listing timers", options.timeout,
      [after, prefix = std::string(options.owner_prefix)](detail::session& session, std::uint64_t id,
                                                          const std::vector<timer_info>&) {
        return session.encode(id, [&](flatbuffers::FlatBufferBuilder& to) {
          const auto of = to.CreateString(prefix);
          const auto owner = to.CreateString(after->owner);
          return wire::CreateListTimers(to, of, owner, to.CreateString(after->name), 0);
        });
      },
      [after](const incoming_frame& answer, std::vector<timer_info>& timers) -> result<bool> {
        const auto* ok = answer.header->body_as_ListTimersOk();
        if (ok == nullptr) return detail::unexpected_answer("expected ListTimersOk");
        for (const auto* one : protocol::each(ok->timers())) {
          *after = {std::string(protocol::text(one->owner())), std::string(protocol::text(one->name()))};
          timers.push_back({after->owner.empty() ? after->name : after->owner + "/" + after->name,
                            timestamp(milliseconds(one->due_ms())), std::string(protocol::text(one->topic())),
                            partition_id(one->partition()), one->batch_bytes()});
        }
        return ok->more() && !protocol::each(ok->timers()).empty();
      });
}

// A commit of one record.
detail::operation<published> client::prepare_timed_publish(std::string_view topic, const message& what,
                                                           publish_options options) {
  if (options.deliver_at && options.delay)
    throw error(errc::invalid_request, "a record is delivered at a time or after a delay, not both");
  skald::commit single;
  single.append(topic, what);
  detail::commit_data::append& record = single.data_->appends.back();
  if (options.deliver_at) record.when = *options.deliver_at;
  if (options.delay) record.when = *options.delay;
  record.ttl = options.ttl;
  record.timer = options.timer;
  auto data = std::make_shared<std::unique_ptr<detail::commit_data>>(std::move(single.data_));
  return {connection_->get_executor(),
          [through = shared_committer(), executor = connection_->get_executor(),
           deadline = connection_->deadline(options.timeout), data](detail::completion<published> done) {
            const auto shared = std::make_shared<detail::completion<published>>(std::move(done));
            const auto answered = [shared](const std::exception_ptr& why, const committed& made) {
              if (!*shared) return;
              if (why) return shared->fail(why);
              const committed::append& one = made.appends.at(0);
              published where{.partition = one.partition, .offset = {}, .durability = durability::disk};
              if (!one.waits) where.offset = one.offset;
              shared->succeed(where);
            };
            auto cancel = through->submit(std::move(*data), deadline,
                                          detail::completion<committed>(answered, executor));
            shared->on_cancel(std::move(cancel));
          }};
}

}  // namespace skald
