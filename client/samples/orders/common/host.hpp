// What every service is made of: a connection to the broker, requests that it answers, what it does beside
// that, and a beginning and an end.
//
//   shop::host host("customer-service", options.broker);
//   host.begin_with([&] { return make_topics(host.broker()); });
//   host.serve("customers.get", [&](const shop::request& asked) -> asio::awaitable<json::value> { ... });
//   host.work(participant);
//   return host.run();
//
// Threading: one thread, that of run(), which calls all of it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/json.hpp>
#include <exception>
#include <functional>
#include <skald/client.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "client/samples/orders/common/request.hpp"

namespace shop {

namespace asio = boost::asio;

class host {
 public:
  using step = std::function<asio::awaitable<void>()>;
  using handler = std::function<asio::awaitable<boost::json::value>(const request&)>;

  host(std::string name, const std::string& broker_address);

  skald::client& broker() { return broker_; }

  // In this order, before anything else. A step is repeated while there is no broker: it makes what is not
  // there.
  void begin_with(step first) { beginnings_.push_back(std::move(first)); }
  // Answers requests: what the handler returns, or throws.
  void serve(std::string subject, handler answer) {
    services_.push_back({std::move(subject), std::move(answer), {}});
  }
  // Something with create(), run() and close(), such as an orchestrator or a participant; it outlives this.
  template <class Worker>
  void work(Worker& what) {
    begin_with([&what] { return what.create(); });
    workers_.push_back({[&what] { return what.run(); }, [&what] { what.close(); }});
  }

  // Until SIGTERM or SIGINT: then requests that came are answered, and what was begun is ended. Gives the
  // exit status.
  int run();

 private:
  struct service {
    std::string subject;
    handler answer;
    skald::responder responder;
  };
  struct worker {
    step run;
    std::function<void()> close;
  };
  asio::awaitable<void> begin();
  asio::awaitable<void> repeat(const step& until_done);
  // False: there is no broker just now.
  asio::awaitable<bool> try_step(const step& once);
  asio::awaitable<void> open(service& one);
  asio::awaitable<void> end();
  // Spawns it; when it fails, everything ends.
  void start(asio::awaitable<void> what);
  void stop();
  void close_when_idle();
  void say(std::string_view what) const;

  std::string name_;
  std::string address_;
  asio::io_context io_{1};
  asio::signal_set signals_{io_, SIGINT, SIGTERM};
  skald::client broker_;
  std::vector<step> beginnings_;
  std::vector<service> services_;
  std::vector<worker> workers_;
  std::size_t running_ = 0;
  bool ready_ = false;
  bool stopping_ = false;
  bool failed_ = false;
};

}  // namespace shop
