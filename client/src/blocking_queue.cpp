#include <skald/blocking_client.hpp>

#include <utility>

#include "client/src/client_thread.hpp"
#include "client/src/queue_consumer.hpp"

namespace skald {

struct blocking_queue::state {
  std::shared_ptr<detail::client_thread> thread;
  work_queue inner;  // settled through from any thread, otherwise used on the thread only
};

blocking_queue::blocking_queue() = default;
blocking_queue::blocking_queue(std::shared_ptr<state> made) : state_(std::move(made)) {}

blocking_queue::~blocking_queue() {
  if (state_) close();
}

blocking_queue::blocking_queue(blocking_queue&&) noexcept = default;

blocking_queue& blocking_queue::operator=(blocking_queue&& other) noexcept {
  if (state_ && this != &other) close();
  state_ = std::move(other.state_);
  return *this;
}

deliveries blocking_queue::receive() {
  return state_->thread->perform([&](client&) { return state_->inner.prepare_receive({}); });
}

std::optional<deliveries> blocking_queue::receive_for(milliseconds patience) {
  try {
    return state_->thread->perform(
        [&](client&) { return state_->inner.prepare_receive({.timeout = patience}); });
  } catch (const error& why) {
    if (why.code() == errc::deadline_exceeded) return std::nullopt;
    throw;
  }
}

void blocking_queue::ack(const delivery& what) {
  state_->inner.ack(what);
}
void blocking_queue::ack(const deliveries& what) {
  state_->inner.ack(what);
}
void blocking_queue::nack(const delivery& what, std::optional<milliseconds> delay, std::string_view reason) {
  state_->inner.nack(what, delay, reason);
}
void blocking_queue::reject(const delivery& what, std::string_view reason) {
  state_->inner.reject(what, reason);
}
void blocking_queue::release(const delivery& what) {
  state_->inner.release(what);
}
void blocking_queue::extend(const delivery& what, milliseconds time) {
  state_->inner.extend(what, time);
}

void blocking_queue::flush(call_options options) {
  state_->thread->perform([&](client&) { return state_->inner.prepare_flush(options); });
}

std::string_view blocking_queue::topic() const {
  return state_->inner.topic();
}
std::string_view blocking_queue::queue() const {
  return state_->inner.queue();
}

void blocking_queue::close() {
  state_->thread->call([&](client&) { state_->inner.close(); });
}

// ---- the client's operations -----------------------------------------------------------------------------

blocking_queue blocking_client::open_queue(std::string_view topic, std::string_view queue,
                                           open_queue_options options) {
  auto made =
      thread_->perform([&](client& broker) { return broker.prepare_open_queue(topic, queue, options); });
  return blocking_queue(
      std::make_shared<blocking_queue::state>(blocking_queue::state{thread_, std::move(made)}));
}

void blocking_client::create_queue(std::string_view topic, std::string_view queue, queue_settings settings,
                                   create_queue_options options) {
  thread_->perform(
      [&](client& broker) { return broker.prepare_create_queue(topic, queue, settings, options); });
}

void blocking_client::alter_queue(std::string_view topic, std::string_view queue, queue_settings settings,
                                  call_options options) {
  thread_->perform(
      [&](client& broker) { return broker.prepare_alter_queue(topic, queue, settings, options); });
}

void blocking_client::delete_queue(std::string_view topic, std::string_view queue, call_options options) {
  thread_->perform([&](client& broker) { return broker.prepare_delete_queue(topic, queue, options); });
}

queue_info blocking_client::describe_queue(std::string_view topic, std::string_view queue,
                                           call_options options) {
  return thread_->perform(
      [&](client& broker) { return broker.prepare_describe_queue(topic, queue, options); });
}

std::vector<queue_info> blocking_client::list_queues(std::string_view topic, call_options options) {
  return thread_->perform([&](client& broker) { return broker.prepare_list_queues(topic, options); });
}

peeked_records blocking_client::peek_queue(std::string_view topic, std::string_view queue,
                                           partition_id partition, peek_options options) {
  return thread_->perform(
      [&](client& broker) { return broker.prepare_peek_queue(topic, queue, partition, options); });
}

std::uint64_t blocking_client::retry_queue(std::string_view topic, std::string_view queue,
                                           call_options options) {
  return thread_->perform([&](client& broker) { return broker.prepare_retry_queue(topic, queue, options); });
}

std::uint64_t blocking_client::purge_queue(std::string_view topic, std::string_view queue,
                                           purge_options options) {
  return thread_->perform([&](client& broker) { return broker.prepare_purge_queue(topic, queue, options); });
}

std::uint64_t blocking_client::retry_dead(std::string_view topic, std::string_view queue,
                                          partition_id partition, std::span<const offset> records,
                                          call_options options) {
  return thread_->perform([&](client& broker) {
    return broker.prepare_settle_dead(topic, queue, partition, records, false, options);
  });
}

std::uint64_t blocking_client::drop_dead(std::string_view topic, std::string_view queue,
                                         partition_id partition, std::span<const offset> records,
                                         call_options options) {
  return thread_->perform([&](client& broker) {
    return broker.prepare_settle_dead(topic, queue, partition, records, true, options);
  });
}

}  // namespace skald
