#include <skald/blocking_service.hpp>

#include <utility>

#include <skald/blocking_client.hpp>
#include "client/src/client_thread.hpp"

namespace skald {

namespace {

// What `receive` gives, or nothing when its time is up.
template <class Receive>
auto unless_late(Receive receive) -> std::optional<decltype(receive())> {
  try {
    return receive();
  } catch (const error& why) {
    if (why.code() == errc::deadline_exceeded) return std::nullopt;
    throw;
  }
}

}  // namespace

struct blocking_responder::state {
  std::shared_ptr<detail::client_thread> thread;
  responder inner;  // used on the thread only
};

struct blocking_service_watch::state {
  std::shared_ptr<detail::client_thread> thread;
  service_watch inner;  // used on the thread only
};

// ---- the client's operations -----------------------------------------------------------------------------

reply blocking_client::request(std::string_view subject, std::string_view body, request_options options) {
  return thread_->perform([&](client& broker) { return broker.prepare_request(subject, body, options); });
}

std::vector<instance_reply> blocking_client::request_all(std::string_view subject, std::string_view body,
                                                         request_all_options options) {
  return thread_->perform([&](client& broker) { return broker.prepare_request_all(subject, body, options); });
}

blocking_responder blocking_client::serve(std::string_view subject, serve_options options) {
  auto made = thread_->perform([&](client& broker) { return broker.prepare_serve(subject, options); });
  return blocking_responder(
      std::make_shared<blocking_responder::state>(blocking_responder::state{thread_, std::move(made)}));
}

std::vector<service_info> blocking_client::list_services(list_services_options options) {
  return thread_->perform([&](client& broker) { return broker.prepare_list_services(options); });
}

blocking_service_watch blocking_client::watch_services(watch_services_options options) {
  auto made = thread_->perform([&](client& broker) { return broker.prepare_watch_services(options); });
  return blocking_service_watch(std::make_shared<blocking_service_watch::state>(
      blocking_service_watch::state{thread_, std::move(made)}));
}

// ---- responder -------------------------------------------------------------------------------------------

blocking_responder::blocking_responder() = default;
blocking_responder::blocking_responder(std::shared_ptr<state> made) : state_(std::move(made)) {}

blocking_responder::~blocking_responder() {
  if (state_) close();
}

blocking_responder::blocking_responder(blocking_responder&&) noexcept = default;

blocking_responder& blocking_responder::operator=(blocking_responder&& other) noexcept {
  if (state_ && this != &other) close();
  state_ = std::move(other.state_);
  return *this;
}

service_request blocking_responder::receive() {
  return state_->thread->perform([&](client&) { return state_->inner.prepare_receive({}); });
}

std::optional<service_request> blocking_responder::receive_for(milliseconds patience) {
  return unless_late([&] {
    return state_->thread->perform(
        [&](client&) { return state_->inner.prepare_receive({.timeout = patience}); });
  });
}

void blocking_responder::drain(call_options options) {
  state_->thread->perform([&](client&) { return state_->inner.prepare_drain(options); });
}

void blocking_responder::close() {
  state_->thread->call([&](client&) { state_->inner.close(); });
}

const std::string& blocking_responder::subject() const {
  return state_->inner.subject();
}
const std::string& blocking_responder::instance() const {
  return state_->inner.instance();
}

// ---- watch -----------------------------------------------------------------------------------------------

blocking_service_watch::blocking_service_watch() = default;
blocking_service_watch::blocking_service_watch(std::shared_ptr<state> made) : state_(std::move(made)) {}

blocking_service_watch::~blocking_service_watch() {
  if (state_) close();
}

blocking_service_watch::blocking_service_watch(blocking_service_watch&&) noexcept = default;

blocking_service_watch& blocking_service_watch::operator=(blocking_service_watch&& other) noexcept {
  if (state_ && this != &other) close();
  state_ = std::move(other.state_);
  return *this;
}

service_event blocking_service_watch::receive() {
  return state_->thread->perform([&](client&) { return state_->inner.prepare_receive({}); });
}

std::optional<service_event> blocking_service_watch::receive_for(milliseconds patience) {
  return unless_late([&] {
    return state_->thread->perform(
        [&](client&) { return state_->inner.prepare_receive({.timeout = patience}); });
  });
}

void blocking_service_watch::close() {
  state_->thread->call([&](client&) { state_->inner.close(); });
}

}  // namespace skald
