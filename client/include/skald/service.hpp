// Services: asking and answering.
//
//   const skald::reply price = co_await broker.request("price", R"({"sku": 7})", {.timeout = 500ms});
//
//   auto responder = co_await broker.serve("price", {.version = "1.0"});
//   co_await responder.run([](const skald::service_request& asked) { return price_of(asked.body()); });
//
// The broker picks an instance with little to do, and routes the reply back. All of it is in memory; what
// must not be lost belongs into a topic.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <chrono>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <skald/detail/completion.hpp>
#include <skald/options.hpp>
#include <skald/protocol/error.hpp>

namespace skald {

namespace detail {
class responder_engine;
class service_watcher;
struct received_request;
}  // namespace detail

using string_map = std::map<std::string, std::string, std::less<>>;

// ---- asking ----------------------------------------------------------------------------------------------

// What a responder replied; it owns its bytes.
struct reply {
  std::string body;
  std::string instance;  // who replied
  string_map headers;
};

// What client::request() throws when the responder says that it failed: code() is responder_failed, what()
// the responder's message.
class responder_error : public error {
 public:
  responder_error(int responder_code, const std::string& message, std::string instance)
      : error(errc::responder_failed, message), code_(responder_code), instance_(std::move(instance)) {}
  // A number of the responder's own choice.
  int responder_code() const noexcept { return code_; }
  const std::string& instance() const noexcept { return instance_; }

 private:
  int code_;
  std::string instance_;
};

// What became of asking one of several instances.
struct instance_reply {
  std::string instance;
  errc code =
      errc::ok;  // ok: it replied; else responder_failed, responder_lost, deadline_exceeded or overloaded
  std::string body;
  string_map headers;
  int responder_code = 0;             // of responder_failed
  std::string message;                // why it failed
  std::chrono::microseconds took{0};  // from the question to this answer
};

// ---- answering -------------------------------------------------------------------------------------------

// A request to answer. It owns its bytes, and is answered once: by reply(), by fail(), or by being destroyed,
// which fails it. What is answered too late is dropped by the broker.
//
// Threading: one thread at a time, but any thread; cancelled() at any time.
class service_request {
 public:
  service_request() = default;
  explicit service_request(std::shared_ptr<detail::received_request> received)
      : received_(std::move(received)) {}
  ~service_request();
  service_request(service_request&&) noexcept = default;
  service_request& operator=(service_request&& other) noexcept;

  std::string_view subject() const;
  std::string_view body() const;
  const string_map& headers() const;
  std::optional<std::string_view> header(std::string_view name) const;
  // When the caller gives up; and how long until then, not negative.
  std::chrono::steady_clock::time_point deadline() const;
  milliseconds time_left() const;
  // Nobody waits for the reply any more: the caller has cancelled, its deadline has passed, or the connection
  // that the request came by was lost. Long work should look now and then.
  bool cancelled() const;

  void reply(std::string_view body, reply_options options = {});
  // The caller gets a responder_error with this code and message.
  void fail(int code, std::string_view message);

 private:
  std::shared_ptr<detail::received_request> received_;  // null once answered
};

// An instance of a service; made by client::serve(). The handle is movable; destroying it is close().
//
// Requests come as long as fewer than serve_options::window are unanswered. After a lost connection it serves
// again by itself, under the same instance id; requests from before are lost to their callers.
//
// Errors of receive(), for good:
//   closed             it was drained or closed
//   instance_replaced  another responder has taken the instance id over
//   others             as the broker says when it serves again
//
// Threading: as the client's.
class responder {
 public:
  using default_token = boost::asio::use_awaitable_t<>;

  responder();
  explicit responder(std::shared_ptr<detail::responder_engine> engine);
  ~responder();
  responder(responder&&) noexcept;
  responder& operator=(responder&&) noexcept;

  // The next request; waits for one without limit unless options.timeout says so. -> service_request
  template <class Token = default_token>
  auto receive(call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_receive(options), std::forward<Token>(token));
  }

  // Answers every request with what `handler(const service_request&)` returns: a std::string, or an
  // awaitable of one, of which as many run at a time as there are requests. An exception fails the request:
  // with what() as its message, and the code of a responder_error, otherwise 1. Returns when the responder
  // was drained or closed.
  template <class Handler>
  boost::asio::awaitable<void> run(Handler handler);

  // Gets no more requests; completes when all it had are answered, and it has left. -> void
  template <class Token = default_token>
  auto drain(call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_drain(options), std::forward<Token>(token));
  }

  // Leaves at once: requests not yet answered are lost to their callers. A pending receive() completes with
  // errc::closed. Idempotent.
  void close();

  const std::string& subject() const;
  // As chosen by serve_options or the broker.
  const std::string& instance() const;

 private:
  friend class blocking_responder;
  detail::operation<service_request> prepare_receive(call_options options);
  detail::operation<> prepare_drain(call_options options);

  std::shared_ptr<detail::responder_engine> engine_;
};

// ---- discovery -------------------------------------------------------------------------------------------

// Of an instance since it came, of a service since it has had instances. Latencies are those of replies: of
// an instance from its getting the request, of a service from its being asked; at most a quarter too large.
struct service_statistics {
  std::uint64_t requests = 0;
  std::uint64_t replies = 0;
  std::uint64_t failed = 0;     // replies that say so
  std::uint64_t lost = 0;       // with an instance that went
  std::uint64_t expired = 0;    // without a reply in time
  std::uint64_t cancelled = 0;  // by their callers
  std::uint64_t late = 0;       // replies that nobody waited for any more
  std::uint32_t in_flight = 0;
  std::uint32_t waiting = 0;  // of a service: for a free instance
  std::chrono::microseconds latency_p50{0};
  std::chrono::microseconds latency_p90{0};
  std::chrono::microseconds latency_p99{0};
  std::chrono::microseconds latency_max{0};
  std::uint64_t errors() const { return failed + lost + expired; }
};

enum class instance_state : std::uint8_t {
  healthy,
  unhealthy,  // missed heartbeats: gets no requests until it is heard from again
  draining,   // finishes its work and leaves
  left,       // in events only
};
std::string_view to_string(instance_state state) noexcept;

struct instance_info {
  std::string id;
  std::string version;
  string_map metadata;
  instance_state state = instance_state::healthy;
  timestamp since;
  std::uint32_t window = 0;
  service_statistics statistics;
};

struct service_info {
  std::string subject;
  service_statistics statistics;
  std::vector<instance_info> instances;  // in order of id
};

// An instance that came, changed or left.
struct service_event {
  std::string subject;
  instance_info instance;  // as it is now; without statistics
  bool initial = false;    // it was so when the watch, or its connection, began
  std::string reason;      // why it left
};

// A watch of services; made by client::watch_services(). After a lost connection it begins anew, with
// `initial` events for what there is then; what left meanwhile is not among them. Destroying the handle ends
// it.
//
// Threading: as the client's.
class service_watch {
 public:
  using default_token = boost::asio::use_awaitable_t<>;

  service_watch();
  explicit service_watch(std::shared_ptr<detail::service_watcher> watcher);
  ~service_watch();
  service_watch(service_watch&&) noexcept;
  service_watch& operator=(service_watch&&) noexcept;

  // The next event; waits for one without limit unless options.timeout says so. One at a time.
  // -> service_event
  template <class Token = default_token>
  auto receive(call_options options = {}, Token&& token = {}) {
    return detail::initiate(prepare_receive(options), std::forward<Token>(token));
  }
  // A pending receive() completes with errc::closed. Idempotent.
  void close();

 private:
  friend class blocking_service_watch;
  detail::operation<service_event> prepare_receive(call_options options);

  std::shared_ptr<detail::service_watcher> watcher_;
};

// ---- responder::run --------------------------------------------------------------------------------------

namespace detail {

boost::asio::any_io_executor executor_of(const responder_engine& engine);
// Fails the request with what the exception says.
void fail_with(service_request& asked, const std::exception_ptr& why);

template <class Handler>
inline constexpr bool is_plain_handler =
    std::is_convertible_v<std::invoke_result_t<Handler&, const service_request&>, std::string>;

template <class Handler>
boost::asio::awaitable<void> answer_later(std::shared_ptr<Handler> handler, service_request asked) {
  std::exception_ptr failed;
  try {
    const std::string body = co_await (*handler)(static_cast<const service_request&>(asked));
    asked.reply(body);
  } catch (...) {
    failed = std::current_exception();
  }
  if (failed) fail_with(asked, failed);
}

template <class Handler>
void answer_now(Handler& handler, service_request& asked) {
  try {
    asked.reply(handler(static_cast<const service_request&>(asked)));
  } catch (...) {
    fail_with(asked, std::current_exception());
  }
}

}  // namespace detail

template <class Handler>
boost::asio::awaitable<void> responder::run(Handler handler) {
  const auto engine = engine_;  // the handle may go meanwhile
  const auto shared = std::make_shared<Handler>(std::move(handler));
  for (;;) {
    service_request asked;
    try {
      asked = co_await receive();
    } catch (const error& ended) {
      if (ended.code() == errc::closed) co_return;
      throw;
    }
    if constexpr (detail::is_plain_handler<Handler>) {
      detail::answer_now(*shared, asked);
    } else {
      boost::asio::co_spawn(detail::executor_of(*engine), detail::answer_later(shared, std::move(asked)),
                            boost::asio::detached);
    }
  }
}

}  // namespace skald
