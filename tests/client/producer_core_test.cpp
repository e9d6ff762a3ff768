// What a producer does, told step by step: the test holds the wire.
#include <skald/protocol/partitioner.hpp>

#include "tests/client/producer_harness.hpp"

using namespace skald;
using namespace skald::test;

namespace {

using texts = std::vector<std::string>;

// Connected, with topic "t" described and an identity, so that records go straight to their streams.
struct running : producer_harness {
  explicit running(producer_options options = {}, std::uint32_t partitions = 1) : producer_harness(options) {
    add_topic("t", partitions);
    connect();
    send("t", "first", {.partition = partition_id(0)});
    core.begin_flush();
    settle();
    CHECK(code_of("first") == errc::ok);
  }
  void send_all(const texts& values) {
    for (const auto& value : values) REQUIRE(send("t", value, {.partition = partition_id(0)}));
  }
  // Each in a batch of its own, all in flight.
  void send_apart(const texts& values) {
    for (const auto& value : values) {
      send_all({value});
      seal_open();
    }
  }
  // A large record does not fit into the open batch, and closes it.
  void seal_open() {
    core.begin_flush();
    pass(1ms);
  }
};

// Lets a flush send what is open although something is in flight.
constexpr producer_options apart{.linger = 1h};

}  // namespace

TEST_SUITE("producer core") {
  TEST_CASE("records wait for connection, description and identity, and then travel together") {
    producer_harness p;
    p.add_topic("t", 1);
    for (const char* value : {"a", "b", "c"}) CHECK(p.send("t", value));
    p.poll();
    CHECK(p.wire.empty());
    p.connect();
    REQUIRE(p.wire.size() == 1);
    CHECK(p.wire.front().appends.size() == 1);
    p.settle();
    CHECK(p.stored("t", 0) == texts{"a", "b", "c"});
    CHECK(p.outcomes.at("c")->offset == offset(2));
  }

  TEST_CASE("without linger, what gathers while a batch is on its way is the next batch") {
    running p;
    p.send_all({"a"});
    p.poll();
    REQUIRE(p.wire.size() == 1);
    p.send_all({"b", "c"});
    p.poll();
    CHECK(p.wire.size() == 1);
    p.broker_reads();
    p.client_reads();
    REQUIRE(p.wire.size() == 1);
    p.settle();
    CHECK(p.partition("t", 0).batches.size() == 3);
    CHECK(p.stored("t", 0) == texts{"first", "a", "b", "c"});
  }

  TEST_CASE("with linger, a batch waits for more until its time has come") {
    running p({.linger = 10ms});
    p.send_all({"a"});
    p.poll();
    CHECK(p.wire.empty());
    CHECK(p.wake_at == p.now + 10ms);
    p.pass(9ms);
    p.send_all({"b"});
    CHECK(p.wire.empty());
    p.pass(1ms);
    CHECK(p.wire.size() == 1);
    SUBCASE("a flush does not wait") {
      p.send_all({"c"});
      p.core.begin_flush();
      p.poll();
      CHECK(p.wire.size() == 2);
    }
  }

  TEST_CASE("a full batch goes at once, as many at a time as the broker remembers") {
    running p({.batch_bytes = 1'000});
    const std::string large(400, '.');
    for (int i = 0; i < 40; ++i) p.send_all({std::to_string(i) + large});
    p.poll();
    std::size_t appends = 0;
    for (const auto& frame : p.wire) appends += frame.appends.size();
    CHECK(appends == protocol::remembered_batches);
    p.settle();
    CHECK(p.partition("t", 0).end == 41);
    CHECK(p.partition("t", 0).batches.size() == 21);
  }

  TEST_CASE("bytes in flight are limited over all partitions") {
    running p({.batch_bytes = 1'000, .in_flight_bytes_max = 2'500}, 4);
    const std::string large(900, '.');
    for (std::uint32_t i = 0; i < 4; ++i)
      p.send("t", std::to_string(i) + large, {.partition = partition_id(i)});
    p.poll();
    std::size_t appends = 0;
    for (const auto& frame : p.wire) appends += frame.appends.size();
    CHECK(appends == 2);
    p.settle();
    CHECK(p.outcomes.size() == 5);
  }

  TEST_CASE("where not all fit, partitions take turns, however much one of them has") {
    running p({.batch_bytes = 1'000, .in_flight_bytes_max = 1'000}, 3);
    const std::string large(900, '.');
    int sent = 0;
    const auto send_to = [&](partition_id partition) {
      REQUIRE(p.send("t", std::to_string(sent++) + large, {.partition = partition}));
    };
    for (std::uint32_t i = 0; i < 3; ++i) send_to(partition_id(i));
    p.poll();
    std::vector<std::uint32_t> served;
    while (served.size() < 6) {
      REQUIRE(p.wire.size() == 1);
      REQUIRE(p.wire.front().appends.size() == 1);
      const partition_id partition = p.wire.front().appends.front().partition;
      served.push_back(partition.value());
      send_to(partition);
      p.broker_reads();
      p.client_reads();
    }
    CHECK(served == std::vector<std::uint32_t>{0, 1, 2, 0, 1, 2});
  }

  TEST_CASE("a partition that is not answered gives up in time, whatever goes on in another") {
    running p({.delivery_timeout = 30s}, 2);
    p.send("t", "unanswered", {.partition = partition_id(1)});
    p.poll();
    REQUIRE(p.wire.size() == 1);
    p.wire.clear();
    for (int second = 0; second < 29; ++second) {
      p.send_all({std::to_string(second)});
      p.settle();
      p.pass(1s);
    }
    CHECK_FALSE(p.outcomes.contains("unanswered"));
    p.send_all({"last"});
    p.settle();
    p.pass(1s);
    CHECK(p.code_of("unanswered") == errc::deadline_exceeded);
    CHECK(p.code_of("last") == errc::ok);
  }

  TEST_CASE(
      "a batch that was acknowledged keeps its buffer for as long as the write holds it, and then gives it "
      "on") {
    running p(apart);
    p.send_apart({"a"});
    REQUIRE(p.wire.size() == 1);
    auto written = p.wire.front().appends.front().batch;  // the write is still under way
    const std::vector<std::byte> bytes = *written;
    p.broker_reads();
    p.client_reads();
    CHECK(p.code_of("a") == errc::ok);
    p.send_apart({"b", "c"});
    p.settle();
    CHECK(*written == bytes);
    const std::byte* const buffer = written->data();
    written.reset();
    p.send_apart({"d"});
    p.settle();
    p.send_apart({"e", "f", "g", "h"});
    bool reused = false;
    for (const auto& frame : p.wire)
      for (const auto& append : frame.appends) reused |= append.batch->data() == buffer;
    CHECK(reused);
  }

  TEST_CASE("batches of several partitions share a frame") {
    running p({}, 8);
    for (std::uint32_t i = 0; i < 8; ++i) p.send("t", std::to_string(i), {.partition = partition_id(i)});
    p.poll();
    REQUIRE(p.wire.size() == 1);
    CHECK(p.wire.front().appends.size() == 8);
  }

  TEST_CASE("a key decides the partition, as Kafka would; without one, batches take turns") {
    running p({}, 8);
    for (int i = 0; i < 50; ++i) {
      const std::string key = "key" + std::to_string(i);
      p.send("t", "v" + key, {.key = key});
      p.settle();
      CHECK(p.outcomes.at("v" + key)->partition == protocol::partition_for(key, 8));
    }
    std::map<std::uint32_t, int> turns;
    for (int i = 0; i < 16; ++i) {
      const auto value = std::to_string(i);
      p.send("t", value);
      p.send("t", value + "+");
      p.settle();
      CHECK(p.outcomes.at(value)->partition == p.outcomes.at(value + "+")->partition);
      ++turns[p.outcomes.at(value)->partition.value()];
    }
    CHECK(turns.size() == 8);
  }

  TEST_CASE("partitions that the topic got meanwhile are used") {
    running p({}, 1);
    p.topics.at("t").partitions.resize(4);
    p.send("t", "learns");
    p.settle();
    p.send("t", "third", {.partition = partition_id(3)});
    p.settle();
    CHECK(p.stored("t", 3) == texts{"third"});
  }

  TEST_CASE(
      "a lost answer: the batch is sent again, and the broker tells where it was stored the first time") {
    running p;
    p.send_all({"a"});
    p.poll();
    p.broker_reads();
    p.lose_connection();
    p.connect();
    p.settle();
    CHECK(p.duplicates == 1);
    CHECK(p.stored("t", 0) == texts{"first", "a"});
    CHECK(p.outcomes.at("a")->offset == offset(1));
    CHECK(p.core.statistics().resent_batches == 1);
  }

  TEST_CASE("a lost connection at every step of several batches: each is stored once, in order") {
    for (int reads = 0; reads <= 4; ++reads)
      for (int answered = 0; answered <= reads; ++answered) {
        CAPTURE(reads);
        CAPTURE(answered);
        running p(apart);
        p.send_apart({"a", "b", "c", "d"});
        REQUIRE(p.wire.size() == 4);
        for (int i = 0; i < reads; ++i) p.broker_reads();
        for (int i = 0; i < answered; ++i) p.client_reads();
        p.lose_connection();
        p.connect();
        p.settle();
        CHECK(p.stored("t", 0) == texts{"first", "a", "b", "c", "d"});
        CHECK(p.duplicates == static_cast<std::size_t>(reads - answered));
        for (const char* value : {"a", "b", "c", "d"}) CHECK(p.code_of(value) == errc::ok);
      }
  }

  TEST_CASE("an answer that overtakes another does not renumber what is in doubt") {
    running p(apart);
    p.send_apart({"a", "b"});
    p.broker_reads();
    p.broker_reads();
    std::swap(p.answers[0], p.answers[1]);
    p.client_reads();  // of "b"
    p.lose_connection();
    p.connect();
    p.settle();
    CHECK(p.stored("t", 0) == texts{"first", "a", "b"});
    CHECK(p.duplicates == 1);
  }

  TEST_CASE("a definite refusal fails its batch; those behind it are renumbered and stored") {
    running p(apart);
    p.send_apart({"a", "b", "c"});
    int seen = 0;
    p.refuse = [&](const auto&) { return ++seen == 1 ? errc::topic_full : errc::ok; };
    p.settle();
    CHECK(p.code_of("a") == errc::topic_full);
    CHECK(p.code_of("b") == errc::ok);
    CHECK(p.stored("t", 0) == texts{"first", "b", "c"});
    p.send_all({"d"});
    p.seal_open();
    p.settle();
    CHECK(p.code_of("d") == errc::ok);
  }

  TEST_CASE("a refusal that may pass is waited out, in order") {
    for (const errc code : {errc::storage_full, errc::overloaded, errc::shutting_down}) {
      running p(apart);
      p.send_apart({"a", "b", "c"});
      bool full = true;
      p.refuse = [&](const auto&) { return full ? code : errc::ok; };
      p.settle();
      CHECK(p.outcomes.size() == 1);
      full = false;
      REQUIRE(p.wake_at);
      p.now = *p.wake_at;
      p.settle();
      CHECK(p.stored("t", 0) == texts{"first", "a", "b", "c"});
    }
  }

  TEST_CASE("a refusal of the very first batch does not let the second in front of it") {
    producer_harness p(apart);
    p.add_topic("t", 1);
    p.connect();
    int seen = 0;
    p.refuse = [&](const auto&) { return ++seen == 1 ? errc::overloaded : errc::ok; };
    for (const char* value : {"a", "b"}) {
      p.send("t", value);
      p.core.begin_flush();
      p.poll();
    }
    p.settle();
    p.pass(1s);
    p.settle();
    CHECK(p.stored("t", 0) == texts{"a", "b"});
  }

  TEST_CASE("a broker that has lost track of the producer gets a new identity, and nothing twice") {
    running p(apart);
    p.send_apart({"a", "b"});
    p.partition("t", 0).producers.begin()->second = {.epoch = 0, .next_sequence = 77, .last = {}};
    p.settle();
    p.pass(1s);
    p.settle();
    CHECK(p.next_identity == 3);
    CHECK(p.stored("t", 0) == texts{"first", "a", "b"});
    CHECK(p.partition("t", 0).producers.size() == 2);
  }

  TEST_CASE("what is not acknowledged in time has failed, and says whether it was sent") {
    running p({.delivery_timeout = 30s});
    p.send_all({"sent"});
    p.poll();
    p.send_all({"unsent"});
    p.pass(30s);
    CHECK(p.code_of("sent") == errc::deadline_exceeded);
    CHECK(p.outcomes.at("sent").error().message.find("may be stored") != std::string::npos);
    CHECK(p.outcomes.at("unsent").error().message.find("may be stored") == std::string::npos);
    CHECK(p.core.buffered_bytes() == 0);
    SUBCASE("the next record is stored, whether the one given up was") {
      p.settle();
    }
    SUBCASE("or was not") {
      p.lose_connection();
    }
    p.connect();
    p.send_all({"next"});
    p.settle();
    p.pass(1s);
    p.settle();
    CHECK(p.code_of("next") == errc::ok);
    CHECK(p.stored("t", 0).back() == "next");
  }

  TEST_CASE("an unknown topic fails what waits for it, and is asked for again") {
    producer_harness p;
    p.connect();
    p.send("t", "a");
    p.poll();
    CHECK(p.code_of("a") == errc::unknown_topic);
    p.add_topic("t", 1);
    p.send("t", "b");
    p.settle();
    CHECK(p.code_of("b") == errc::ok);
  }

  TEST_CASE("a topic deleted and created anew with fewer partitions is noticed") {
    running p({}, 4);
    p.topics.erase("t");
    p.send("t", "gone", {.partition = partition_id(2)});
    p.settle();
    CHECK(p.code_of("gone") == errc::unknown_topic);
    p.add_topic("t", 1);
    p.send("t", "nowhere", {.partition = partition_id(2)});
    p.poll();
    CHECK(p.code_of("nowhere") == errc::unknown_partition);
    p.send("t", "here");
    p.settle();
    CHECK(p.stored("t", 0) == texts{"here"});
  }

  TEST_CASE("a full buffer accepts nothing until something is settled") {
    running p({.buffer_bytes_max = 1'000});
    const std::string large(400, '.');
    CHECK(p.send("t", "a" + large));
    CHECK(p.send("t", "b" + large));
    CHECK(!p.send("t", "c" + large));
    p.settle();
    CHECK(p.send("t", "c" + large));
    SUBCASE("a record larger than all of it is accepted when it is empty") {
      p.settle();
      CHECK(p.send("t", std::string(5'000, '.')));
    }
  }

  TEST_CASE("records that can never be stored are refused when they are handed in") {
    running p;
    CHECK_THROWS_WITH_AS(p.send("bad name", "x"), doctest::Contains("topic name"), error);
    CHECK_THROWS_AS(p.send("t", std::string(2u << 20, '.')), error);
    CHECK_THROWS_AS(p.send("t", "x", {.time = timestamp(-1ms)}), error);
    p.record_bytes_max = 100;
    p.add_topic("u", 1);
    p.send("u", std::string(101, '.'));
    p.send("u", std::string(100, '.'));
    p.settle();
    CHECK(p.code_of(std::string(101, '.')) == errc::record_too_large);
    CHECK(p.code_of(std::string(100, '.')) == errc::ok);
  }

  TEST_CASE("a partition not known yet is asked for before its record is refused") {
    running p;
    REQUIRE(p.send("t", "too far", {.partition = partition_id(9)}));
    p.settle();
    CHECK(p.code_of("too far") == errc::unknown_partition);
    p.add_topic("t", 10);
    REQUIRE(p.send("t", "added meanwhile", {.partition = partition_id(9)}));
    p.settle();
    CHECK(p.code_of("added meanwhile") == errc::ok);
    CHECK(p.stored("t", 9) == texts{"added meanwhile"});
  }

  TEST_CASE("a topic's batch_bytes_max limits batches") {
    producer_harness p;
    p.batch_bytes_max = 500;
    p.add_topic("t", 1);
    p.connect();
    for (int i = 0; i < 20; ++i) p.send("t", std::to_string(i) + std::string(100, '.'));
    p.settle();
    CHECK(p.partition("t", 0).end == 20);
    for (const auto& batch : p.partition("t", 0).batches) CHECK(batch.bytes.size() <= 500);
  }

  TEST_CASE("a flush is done when everything from before it is, whatever comes after") {
    running p(apart);
    p.send_apart({"a"});
    const auto flush = p.core.begin_flush();
    CHECK(!p.core.flushed(flush));
    p.send_all({"later"});
    while (!p.wire.empty()) p.broker_reads();
    while (!p.answers.empty()) p.client_reads();
    CHECK(p.core.flushed(flush));
    CHECK(!p.outcomes.contains("later"));
  }

  TEST_CASE("a flush covers records that wait for the topic's description") {
    producer_harness p;
    p.add_topic("t", 1);
    p.answer_questions = false;
    p.connect();
    p.send("t", "a");
    const auto flush = p.core.begin_flush();
    p.poll();
    p.send("t", "b");
    CHECK(!p.core.flushed(flush));
    p.answer_questions = true;
    p.core.initialised(std::pair{producer_id(1), producer_epoch(0)}, p.now);
    p.describe("t");
    p.poll();
    CHECK(!p.core.flushed(flush));
    p.settle();
    CHECK(p.core.flushed(flush));
  }

  TEST_CASE("abandoning fails everything") {
    running p(apart);
    p.send_apart({"a"});
    p.send_all({"b"});
    p.core.abandon({errc::closed, "closed"});
    p.poll();
    CHECK(p.code_of("a") == errc::closed);
    CHECK(p.code_of("b") == errc::closed);
    CHECK(p.core.buffered_bytes() == 0);
  }

  TEST_CASE("compressed batches are sent compressed, and read back") {
    for (const auto how : {compression::lz4, compression::zstd}) {
      running p({.compression = how});
      const std::string value(10'000, 'a');
      p.send_all({value});
      p.settle();
      CHECK(p.partition("t", 0).batches.back().bytes.size() < 1'000);
      CHECK(p.stored("t", 0).back() == value);
    }
  }
}
