// skald, through its asynchronous client, with one thread for any number of subscribers or requests; workers
// through the blocking one.
#include "bench/compare/skald_live.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <deque>
#include <exception>
#include <skald/blocking_client.hpp>
#include <skald/client.hpp>
#include <utility>

namespace skald::bench::compare {
namespace {

namespace asio = boost::asio;

constexpr const char* subject = "echo";
constexpr milliseconds start_turn{100};

// An event loop with clients, run by whoever waits for something.
class client_loop {
 public:
  client_loop(const std::string& address, std::size_t clients) {
    for (std::size_t i = 0; i < clients; ++i)
      clients_.emplace_back(loop_.get_executor(), client_options{.address = address});
  }
  // Lets what is pending complete, so that nothing outlives its client.
  ~client_loop() {
    for (skald::client& each : clients_) each.close();
    loop_.restart();
    loop_.run();
  }
  client_loop(const client_loop&) = delete;
  client_loop& operator=(const client_loop&) = delete;

  skald::client& operator[](std::size_t which) { return clients_[which]; }
  void spawn(asio::awaitable<void> task) {
    asio::co_spawn(loop_, std::move(task), [this](std::exception_ptr why) {
      if (why) failed_ = why;
    });
  }
  void fail(std::exception_ptr why) { failed_ = std::move(why); }
  // Runs what is ready; waits so long for the first.
  void turn(milliseconds wait) {
    loop_.run_one_for(wait);
    loop_.poll();
    if (failed_) std::rethrow_exception(failed_);
  }

 private:
  asio::io_context loop_{1};
  std::deque<skald::client> clients_;
  std::exception_ptr failed_;
};

class skald_audience final : public audience {
 public:
  skald_audience(const std::string& address, std::size_t subscribers, delivery_sink into)
      : into_(std::move(into)), loop_(address, subscribers) {
    for (std::size_t i = 0; i < subscribers; ++i) loop_.spawn(follow(i));
    while (subscribed_ < subscribers) loop_.turn(start_turn);
  }
  void attend(milliseconds patience) override { loop_.turn(patience); }

 private:
  asio::awaitable<void> follow(std::size_t which) {
    subscription from = co_await loop_[which].subscribe(skald_topic, {.from = latest});
    ++subscribed_;
    for (;;) {
      const records some = co_await from.receive();
      for (const record& each : some) into_(which, each.value().value_or(std::string_view()));
    }
  }

  delivery_sink into_;
  std::size_t subscribed_ = 0;
  client_loop loop_;  // which ends first
};

class skald_caller final : public caller {
 public:
  explicit skald_caller(const std::string& address) : loop_(address, 1) {}
  // It leaves with the next turn of the loop, which receive() takes.
  void ask(std::string_view request) override {
    loop_[0].request(subject, request, {}, [this](std::exception_ptr why, const reply& said) {
      if (why) return loop_.fail(std::move(why));
      ++received_;
      if (into_ != nullptr) (*into_)(said.body);
    });
  }
  bool receive(const sink& replies, milliseconds patience) override {
    into_ = &replies;
    const std::uint64_t before = received_;
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (received_ == before && std::chrono::steady_clock::now() < deadline) loop_.turn(patience);
    into_ = nullptr;
    return received_ != before;
  }

 private:
  std::uint64_t received_ = 0;
  const sink* into_ = nullptr;  // while it receives
  client_loop loop_;            // which ends first
};

class skald_responder final : public responder {
 public:
  explicit skald_responder(const std::string& address) : loop_(address, 1) {
    loop_.spawn(answer());
    while (!serves_) loop_.turn(start_turn);
  }
  void serve(milliseconds patience) override { loop_.turn(patience); }

 private:
  asio::awaitable<void> answer() {
    skald::responder echo = co_await loop_[0].serve(subject);
    serves_ = true;
    co_await echo.run([](const service_request& asked) { return std::string(asked.body()); });
  }

  bool serves_ = false;
  client_loop loop_;  // which ends first
};

class skald_worker final : public worker {
 public:
  explicit skald_worker(const std::string& address)
      : broker_({.address = address}),
        queue_(broker_.open_queue(skald_topic, skald_queue, {.prefetch = jobs_ahead_max})) {}
  bool read(const sink& into, milliseconds patience) override {
    const std::optional<deliveries> some = queue_.receive_for(patience);
    if (!some) return false;
    for (const delivery& each : *some) into(each.value().value_or(std::string_view()));
    queue_.ack(*some);
    return true;
  }
  void finish() override { queue_.flush(); }

 private:
  blocking_client broker_;
  blocking_queue queue_;
};

}  // namespace

std::unique_ptr<audience> open_skald_audience(const std::string& address, std::size_t subscribers,
                                              delivery_sink into) {
  return std::make_unique<skald_audience>(address, subscribers, std::move(into));
}
std::unique_ptr<caller> open_skald_caller(const std::string& address) {
  return std::make_unique<skald_caller>(address);
}
std::unique_ptr<responder> open_skald_responder(const std::string& address) {
  return std::make_unique<skald_responder>(address);
}
std::unique_ptr<worker> open_skald_worker(const std::string& address) {
  return std::make_unique<skald_worker>(address);
}

}  // namespace skald::bench::compare
