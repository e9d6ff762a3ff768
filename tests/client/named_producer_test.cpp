// What a producer with a name does, told step by step: the test holds the wire.
#include "tests/client/async_fixture.hpp"
#include "tests/client/producer_harness.hpp"

using namespace skald;
using namespace skald::test;

namespace {

using texts = std::vector<std::string>;

// Has the name, and has stored a record in each of its partitions. A flush sends what is open although
// something is in flight.
struct named : producer_harness {
  explicit named(std::uint32_t partitions = 2, milliseconds delivery_timeout = 30s)
      : producer_harness({.name = "feed", .linger = 1h, .delivery_timeout = delivery_timeout}) {
    add_topic("t", partitions);
    connect();
    for (std::uint32_t i = 0; i < partitions; ++i) send_to(i, "first" + std::to_string(i));
    settle();
    for (std::uint32_t i = 0; i < partitions; ++i) CHECK(code_of("first" + std::to_string(i)) == errc::ok);
  }
  void send_to(std::uint32_t partition, const std::string& value) {
    REQUIRE(send("t", value, {.partition = partition_id(partition)}));
    core.begin_flush();
    poll();
  }
  // As if the broker had lost records that it acknowledged from memory.
  void forget(std::uint32_t index) {
    partition("t", index).producers.at(named_id.value()) = {holder->second.value(), 77, {}};
  }
  void come_to_rest() {
    for (int i = 0; i < 5; ++i) {
      settle();
      pass(1s);
    }
  }
  errc accept_code() {
    return skald::test::code_of([&] { static_cast<void>(send("t", "late")); });
  }
};

}  // namespace

TEST_SUITE("named producer core") {
  TEST_CASE("a name that no producer can have is refused") {
    CHECK(code_of([] { producer_harness({.name = "no spaces"}); }) == errc::invalid_request);
  }

  TEST_CASE("the name is asked for at once, and once for all connections") {
    producer_harness p({.name = "feed"});
    p.connect();
    REQUIRE(p.holder);
    CHECK(p.holder->second == producer_epoch(1));
    p.lose_connection();
    p.connect();
    CHECK(p.holder->second == producer_epoch(1));
  }

  TEST_CASE("a fenced producer fails everything with that code, and stays failed") {
    named p;
    p.take_name();
    p.send_to(0, "a");
    p.send_to(1, "b");
    CHECK(p.send("t", "c", {.partition = partition_id(0)}));
    const auto flush = p.core.begin_flush();
    p.settle();
    for (const char* value : {"a", "b", "c"}) CHECK(p.code_of(value) == errc::fenced_producer);
    CHECK(p.core.flushed(flush));
    CHECK(p.core.fenced()->code == errc::fenced_producer);
    CHECK(p.accept_code() == errc::fenced_producer);
    CHECK(p.core.buffered_bytes() == 0);
    p.lose_connection();
    p.connect();
    p.come_to_rest();
    CHECK(p.holder->second == producer_epoch(2));  // it does not take the name back
    CHECK(p.accept_code() == errc::fenced_producer);
  }

  TEST_CASE("what was in doubt when it was fenced may be stored, what was sent once and refused is not") {
    named p;
    p.send_to(0, "doubtful");
    p.broker_reads();
    p.lose_connection();
    p.take_name();
    p.connect();
    p.settle();
    CHECK(p.outcomes.at("doubtful").error().message.find("may be stored") != std::string::npos);
    named q;
    q.take_name();
    q.send_to(0, "refused");
    q.settle();
    CHECK(q.outcomes.at("refused").error().message.find("may be stored") == std::string::npos);
  }

  TEST_CASE("what the broker has lost track of goes on under the next epoch, and so do all partitions") {
    named p;
    p.forget(0);
    p.send_to(0, "a");
    p.come_to_rest();
    CHECK(p.holder->second == producer_epoch(2));
    p.send_to(1, "b");
    p.send_to(0, "c");
    p.come_to_rest();
    CHECK(p.stored("t", 0) == texts{"first0", "a", "c"});
    CHECK(p.stored("t", 1) == texts{"first1", "b"});
    CHECK(p.holder->second == producer_epoch(2));
  }

  TEST_CASE("the next epoch is asked for when nothing is in flight or in doubt in any partition") {
    named p;
    p.forget(0);
    SUBCASE("in flight") {
      p.send_to(1, "b");
      const auto unanswered = std::move(p.wire.front());
      p.wire.pop_front();
      p.send_to(0, "a");
      p.come_to_rest();
      CHECK(p.holder->second == producer_epoch(1));
      p.wire.push_back(unanswered);
    }
    SUBCASE("in doubt") {
      p.send_to(1, "b");
      p.broker_reads();
      p.lose_connection();
      p.send_to(0, "a");
      p.refuse = [](const auto& append) {
        return append.partition == partition_id(1) ? errc::storage_full : errc::ok;
      };
      p.connect();
      p.come_to_rest();
      CHECK(p.holder->second == producer_epoch(1));
      p.refuse = {};
    }
    p.come_to_rest();
    CHECK(p.holder->second == producer_epoch(2));
    CHECK(p.stored("t", 0) == texts{"first0", "a"});
    CHECK(p.stored("t", 1) == texts{"first1", "b"});
    CHECK(p.code_of("b") == errc::ok);
  }

  TEST_CASE("while it waits for the next epoch nothing is sent, and nothing overtakes") {
    named p;
    p.forget(0);
    p.answer_questions = false;
    p.send_to(0, "a");
    p.come_to_rest();
    p.send_to(1, "b");
    p.send_to(0, "c");
    CHECK(p.wire.empty());
    p.take_name();  // the answer
    p.core.initialised(*p.holder, p.now);
    p.answer_questions = true;
    p.come_to_rest();
    CHECK(p.stored("t", 0) == texts{"first0", "a", "c"});
    CHECK(p.stored("t", 1) == texts{"first1", "b"});
  }

  TEST_CASE("one whose name was taken over while it needed the next epoch is fenced") {
    named p;
    p.forget(0);
    p.send_to(0, "a");
    p.broker_reads();
    p.client_reads();
    p.take_name();
    p.come_to_rest();
    CHECK(p.code_of("a") == errc::fenced_producer);
    CHECK(p.accept_code() == errc::fenced_producer);
    CHECK(p.holder->second == producer_epoch(2));
  }
}
