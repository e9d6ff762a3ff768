#include <utility>

#include "broker/shard/shard_impl.hpp"

namespace skald::shard {

failure shard::impl::check_settings(const queue_settings& settings) const {
  const auto invalid = [](std::string message) {
    return failure{errc::invalid_settings, std::move(message)};
  };
  if (settings.lease_ms < 100 || settings.lease_ms > 24u * 3600 * 1000)
    return invalid("lease_ms has to be from 100 to 86400000 (a day)");
  if (settings.max_attempts == 0) return invalid("max_attempts has to be at least 1");
  if (settings.backoff_min_ms > settings.backoff_max_ms)
    return invalid("backoff_min_ms has to be at most backoff_max_ms");
  return {};
}

const queue_state& shard::queues() const {
  return impl_->machine_.queues();
}

void shard::create_queue(std::string_view topic, std::string name, queue_settings settings, bool if_absent,
                         bool from_end, queue_done done) {
  impl& self = *impl_;
  const auto tell = std::make_shared<queue_done>(std::move(done));
  failure why = self.check_settings(settings);
  const auto id = self.machine_.find(topic);
  if (!why && !id)
    why = {errc::unknown_topic, "there is no topic '" + std::string(topic) + "'; create it first"};
  if (!why) {
    const command create = create_queue_command{.topic = *id,
                                                .name = std::move(name),
                                                .settings = std::move(settings),
                                                .if_absent = if_absent,
                                                .from_end = from_end,
                                                .now = self.clock_.now(),
                                                .queues_max = self.options_.queues_max};
    why = self.propose(create, journal::urgency::normal,
                       [tell](effect made) { (*tell)(std::move(made.why), made.queue); });
  }
  if (why) self.post([tell, why](impl&) { (*tell)(why, queue_id()); });
}

void shard::alter_queue(queue_id queue, queue_settings settings, failure_done done) {
  const failure why = impl_->check_settings(settings);
  if (why) return impl_->post([done = std::move(done), why](impl&) { done(why); });
  impl_->propose_for(alter_queue_command{queue, std::move(settings)}, journal::urgency::normal,
                     std::move(done));
}

void shard::delete_queue(queue_id queue, failure_done done) {
  impl_->propose_for(delete_queue_command{queue}, journal::urgency::frees_space, std::move(done));
}

void shard::settle(settle_command what, failure_done done) {
  impl_->propose_for(std::move(what), journal::urgency::normal, std::move(done));
}

void shard::unpark_queue(queue_id queue, timestamp now, failure_done done) {
  impl_->propose_for(unpark_queue_command{queue, now}, journal::urgency::normal, std::move(done));
}

void shard::purge_queue(queue_id queue, failure_done done) {
  impl_->propose_for(purge_queue_command{queue}, journal::urgency::frees_space, std::move(done));
}

void shard::impl::propose_for(const command& what, journal::urgency how, failure_done done) {
  const auto tell = std::make_shared<failure_done>(std::move(done));
  const failure why = propose(what, how, [tell](effect applied) { (*tell)(std::move(applied.why)); });
  if (why) post([tell, why](impl&) { (*tell)(why); });
}

}  // namespace skald::shard
