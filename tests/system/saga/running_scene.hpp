// Orchestrators and participants in this process, each with a thread and a client of its own, on a real
// broker.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "tests/system/saga/saga_scene.hpp"

namespace skald::tests {

using namespace std::chrono_literals;
namespace asio = boost::asio;
using sagas::phase;
using sagas::progress;

inline constexpr sagas::saga_topics topics{.max_attempts = 1'000, .backoff_min = milliseconds(10)};

// An orchestrator, or participants, in a thread with a client of their own, until it goes.
class service {
 public:
  explicit service(const std::string& address) : broker(io.get_executor(), {.address = address}) {}
  // To be called by who has what runs here, before that goes.
  void end() {
    asio::post(io, [this] { broker.close(); });
    thread_.join();
  }
  // `what` has create() and run().
  template <class What>
  void run(What& what, sagas::saga_topics settings = topics) {
    asio::co_spawn(io, created_and_run(what, settings), [](const std::exception_ptr&) {});
  }
  void begin() {
    thread_ = std::thread([this] { io.run(); });
  }

  asio::io_context io;
  client broker;

 private:
  template <class What>
  static asio::awaitable<void> created_and_run(What& what, sagas::saga_topics settings) {
    co_await what.create(settings);
    co_await what.run();
  }
  std::thread thread_;
};

struct orchestrating : service {
  orchestrating(const std::string& address, sagas::registry known, sagas::orchestrator_options options = {})
      : service(address), on(broker, "orders", std::move(known), options) {
    run(on);
    begin();
  }
  ~orchestrating() { end(); }
  sagas::orchestrator on;
};

struct participating : service {
  explicit participating(const std::string& address)
      : service(address), customers(orders::customers(broker)), warehouse(orders::warehouse(broker)) {
    run(customers);
    run(warehouse);
    begin();
  }
  ~participating() { end(); }
  sagas::participant customers;
  sagas::participant warehouse;
};

inline sagas::registry only(sagas::definition what) {
  sagas::registry made;
  made.add(std::move(what));
  return made;
}

struct running_scene : saga_scene {
  // A message to a topic, with these headers.
  void send(const std::string& topic, const std::string& key, const std::string& value,
            const std::vector<header>& with) {
    broker.publish(topic, {.key = key, .value = value, .headers = with});
  }
  void start(int number) {
    const std::string id = orders::id_of(number);
    REQUIRE(becomes([&] { return exists("orders.sagas.inputs"); }));
    send("orders.sagas.inputs", id, std::to_string(number),
         {{sagas::headers::kind, "start"}, {sagas::headers::definition, "create-order"}});
  }
  void order(int number, const char* what) {
    send("orders.sagas.inputs", orders::id_of(number), what, {{sagas::headers::kind, "order"}});
  }
  bool becomes_phase(int number, phase wanted) {
    return becomes([&] {
      const auto all = instances();
      return std::ranges::any_of(all, [&](const sagas::instance& one) {
        return one.id == orders::id_of(number) && one.phase == wanted;
      });
    });
  }
};

}  // namespace skald::tests
