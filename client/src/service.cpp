// The handles of service.hpp.
#include <skald/service.hpp>

#include <algorithm>
#include <utility>

#include "client/src/responder_engine.hpp"
#include "client/src/service_watcher.hpp"

namespace skald {

namespace {

std::optional<detail::steady_time> deadline_of(call_options options) {
  if (!options.timeout) return std::nullopt;
  return std::chrono::steady_clock::now() + *options.timeout;
}

}  // namespace

std::string_view to_string(instance_state state) noexcept {
  switch (state) {
    case instance_state::healthy:
      return "healthy";
    case instance_state::unhealthy:
      return "unhealthy";
    case instance_state::draining:
      return "draining";
    case instance_state::left:
      return "left";
  }
  return "unknown";
}

// ---- service_request -------------------------------------------------------------------------------------

service_request::~service_request() {
  if (received_) fail(0, "the responder dropped the request");
}

service_request& service_request::operator=(service_request&& other) noexcept {
  if (received_ && this != &other) fail(0, "the responder dropped the request");
  received_ = std::move(other.received_);
  return *this;
}

std::string_view service_request::subject() const {
  return *received_->subject;
}
std::string_view service_request::body() const {
  return received_->body;
}
const string_map& service_request::headers() const {
  return received_->headers;
}

std::optional<std::string_view> service_request::header(std::string_view name) const {
  const auto found = received_->headers.find(name);
  if (found == received_->headers.end()) return std::nullopt;
  return found->second;
}

std::chrono::steady_clock::time_point service_request::deadline() const {
  return received_->deadline;
}

milliseconds service_request::time_left() const {
  const auto left = received_->deadline - std::chrono::steady_clock::now();
  return std::max(milliseconds(0), std::chrono::duration_cast<milliseconds>(left));
}

bool service_request::cancelled() const {
  return received_->cancelled || std::chrono::steady_clock::now() >= received_->deadline;
}

void service_request::reply(std::string_view body, reply_options options) {
  const auto answered = std::exchange(received_, nullptr);
  if (!answered) throw error(errc::unknown_request, "the request was answered before");
  if (const auto engine = answered->engine.lock()) engine->reply(*answered, body, options.headers);
}

void service_request::fail(int code, std::string_view message) {
  const auto answered = std::exchange(received_, nullptr);
  if (!answered) throw error(errc::unknown_request, "the request was answered before");
  if (const auto engine = answered->engine.lock()) engine->fail(*answered, code, message);
}

namespace detail {

boost::asio::any_io_executor executor_of(const responder_engine& engine) {
  return engine.get_executor();
}

void fail_with(service_request& asked, const std::exception_ptr& why) {
  try {
    std::rethrow_exception(why);
  } catch (const responder_error& failed) {
    asked.fail(failed.responder_code(), failed.message());
  } catch (const std::exception& failed) {
    asked.fail(1, failed.what());
  } catch (...) {
    asked.fail(1, "the handler failed without saying why");
  }
}

}  // namespace detail

// ---- responder -------------------------------------------------------------------------------------------

responder::responder() = default;
responder::responder(std::shared_ptr<detail::responder_engine> engine) : engine_(std::move(engine)) {}

responder::~responder() {
  if (engine_) engine_->close();
}

responder::responder(responder&&) noexcept = default;

responder& responder::operator=(responder&& other) noexcept {
  if (engine_ && this != &other) engine_->close();
  engine_ = std::move(other.engine_);
  return *this;
}

detail::operation<service_request> responder::prepare_receive(call_options options) {
  return {engine_->get_executor(), [engine = engine_, options](detail::completion<service_request> done) {
            engine->receive(deadline_of(options), std::move(done));
          }};
}

detail::operation<> responder::prepare_drain(call_options options) {
  return {engine_->get_executor(), [engine = engine_, options](detail::completion<> done) {
            engine->drain(engine->connection().deadline(options.timeout), std::move(done));
          }};
}

void responder::close() {
  engine_->close();
}

const std::string& responder::subject() const {
  return engine_->subject();
}
const std::string& responder::instance() const {
  return engine_->instance();
}

// ---- service_watch ---------------------------------------------------------------------------------------

service_watch::service_watch() = default;
service_watch::service_watch(std::shared_ptr<detail::service_watcher> watcher)
    : watcher_(std::move(watcher)) {}

service_watch::~service_watch() {
  if (watcher_) watcher_->close();
}

service_watch::service_watch(service_watch&&) noexcept = default;

service_watch& service_watch::operator=(service_watch&& other) noexcept {
  if (watcher_ && this != &other) watcher_->close();
  watcher_ = std::move(other.watcher_);
  return *this;
}

detail::operation<service_event> service_watch::prepare_receive(call_options options) {
  return {watcher_->get_executor(), [watcher = watcher_, options](detail::completion<service_event> done) {
            watcher->receive(deadline_of(options), std::move(done));
          }};
}

void service_watch::close() {
  watcher_->close();
}

}  // namespace skald
