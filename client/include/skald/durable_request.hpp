// Durable request and reply: over two topics, with stored replies.
//
//   skald::durable_service prices(broker, "price");
//   co_await prices.create();                                      // its topics and queue; once
//   const skald::durable_reply said = co_await prices.ask("order-42", R"({"sku": 7})");
//
//   // elsewhere
//   skald::durable_responder responder = co_await prices.serve();
//   co_await responder.run([&](const skald::durable_request& asked, skald::commit& effect)
//                              -> asio::awaitable<skald::durable_reply> {
//     effect.append("ledger", {.key = asked.id(), .value = "priced"});
//     co_return price_of(asked.body());
//   });
//
// The caller chooses an id for what it wants done, and may die at any time: asked again with that id, by
// whomever, it gets the stored reply. The work is done once: a responder commits, all at once, that the
// request is done, its reply, and whatever else the work has appended or set. A responder that dies before
// that leaves the request to another; what it did besides commits may then be done again.
//
// How. A request is a record of the topic `NAME.requests`, whose id is its message id and its key; the queue
// `responders` of that topic hands it to one responder at a time. A reply is a record of `NAME.replies` with
// that key, the only one. So a request is remembered as long as its record is kept, and so is the reply; the
// two topics have one retention.
//
// Request and reply say what they belong to and what caused them; see tracing.hpp. So does what a responder's
// `effect` appends.
//
// For requests that need not survive their caller see service.hpp: those are in memory, and much faster.
// Threading, errors and cancellation: as the client's, which has to outlive all of this. For programs without
// an event loop there is blocking_durable_request.hpp.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <skald/commit.hpp>
#include <skald/options.hpp>
#include <skald/queue.hpp>

namespace skald {

class client;

namespace detail {
struct durable_steps;
}

// What came of a request.
struct durable_reply {
  durable_reply() = default;
  durable_reply(std::string text) : body(std::move(text)) {}  // NOLINT(google-explicit-constructor)
  durable_reply(const char* text) : body(text) {}             // NOLINT(google-explicit-constructor)
  // The request is done, and could not be: for good. What may work another time is better thrown; see run().
  static durable_reply failure(std::string why) {
    durable_reply no(std::move(why));
    no.failed = true;
    return no;
  }
  std::string body;
  bool failed = false;  // the responder could not do it, and the body is why
};

// The same to be stored; read before the call returns.
struct durable_answer {
  std::string_view body = {};
  bool failed = false;
};

struct ask_options {
  skald::timeout timeout = {};
  // What the request belongs to, and what caused it; empty: it begins something, under its own id.
  std::string_view correlation_id = {};
  std::string_view causation_id = {};
};

struct durable_settings {
  std::uint32_t partitions = 1;                // of both topics; never to be changed
  std::optional<milliseconds> retention = {};  // of both; absent: for ever
  // Of the queue: until a responder that says nothing loses a request, and how often one is tried before it
  // goes to the dead letters, unanswered.
  std::optional<milliseconds> lease = {};
  std::optional<std::uint32_t> max_attempts = {};
  skald::timeout timeout = {};
};

// A request, leased to one responder.
class durable_request {
 public:
  durable_request() = default;
  std::string_view id() const { return lease_.key().value_or(""); }
  std::string_view body() const { return lease_.value().value_or(""); }
  // 1 for the first. What the ones before did outside their commits may have been done.
  std::uint32_t attempt() const { return lease_.attempt(); }

 private:
  friend struct detail::durable_steps;
  delivery lease_;
};

class durable_responder;

class durable_service {
 public:
  template <class Result>
  using awaitable = boost::asio::awaitable<Result>;

  // Does no I/O.
  durable_service(client& broker, std::string_view name);

  // Makes the two topics and the queue, unless they are there.
  awaitable<void> create(durable_settings settings = {});
  // The stored reply, or else the one that comes: the request is stored unless it is known. An id has 1 to
  // 240 bytes. Fails with deadline_exceeded when there is no reply in time: ask again, with the same id, at
  // any time. Without a timeout it waits without limit.
  awaitable<durable_reply> ask(std::string_view id, std::string_view body, ask_options options = {});
  // Its parts: stores the request, and says whether it was new; and the stored reply, if there is one.
  awaitable<bool> send(std::string_view id, std::string_view body, ask_options options = {});
  awaitable<std::optional<durable_reply>> find(std::string_view id, call_options options = {});

  // Begins to receive requests, so many at a time. They are worked on one after the other, all within the
  // lease that began when they came.
  awaitable<durable_responder> serve(std::uint32_t prefetch = 1, call_options options = {});

 private:
  client* broker_;
  std::string requests_;
  std::string replies_;
};

// Made by durable_service::serve(). Movable; destroying it closes it.
class durable_responder {
 public:
  template <class Result>
  using awaitable = boost::asio::awaitable<Result>;

  durable_responder() = default;

  // The next request; waits without limit unless options.timeout says so. One at a time.
  awaitable<durable_request> receive(call_options options = {});
  // Commits, all at once: the request is done, its reply is stored, and `effect` takes effect. False, and
  // nothing has happened, when the request is not this responder's any more, because its lease has run out or
  // its connection was lost, or when its reply is stored already. Throws commit_refused when `effect` is to
  // blame; the request is still held then.
  awaitable<bool> answer(const durable_request& to, durable_answer with, commit&& effect);
  awaitable<bool> answer(const durable_request& to, durable_answer with) {
    return answer(to, with, commit());
  }
  // It comes again, to anybody, after a time that doubles with each attempt.
  void retry(const durable_request& what, std::string_view reason);

  // Answers requests, one at a time, until the responder is closed: `work(const durable_request&, commit&)`
  // is awaited and gives the durable_reply. A request whose work throws is tried again later, and so is one
  // whose commit is refused.
  template <class Handler>
  awaitable<void> run(Handler work) {
    return run_each(handler(std::move(work)));
  }

  // receive() and run() end with errc::closed. What is held goes to others. Idempotent.
  void close() { requests_.close(); }

 private:
  friend class durable_service;
  using handler = std::function<awaitable<durable_reply>(const durable_request&, commit&)>;
  durable_responder(client& broker, work_queue requests, std::string replies)
      : broker_(&broker), requests_(std::move(requests)), replies_(std::move(replies)) {}
  awaitable<durable_request> receive_one(call_options options);
  awaitable<bool> commit_answer(durable_request to, commit effect, std::size_t reply);
  awaitable<void> run_each(handler work);
  awaitable<void> run_one(const durable_request& asked, const handler& work);

  client* broker_ = nullptr;
  work_queue requests_;
  std::string replies_;
  deliveries held_;  // the next last
};

}  // namespace skald
