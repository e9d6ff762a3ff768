// Services for programs without an event loop; made by skald::blocking_client.
//
//   skald::blocking_responder responder = broker.serve("price");
//   responder.run([](const skald::service_request& asked) { return price_of(asked.body()); });
//
// Threading and lifetime: as blocking_client's. Any number of threads may receive() or run() on one responder
// at once, which is how more than one request is worked on at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <skald/options.hpp>
#include <skald/service.hpp>

namespace skald {

// See skald::responder.
class blocking_responder {
 public:
  blocking_responder();
  ~blocking_responder();
  blocking_responder(blocking_responder&&) noexcept;
  blocking_responder& operator=(blocking_responder&&) noexcept;

  // The next request; waits without limit.
  service_request receive();
  // The next request, or nothing when none came in this time.
  std::optional<service_request> receive_for(milliseconds patience);

  // Answers every request with the std::string that `handler(const service_request&)` returns, in this
  // thread, until the responder is drained or closed by another. An exception fails the request, as with
  // responder::run().
  template <class Handler>
  void run(Handler handler) {
    for (;;) {
      service_request asked;
      try {
        asked = receive();
      } catch (const error& ended) {
        if (ended.code() == errc::closed) return;
        throw;
      }
      detail::answer_now(handler, asked);
    }
  }

  // Gets no more requests; returns when all it had are answered, and it has left.
  void drain(call_options options = {});
  // Leaves at once; receive() in other threads throws errc::closed.
  void close();
  const std::string& subject() const;
  const std::string& instance() const;

 private:
  friend class blocking_client;
  struct state;
  explicit blocking_responder(std::shared_ptr<state> made);
  std::shared_ptr<state> state_;
};

// See skald::service_watch.
class blocking_service_watch {
 public:
  blocking_service_watch();
  ~blocking_service_watch();
  blocking_service_watch(blocking_service_watch&&) noexcept;
  blocking_service_watch& operator=(blocking_service_watch&&) noexcept;

  // The next event; waits without limit.
  service_event receive();
  // The next event, or nothing when none came in this time.
  std::optional<service_event> receive_for(milliseconds patience);
  // A receive() in another thread throws errc::closed.
  void close();

 private:
  friend class blocking_client;
  struct state;
  explicit blocking_service_watch(std::shared_ptr<state> made);
  std::shared_ptr<state> state_;
};

}  // namespace skald
