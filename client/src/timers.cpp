// Records that wait or expire, and the timers there are.
#include <utility>

#include <skald/client.hpp>
#include "client/src/commit_data.hpp"
#include "client/src/committer.hpp"
#include "client/src/connection.hpp"
#include "client/src/requests.hpp"

namespace skald {

using detail::incoming_frame;
using detail::on_loss;

namespace {

// All pages, within one deadline.
class timer_lister : public std::enable_shared_from_this<timer_lister> {
 public:
  timer_lister(std::shared_ptr<detail::connection> through, std::string owner_prefix, timeout limit,
               detail::completion<std::vector<timer_info>> done)
      : connection_(std::move(through)),
        owner_prefix_(std::move(owner_prefix)),
        deadline_(connection_->deadline(limit)),
        done_(std::move(done)) {}

  void next_page() {
    auto& session = connection_->session();
    id_ = session.next_id();
    auto frame = session.encode(id_, [&](flatbuffers::FlatBufferBuilder& to) {
      const auto prefix = to.CreateString(owner_prefix_);
      const auto owner = to.CreateString(after_owner_);
      return wire::CreateListTimers(to, prefix, owner, to.CreateString(after_name_), 0);
    });
    done_.on_cancel([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->cancel();
    });
    session.submit({id_, std::move(frame), "listing timers", on_loss::repeat, true, deadline_},
                   [self = shared_from_this()](const result<incoming_frame>& answer) {
                     if (!answer) return self->done_.fail(detail::exception_of(answer.error()));
                     self->page(*answer);
                   });
    connection_->kick();
  }

 private:
  void page(const incoming_frame& answer) {
    const auto* ok = answer.header->body_as_ListTimersOk();
    if (ok == nullptr)
      return done_.fail(detail::exception_of(detail::unexpected_answer("expected ListTimersOk")));
    for (const auto* one : protocol::each(ok->timers())) {
      after_owner_ = protocol::text(one->owner());
      after_name_ = protocol::text(one->name());
      timers_.push_back({after_owner_.empty() ? after_name_ : after_owner_ + "/" + after_name_,
                         timestamp(milliseconds(one->due_ms())), std::string(protocol::text(one->topic())),
                         partition_id(one->partition()), one->batch_bytes()});
    }
    if (ok->more() && !protocol::each(ok->timers()).empty()) return next_page();
    done_.succeed(std::move(timers_));
  }
  void cancel() {
    const auto kept = shared_from_this();  // the request's handler is the other owner
    connection_->session().forget(id_);
    if (done_) done_.fail(detail::exception_of({errc::cancelled, "listing timers was cancelled"}));
  }

  std::shared_ptr<detail::connection> connection_;
  std::string owner_prefix_;
  detail::steady_time deadline_;
  detail::completion<std::vector<timer_info>> done_;
  std::uint64_t id_ = 0;
  std::string after_owner_;
  std::string after_name_;
  std::vector<timer_info> timers_;
};

}  // namespace

detail::operation<std::vector<timer_info>> client::prepare_list_timers(list_timers_options options) {
  return {connection_->get_executor(),
          [through = connection_, prefix = std::string(options.owner_prefix),
           limit = options.timeout](detail::completion<std::vector<timer_info>> done) {
            std::make_shared<timer_lister>(through, prefix, limit, std::move(done))->next_page();
          }};
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
