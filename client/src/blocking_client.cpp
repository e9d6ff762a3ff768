#include <skald/blocking_client.hpp>

#include <utility>

#include "client/src/client_thread.hpp"
#include "client/src/producer_engine.hpp"

namespace skald {

struct blocking_subscription::state {
  std::shared_ptr<detail::client_thread> thread;
  subscription inner;  // used on the thread only
};

blocking_client::blocking_client(client_options options)
    : thread_(std::make_shared<detail::client_thread>(options)) {}

blocking_client::~blocking_client() {
  if (thread_) close();
}

blocking_client::blocking_client(blocking_client&&) noexcept = default;

blocking_client& blocking_client::operator=(blocking_client&& other) noexcept {
  if (thread_ && this != &other) close();
  thread_ = std::move(other.thread_);
  return *this;
}

void blocking_client::close() {
  thread_->stop();
}

void blocking_client::connect(connect_options options) {
  thread_->perform([&](client& broker) { return broker.prepare_connect(options); });
}

published blocking_client::publish(std::string_view topic, const message& what, publish_options options) {
  return thread_->perform([&](client& broker) { return broker.prepare_publish(topic, what, options); });
}

committed blocking_client::commit(skald::commit&& what, call_options options) {
  return thread_->perform([&](client& broker) { return broker.prepare_commit(std::move(what), options); });
}

std::vector<timer_info> blocking_client::list_timers(list_timers_options options) {
  return thread_->perform([&](client& broker) { return broker.prepare_list_timers(options); });
}

key_records blocking_client::read_key(std::string_view topic, std::string_view key,
                                      read_key_options options) {
  return thread_->perform([&](client& broker) { return broker.prepare_read_key(topic, key, options); });
}

std::vector<key_info> blocking_client::list_keys(std::string_view topic, list_keys_options options) {
  return thread_->perform([&](client& broker) { return broker.prepare_list_keys(topic, options); });
}

blocking_subscription blocking_client::subscribe(std::string_view topic, subscribe_options options) {
  auto made = thread_->perform([&](client& broker) { return broker.prepare_subscribe(topic, options); });
  return blocking_subscription(
      std::make_shared<blocking_subscription::state>(blocking_subscription::state{thread_, std::move(made)}));
}

records blocking_client::fetch(std::string_view topic, partition_id partition, offset from,
                               fetch_options options) {
  return thread_->perform(
      [&](client& broker) { return broker.prepare_fetch(topic, partition, from, options); });
}

std::vector<partition_offset> blocking_client::list_offsets(std::string_view topic,
                                                            list_offsets_options options) {
  return thread_->perform([&](client& broker) { return broker.prepare_list_offsets(topic, options); });
}

void blocking_client::create_topic(std::string_view name, topic_settings settings,
                                   create_topic_options options) {
  thread_->perform([&](client& broker) { return broker.prepare_create_topic(name, settings, options); });
}

void blocking_client::alter_topic(std::string_view name, topic_settings settings, call_options options) {
  thread_->perform([&](client& broker) { return broker.prepare_alter_topic(name, settings, options); });
}

void blocking_client::delete_topic(std::string_view name, call_options options) {
  thread_->perform([&](client& broker) { return broker.prepare_delete_topic(name, options); });
}

topic_info blocking_client::describe_topic(std::string_view name, call_options options) {
  return thread_->perform([&](client& broker) { return broker.prepare_describe_topic(name, options); });
}

std::vector<topic_info> blocking_client::list_topics(call_options options) {
  return thread_->perform([&](client& broker) { return broker.prepare_list_topics(options); });
}

std::vector<group_summary> blocking_client::list_groups(call_options options) {
  return thread_->perform([&](client& broker) { return broker.prepare_list_groups(options); });
}

group_info blocking_client::describe_group(std::string_view name, call_options options) {
  return thread_->perform([&](client& broker) { return broker.prepare_describe_group(name, options); });
}

void blocking_client::move_group(std::string_view name, std::span<const group_position> to,
                                 call_options options) {
  thread_->perform([&](client& broker) { return broker.prepare_move_group(name, to, options); });
}

void blocking_client::delete_group(std::string_view name, call_options options) {
  thread_->perform([&](client& broker) { return broker.prepare_delete_group(name, options); });
}

broker_status blocking_client::status(call_options options) {
  return thread_->perform([&](client& broker) { return broker.prepare_status(options); });
}

std::string blocking_client::trouble() const {
  return thread_->call([](const client& broker) { return broker.trouble(); });
}

// ---- subscription ----------------------------------------------------------------------------------------

blocking_subscription::blocking_subscription() = default;
blocking_subscription::blocking_subscription(std::shared_ptr<state> made) : state_(std::move(made)) {}

blocking_subscription::~blocking_subscription() {
  if (state_) abandon();
}

blocking_subscription::blocking_subscription(blocking_subscription&&) noexcept = default;

blocking_subscription& blocking_subscription::operator=(blocking_subscription&& other) noexcept {
  if (state_ && this != &other) abandon();
  state_ = std::move(other.state_);
  return *this;
}

records blocking_subscription::receive() {
  return state_->thread->perform([&](client&) { return state_->inner.prepare_receive({}); });
}

std::optional<records> blocking_subscription::receive_for(milliseconds patience) {
  try {
    return state_->thread->perform(
        [&](client&) { return state_->inner.prepare_receive({.timeout = patience}); });
  } catch (const error& why) {
    if (why.code() == errc::deadline_exceeded) return std::nullopt;
    throw;
  }
}

void blocking_subscription::seek(start_point to, call_options options) {
  state_->thread->perform([&](client&) { return state_->inner.prepare_seek_all(to, options); });
}

void blocking_subscription::seek(std::span<const partition_start> to, call_options options) {
  state_->thread->perform([&](client&) { return state_->inner.prepare_seek(to, options); });
}

std::string_view blocking_subscription::topic() const {
  return state_->inner.topic();
}

std::vector<partition_position> blocking_subscription::positions() const {
  return state_->thread->call([&](client&) { return state_->inner.positions(); });
}

void blocking_subscription::commit(const record& last, call_options options) {
  state_->thread->perform([&](client&) {
    return state_->inner.prepare_commit(last.topic(), last.partition(), last.offset() + 1, options);
  });
}

void blocking_subscription::commit(const records& done, call_options options) {
  state_->thread->perform([&](client&) {
    return state_->inner.prepare_commit(done.topic(), done.partition(), done.end_offset(), options);
  });
}

void commit::acknowledge(const blocking_subscription& by, const record& last) {
  acknowledge(by.state_->inner, last);
}

void commit::acknowledge(const blocking_subscription& by, const records& done) {
  acknowledge(by.state_->inner, done);
}

void blocking_subscription::leave(call_options options) {
  state_->thread->perform([&](client&) { return state_->inner.prepare_leave(options); });
}

void blocking_subscription::close() {
  if (state_->inner.is_member()) {
    try {
      leave();
    } catch (const error&) {  // NOLINT(bugprone-empty-catch): closing does not fail
      // Whatever was not committed is received again, by whoever has the partitions then.
    }
  }
  state_->thread->call([&](client&) { state_->inner.close(); });
}

void blocking_subscription::abandon() {
  state_->thread->call([&](client&) { state_->inner = subscription(); });
}

// ---- producer --------------------------------------------------------------------------------------------

blocking_producer::blocking_producer(blocking_client& broker, producer_options options)
    : thread_(broker.thread_), engine_(thread_->call([&](client& inner) {
        return detail::producer_engine::create(inner.connection_, options);
      })) {}

blocking_producer::~blocking_producer() {
  if (!engine_) return;
  engine_->on_delivery({});
  close();
}

blocking_producer::blocking_producer(blocking_producer&&) noexcept = default;

blocking_producer& blocking_producer::operator=(blocking_producer&& other) noexcept {
  if (engine_ && this != &other) close();
  thread_ = std::move(other.thread_);
  engine_ = std::move(other.engine_);
  return *this;
}

bool blocking_producer::try_send(std::string_view topic, const message& what) {
  return engine_->try_accept(topic, what);
}

void blocking_producer::send(std::string_view topic, const message& what) {
  engine_->accept_blocking(topic, what);
}

published blocking_producer::publish(std::string_view topic, const message& what) {
  auto promise = std::make_shared<std::promise<published>>();
  auto outcome = promise->get_future();
  engine_->accept_blocking(topic, what, [promise](const result<published>& acknowledged) {
    if (acknowledged)
      promise->set_value(*acknowledged);
    else
      promise->set_exception(
          std::make_exception_ptr(error(acknowledged.error().code, acknowledged.error().message)));
  });
  return outcome.get();
}

void blocking_producer::flush(call_options options) {
  auto promise = std::make_shared<std::promise<void>>();
  auto outcome = promise->get_future();
  engine_->flush([promise](const std::exception_ptr& why) {
    if (why)
      promise->set_exception(why);
    else
      promise->set_value();
  });
  if (options.timeout && outcome.wait_for(*options.timeout) == std::future_status::timeout)
    throw error(errc::deadline_exceeded, "the producer's records are not all acknowledged within " +
                                             detail::in_words(*options.timeout) +
                                             "; they are still being sent");
  outcome.get();
}

void blocking_producer::on_delivery(std::function<void(const delivery_report&)> callback) {
  engine_->on_delivery(std::move(callback));
}

producer_statistics blocking_producer::statistics() const {
  return engine_->statistics();
}

void blocking_producer::close() {
  thread_->call([&](client&) { engine_->abandon({errc::closed, "the producer was closed"}); });
}

}  // namespace skald
