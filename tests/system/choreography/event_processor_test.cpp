// Choreography with all effects in the broker.
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <future>
#include <set>
#include <stdexcept>

#include "tests/system/choreography/choreography_scene.hpp"

namespace skald::tests {

namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
using choreography::event_processor;
using choreography::handling;
using orders::order_created;

constexpr choreography::processor_settings soon{.backoff_min = 10ms, .backoff_max = 20ms};

// A processor in a thread with a client of its own, until it goes.
class processing {
 public:
  template <class AddHandlers>
  processing(const std::string& address, const char* name, AddHandlers add,
             choreography::processor_settings settings = soon)
      : broker_(io.get_executor(), {.address = address}), processor_(broker_, name) {
    add(processor_);
    asio::co_spawn(io, run(settings), [this](const std::exception_ptr& why) { failure_ = why; });
    thread_ = std::thread([this] { io.run(); });
  }
  ~processing() {
    asio::post(io, [this] {
      processor_.close();
      broker_.close();
    });
    thread_.join();
    CHECK_FALSE(failure_);
  }
  choreography::processor_metrics metrics() {
    return asio::post(io, asio::use_future([this] { return processor_.metrics(); })).get();
  }

  asio::io_context io;

 private:
  asio::awaitable<void> run(choreography::processor_settings settings) {
    try {
      co_await processor_.create(settings);
      co_await processor_.run();
    } catch (const error& why) {
      if (why.code() != errc::closed) throw;  // it may go before it has begun
    }
  }
  client broker_;
  event_processor processor_;
  std::exception_ptr failure_;
  std::thread thread_;
};

void handle_customers(event_processor& at) {
  at.on<order_created>(orders::order_topic,
                       [](const order_created& event, handling& in) { orders::decide_credit(event, in); });
}

// Notes each event in the ledger, under its key.
void keep_ledger(event_processor& at) {
  at.on<order_created>(orders::order_topic, [](const order_created& event, handling& in) {
    const std::string number = std::to_string(event.number);
    in.effect.append("ledger", {.key = in.aggregate_id(), .value = number});
  });
}

}  // namespace

TEST_CASE_FIXTURE(choreography_scene, "an order goes through both services, each event once") {
  processing customers(address, "customers", handle_customers);
  processing of_orders(address, "orders", [](event_processor& at) { orders::handle_orders(at); });
  for (int number = 1; number <= 20; ++number) create_order(number);
  CHECK(becomes([&] { return records(orders::order_topic) == 40; }));
  for (int number = 1; number <= 20; ++number) check_order(number);
  CHECK(customers.metrics().handled == 20);
  // Orders do not handle what they publish, customers not what they have no handler for.
  CHECK(becomes([&] { return customers.metrics().ignored == 20; }));
}

TEST_CASE_FIXTURE(choreography_scene, "what an event has caused says so, down to the last") {
  const processing customers(address, "customers", handle_customers);
  const processing of_orders(address, "orders", [](event_processor& at) { orders::handle_orders(at); });
  create_order(1, "request-7");
  CHECK(becomes([&] { return records(orders::order_topic) == 2; }));
  const auto header_of = [&](const char* topic, offset at, std::string_view name) {
    const record found = *broker.fetch(topic, partition_id(0), at).begin();
    return std::string(tracing::find_header(found, name).value_or("-"));
  };
  CHECK(header_of(orders::customer_topic, offset(0), "causation-id") == "request-7");
  CHECK(header_of(orders::customer_topic, offset(0), "correlation-id") == "request-7");
  CHECK(header_of(orders::order_topic, offset(1), "causation-id") == "customer-events/0/0");
  CHECK(header_of(orders::order_topic, offset(1), "correlation-id") == "request-7");
}

TEST_CASE_FIXTURE(choreography_scene,
                  "an event that was published twice is handled once, also by two at once") {
  constexpr int pairs = 50;
  // Of different aggregates, so that nothing keeps the two apart.
  for (int pair = 1; pair <= pairs; ++pair)
    for (const char* key : {"a", "b"}) {
      const std::string id = "message-" + std::to_string(pair);
      publish(orders::order_topic, key + std::to_string(pair), order_created{pair}, id);
    }
  processing one(address, "books", keep_ledger);
  processing other(address, "books", keep_ledger);
  CHECK(becomes([&] {
    const auto first = one.metrics();
    const auto second = other.metrics();
    return first.handled + second.handled + first.duplicates + second.duplicates == 2 * pairs;
  }));
  CHECK(one.metrics().handled + other.metrics().handled == pairs);
  CHECK(records("ledger") == pairs);
  CHECK(becomes([&] { return broker.describe_queue(orders::order_topic, "books").ready == 0; }));
}

TEST_CASE_FIXTURE(choreography_scene, "a failed event keeps its place before the later ones of its key") {
  for (int number = 1; number <= 5; ++number)
    for (const char* key : {"bad", "good"}) publish(orders::order_topic, key, order_created{number});
  processing books(address, "books", [](event_processor& at) {
    at.on<order_created>(orders::order_topic, [](const order_created& event, handling& in) {
      if (in.aggregate_id() == "bad" && event.number % 2 == 1 && in.attempt() < 3)
        throw std::runtime_error("not yet");
      const std::string number = std::to_string(event.number);
      in.effect.append("ledger", {.key = in.aggregate_id(), .value = number});
    });
  });
  CHECK(becomes([&] { return records("ledger") == 10; }));
  const std::vector<std::string> in_order{"1", "2", "3", "4", "5"};
  CHECK(values("ledger", "bad") == in_order);
  CHECK(values("ledger", "good") == in_order);
  CHECK(books.metrics().failures == 6);
}

TEST_CASE_FIXTURE(choreography_scene,
                  "a poison event is parked with the later ones of its key, until retried") {
  std::atomic<bool> mended{false};
  const processing books(address, "books",
                         [&mended](event_processor& at) {
                           at.on<order_created>(
                               orders::order_topic, [&mended](const order_created& event, handling& in) {
                                 if (event.number == 2 && !mended)
                                   throw std::runtime_error("cannot digest 2");
                                 const std::string number = std::to_string(event.number);
                                 in.effect.append("ledger", {.key = in.aggregate_id(), .value = number});
                               });
                         },
                         {.backoff_min = 1h, .backoff_max = 1h});
  for (int number = 1; number <= 3; ++number)
    for (const char* key : {"bad", "bad too"}) publish(orders::order_topic, key, order_created{number});
  for (int number = 11; number <= 13; ++number) publish(orders::order_topic, "good", order_created{number});
  // One that makes no sense is as good as poison.
  commit senseless;
  const std::array type{header{eventsourcing::event_type_header, order_created::name}};
  senseless.append(orders::order_topic, {.key = "senseless", .value = "no number", .headers = type});
  broker.commit(std::move(senseless));

  CHECK(becomes([&] { return values("ledger", "good").size() == 3; }));
  CHECK(becomes([&] { return broker.describe_queue(orders::order_topic, "books").parked == 3; }));
  CHECK(values("ledger", "bad") == std::vector<std::string>{"1"});
  CHECK(values("ledger", "bad too") == std::vector<std::string>{"1"});
  std::set<std::string> reasons;
  for (const peeked_record& one : broker.peek_queue(orders::order_topic, "books", partition_id(0)).records)
    reasons.insert(one.reason);
  CHECK(reasons.contains("cannot digest 2"));

  mended = true;
  CHECK(broker.retry_queue(orders::order_topic, "books") == 3);
  CHECK(becomes([&] { return records("ledger") == 9; }));
  const std::vector<std::string> in_order{"1", "2", "3"};
  CHECK(values("ledger", "bad") == in_order);
  CHECK(values("ledger", "bad too") == in_order);
}

TEST_CASE_FIXTURE(choreography_scene, "a handler whose expected version is taken is called again") {
  broker.publish("ledger", {.key = "sum", .value = "0"});
  std::atomic<int> calls{0};
  processing books(address, "books", [&calls](event_processor& at) {
    at.on<order_created>(orders::order_topic, [&calls](const order_created&, handling& in) {
      // The first guess is wrong.
      const std::uint64_t version = ++calls == 1 ? 0 : 1;
      in.effect.append("ledger", {.key = "sum", .value = "1"}).expect_version(version);
    });
  });
  create_order(1, "message-1");
  CHECK(becomes([&] { return records("ledger") == 2; }));
  CHECK(calls == 2);
  CHECK(books.metrics().conflicts == 1);
  CHECK(books.metrics().failures == 0);
}

TEST_CASE_FIXTURE(choreography_scene, "who wakes when another has taken over changes nothing") {
  std::atomic<bool> asleep{false};
  std::atomic<bool> wakes{false};
  const choreography::processor_settings short_lease{.lease = 100ms};
  processing slow(
      address, "books",
      [&](event_processor& at) {
        at.on<order_created>(orders::order_topic,
                             [&](const order_created&, handling& in) -> asio::awaitable<void> {
                               asleep = true;
                               asio::steady_timer timer(co_await asio::this_coro::executor);
                               while (!wakes) {
                                 timer.expires_after(1ms);
                                 co_await timer.async_wait(asio::use_awaitable);
                               }
                               in.effect.append("ledger", {.key = "late", .value = "late"});
                             });
      },
      short_lease);
  create_order(1);
  REQUIRE(becomes([&] { return asleep.load(); }));
  {
    const processing quick(address, "books", keep_ledger, short_lease);
    CHECK(becomes([&] { return records("ledger") == 1; }));
  }
  wakes = true;
  CHECK(becomes([&] { return slow.metrics().overtaken >= 1; }));
  CHECK(slow.metrics().handled == 0);
  CHECK(records("ledger") == 1);
  CHECK(values("ledger", "order-1") == std::vector<std::string>{"1"});
}

}  // namespace skald::tests
