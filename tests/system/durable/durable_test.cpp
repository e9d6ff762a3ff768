// Durable requests through the real client and the real broker, in both styles.
#include <doctest/doctest.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <skald/skald.hpp>
#include <stdexcept>
#include <string>
#include <thread>

#include "tests/system/support/skaldd_process.hpp"

namespace skald::tests {

namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

struct durable_fixture {
  scratch_directory directory;
  skaldd_process server{SKALDD_PROGRAM, directory.path()};
  std::string address = server.address();
  blocking_client broker{{.address = address, .timeout = 30s}};
  blocking_durable_service prices{broker, "price"};

  durable_fixture() {
    broker.create_topic("ledger");
    prices.create({.partitions = 2});
    broker.alter_queue("price.requests", "responders", {.backoff_min = 10ms});
  }
  std::uint64_t records(const char* topic) { return broker.describe_topic(topic).records; }
};

// A responder in a thread of its own, until it goes.
class responding {
 public:
  template <class Handler>
  responding(const std::string& address, Handler work)
      : broker_({.address = address, .timeout = 30s}),
        responder_(blocking_durable_service(broker_, "price").serve()),
        thread_([this, work] { responder_.run(work); }) {}
  ~responding() {
    responder_.close();
    thread_.join();
  }

 private:
  blocking_client broker_;
  blocking_durable_responder responder_;
  std::thread thread_;
};

}  // namespace

TEST_CASE_FIXTURE(durable_fixture, "a request is answered, and asked again it gets the stored reply") {
  std::atomic<int> worked{0};
  const responding on(address, [&](const durable_request& asked, commit& effect) {
    ++worked;
    effect.append("ledger", {.value = asked.id()});
    return durable_reply("price of " + std::string(asked.body()));
  });
  CHECK(prices.ask("order-1", "tea").body == "price of tea");
  CHECK(prices.ask("order-2", "ink").body == "price of ink");
  CHECK(prices.ask("order-1", "tea").body == "price of tea");
  CHECK(prices.ask("order-1", "whatever it says now").body == "price of tea");
  CHECK_FALSE(prices.send("order-1", "tea"));
  CHECK(worked == 2);
  CHECK(records("ledger") == 2);
  CHECK(records("price.requests") == 2);
}

TEST_CASE_FIXTURE(durable_fixture, "a caller that does not wait finds the reply later") {
  CHECK(prices.send("order-1", "tea"));
  CHECK_FALSE(prices.send("order-1", "tea"));
  CHECK_FALSE(prices.find("order-1"));
  try {
    prices.ask("order-1", "tea", {.timeout = 100ms});
    FAIL("there is nobody to answer");
  } catch (const error& why) {
    CHECK(why.code() == errc::deadline_exceeded);
  }
  blocking_durable_responder responder = prices.serve();
  const durable_request asked = responder.receive();
  CHECK(asked.id() == "order-1");
  CHECK(responder.answer(asked, {.body = "2.50"}));
  REQUIRE(prices.find("order-1"));
  CHECK(prices.find("order-1")->body == "2.50");
  CHECK(records("price.requests") == 1);
}

TEST_CASE_FIXTURE(durable_fixture, "a failure is a reply, and an exception is tried again") {
  std::atomic<int> attempts{0};
  const responding on(address, [&](const durable_request& asked, commit&) {
    if (asked.body() == "hopeless") return durable_reply::failure("there is no such thing");
    if (++attempts < 3) throw std::runtime_error("not now");
    return durable_reply("at last");
  });
  const durable_reply no = prices.ask("order-1", "hopeless");
  CHECK(no.failed);
  CHECK(no.body == "there is no such thing");
  const durable_reply yes = prices.ask("order-2", "hard");
  CHECK_FALSE(yes.failed);
  CHECK(yes.body == "at last");
  CHECK(attempts == 3);
}

TEST_CASE_FIXTURE(durable_fixture, "a request that is another's by now is not answered twice") {
  broker.alter_queue("price.requests", "responders", {.lease = 100ms});
  prices.send("order-1", "tea");
  blocking_durable_responder slow = prices.serve();
  const durable_request first = slow.receive();
  const durable_request again = slow.receive();  // its lease has run out
  CHECK(again.attempt() > 1);
  commit late;
  late.append("ledger", {.value = "late"});
  CHECK_FALSE(slow.answer(first, {.body = "late"}, std::move(late)));
  CHECK(records("ledger") == 0);
  CHECK_FALSE(prices.find("order-1"));
}

TEST_CASE_FIXTURE(durable_fixture,
                  "a request whose reply is stored is not done again, though its id is forgotten") {
  broker.publish("price.replies", {.key = "order-1", .value = "from long ago"});
  prices.send("order-1", "tea");
  blocking_durable_responder responder = prices.serve();
  commit effect;
  effect.append("ledger", {.value = "twice"});
  CHECK_FALSE(responder.answer(responder.receive(), {.body = "new"}, std::move(effect)));
  CHECK(records("ledger") == 0);
  CHECK(prices.ask("order-1", "tea").body == "from long ago");
  CHECK_FALSE(responder.receive_for(300ms));
}

TEST_CASE_FIXTURE(durable_fixture, "request, reply and work say what they belong to and what caused them") {
  const responding on(address, [&](const durable_request& asked, commit& effect) {
    effect.append("ledger", {.value = asked.id()});
    return durable_reply("done");
  });
  const auto ids = [&](const char* topic, const char* key) {
    std::vector<std::string> found;
    for (const std::uint32_t partition : {0u, 1u})
      for (const record& one : broker.fetch(topic, partition_id(partition), offset(0)))
        if (one.key() == key)
          for (const auto name :
               {tracing::message_id_header, tracing::correlation_id_header, tracing::causation_id_header})
            found.emplace_back(tracing::find_header(one, name).value_or("-"));
    return found;
  };
  prices.ask("first", "tea");
  CHECK(ids("price.requests", "first") == std::vector<std::string>{"price.requests/first", "first", "-"});
  CHECK(ids("price.replies", "first") == std::vector<std::string>{"-", "first", "price.requests/first"});
  const skald::records ledger = broker.fetch("ledger", partition_id(0), offset(0));
  CHECK(tracing::caused_by(*ledger.begin()).correlation_id == "first");
  CHECK(tracing::find_header(*ledger.begin(), tracing::causation_id_header) == "price.requests/first");
  prices.ask("second", "ink", {.correlation_id = "order-42", .causation_id = "a"});
  CHECK(ids("price.requests", "second") ==
        std::vector<std::string>{"price.requests/second", "order-42", "a"});
  CHECK(ids("price.replies", "second") == std::vector<std::string>{"-", "order-42", "price.requests/second"});
}

TEST_CASE_FIXTURE(durable_fixture, "both sides as coroutines of one program") {
  asio::io_context io;
  client to(io.get_executor(), {.address = address});
  durable_service service(to, "price");
  durable_responder responder;
  const auto failed = [&](const std::exception_ptr& why) {
    if (why) std::rethrow_exception(why);
  };
  asio::co_spawn(
      io,
      [&]() -> asio::awaitable<void> {
        co_await service.create();
        responder = co_await service.serve();
        co_await responder.run(
            [&](const durable_request& asked, commit& effect) -> asio::awaitable<durable_reply> {
              effect.append("ledger", {.value = asked.id()});
              co_return std::string(asked.body()) + "!";
            });
      },
      failed);
  asio::co_spawn(
      io,
      [&]() -> asio::awaitable<void> {
        const durable_reply said = co_await service.ask("order-1", "hello");
        CHECK(said.body == "hello!");
        const std::optional<durable_reply> stored = co_await service.find("order-1");
        REQUIRE(stored);
        CHECK(stored->body == "hello!");
        const bool new_one = co_await service.send("order-1", "hello");
        CHECK_FALSE(new_one);
        responder.close();
        to.close();
      },
      failed);
  io.run();
  CHECK(records("ledger") == 1);
}

}  // namespace skald::tests
