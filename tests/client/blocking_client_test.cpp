#include <atomic>
#include <future>
#include <thread>

#include "tests/client/async_fixture.hpp"

using namespace skald;
using namespace skald::test;

namespace {

// A fake broker on a thread of its own.
class broker_thread {
 public:
  broker_thread() : thread_([this] { io_.run(); }) {}
  ~broker_thread() {
    on_broker([](fake_broker& of) { of.stop(); });
    io_.stop();
    thread_.join();
  }
  template <class Work>
  std::invoke_result_t<Work, fake_broker&> on_broker(Work work) {
    std::packaged_task<std::invoke_result_t<Work, fake_broker&>()> task([&] { return work(server_); });
    auto done = task.get_future();
    asio::post(io_, [&] { task(); });
    return done.get();
  }
  client_options options() {
    return {.address = address_, .timeout = 10s, .reconnect_delay_min = 1ms, .reconnect_delay_max = 20ms};
  }

 private:
  asio::io_context io_;
  fake_broker server_{io_};
  std::string address_ = server_.address();
  std::thread thread_;
};

}  // namespace

TEST_SUITE("blocking client") {
  TEST_CASE_FIXTURE(broker_thread, "each operation returns when it is done") {
    blocking_client broker(options());
    broker.connect();
    broker.create_topic("t", {.partitions = 2});
    broker.alter_topic("t", {.partitions = 3});
    CHECK(broker.publish("t", {.value = "x", .partition = partition_id(1)}).offset == offset(0));
    CHECK(broker.describe_topic("t").partitions.size() == 3);
    CHECK(broker.list_topics().size() == 1);
    CHECK(broker.list_offsets("t")[1].offset == offset(1));
    CHECK(broker.fetch("t", partition_id(1), offset(0)).size() == 1);
    CHECK(broker.status().topics == 1);
    broker.delete_topic("t");
    CHECK(code_of([&] { broker.describe_topic("t"); }) == errc::unknown_topic);
    CHECK(code_of([&] { broker.publish("bad name", {.value = "x"}); }) == errc::invalid_topic_name);
  }

  TEST_CASE_FIXTURE(broker_thread, "publish and subscribe") {
    blocking_client broker(options());
    broker.create_topic("t");
    auto all = broker.subscribe("t", {.from = earliest});
    CHECK(!all.receive_for(5ms));
    blocking_producer out(broker);
    for (int i = 0; i < 1'000; ++i) out.send("t", {.value = std::to_string(i)});
    out.flush();
    int next = 0;
    while (next < 1'000)
      for (const record& r : all.receive()) CHECK(*r.value() == std::to_string(next++));
    CHECK(all.positions()[0].next == offset(1'000));
    all.seek(offset(998));
    CHECK(all.receive().size() == 2);
  }

  TEST_CASE_FIXTURE(broker_thread, "producers on several threads, into a small buffer") {
    blocking_client broker(options());
    broker.create_topic("t", {.partitions = 3});
    blocking_producer out(broker, {.batch_bytes = 500, .buffer_bytes_max = 2'000});
    std::atomic<std::uint64_t> reported = 0;
    out.on_delivery([&](const delivery_report& report) { reported += report.failed ? 0 : report.records; });
    constexpr int per_thread = 500;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        const std::string key = std::to_string(t);
        for (int i = 0; i < per_thread; ++i)
          out.send("t", {.key = key, .value = key + ":" + std::to_string(i)});
      });
    for (auto& thread : threads) thread.join();
    out.flush();
    CHECK(reported == 4 * per_thread);
    std::vector<int> next(4, 0);
    for (std::uint32_t partition = 0; partition < 3; ++partition) {
      const auto values =
          on_broker([&](fake_broker& of) { return values_of(of.topics.at("t").partitions[partition]); });
      for (const auto& value : values) {  // in the order of each thread
        const auto colon = value.find(':');
        auto& expected = next[static_cast<std::size_t>(std::stoi(value.substr(0, colon)))];
        CHECK(value.substr(colon + 1) == std::to_string(expected++));
      }
    }
    CHECK(next == std::vector<int>(4, per_thread));
  }

  TEST_CASE_FIXTURE(broker_thread, "publish() of a producer from many threads at once") {
    blocking_client broker(options());
    broker.create_topic("t");
    blocking_producer out(broker);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 50; ++i) CHECK(out.publish("t", {.value = "x"}).offset.has_value());
      });
    for (auto& thread : threads) thread.join();
    CHECK(out.statistics().acknowledged_records == 200);
  }

  TEST_CASE_FIXTURE(broker_thread,
                    "close() ends what other threads wait for; what is left over throws closed") {
    blocking_client broker(options());
    broker.create_topic("t");
    auto all = broker.subscribe("t", {});
    blocking_producer out(broker);
    on_broker([](fake_broker& of) {
      of.script = [](const wire::Frame& frame) {
        return frame.body_type() == wire::Body::Publish ? action::ignore : action::serve;
      };
    });
    std::atomic<int> closed = 0;
    std::thread receiver([&] { closed += code_of([&] { all.receive(); }) == errc::closed; });
    std::thread publisher(
        [&] { closed += code_of([&] { out.publish("t", {.value = "x"}); }) == errc::closed; });
    while (on_broker([](fake_broker& of) { return of.requests[wire::Body::Publish]; }) == 0)
      std::this_thread::yield();
    broker.close();
    receiver.join();
    publisher.join();
    CHECK(closed == 2);
    CHECK(code_of([&] { broker.list_topics(); }) == errc::closed);
    CHECK(code_of([&] { broker.subscribe("t", {}); }) == errc::closed);
    CHECK(code_of([&] { all.receive(); }) == errc::closed);
    CHECK(code_of([&] { all.seek(earliest); }) == errc::closed);
    CHECK(code_of([&] { out.send("t", {.value = "x"}); }) == errc::closed);
    CHECK(code_of([&] { out.flush(); }) == errc::closed);
  }

  TEST_CASE_FIXTURE(broker_thread, "a buffer that stays full is reported in the end") {
    blocking_client broker(options());
    broker.create_topic("t");
    on_broker([](fake_broker& of) {
      of.script = [](const wire::Frame& frame) {
        return frame.body_type() == wire::Body::Publish ? action::ignore : action::serve;
      };
    });
    blocking_producer out(broker, {.buffer_bytes_max = 100, .delivery_timeout = 30ms});
    const std::string value(90, 'x');
    out.send("t", {.value = value});
    CHECK(code_of([&] {
            for (int i = 0; i < 3; ++i) out.send("t", {.value = value});
            out.flush();
          }) == errc::deadline_exceeded);
  }

  TEST_CASE_FIXTURE(broker_thread, "subscriptions and producers may outlive their client") {
    std::optional<blocking_client> broker(std::in_place, options());
    broker->create_topic("t");
    auto all = broker->subscribe("t", {});
    blocking_producer out(*broker);
    broker.reset();
    CHECK(code_of([&] { all.receive_for(1s); }) == errc::closed);
    CHECK(code_of([&] { out.publish("t", {.value = "x"}); }) == errc::closed);
  }

  TEST_CASE_FIXTURE(broker_thread, "a fenced producer throws from every call") {
    blocking_client broker(options());
    broker.create_topic("t");
    CHECK(code_of([&] { blocking_producer(broker, {.name = "no spaces"}); }) == errc::invalid_request);
    blocking_producer first(broker, {.name = "feed"});
    first.publish("t", {.value = "a"});
    blocking_producer second(broker, {.name = "feed"});
    second.publish("t", {.value = "b"});
    CHECK(code_of([&] { first.publish("t", {.value = "c"}); }) == errc::fenced_producer);
    CHECK(code_of([&] { first.send("t", {.value = "d"}); }) == errc::fenced_producer);
    CHECK(code_of([&] { first.try_send("t", {.value = "d"}); }) == errc::fenced_producer);
    CHECK(code_of([&] { first.flush(); }) == errc::fenced_producer);
    second.publish("t", {.value = "e"});
  }

  TEST_CASE("nobody listens") {
    blocking_client broker({.address = "127.0.0.1:1"});
    CHECK(code_of([&] { broker.connect(); }) == errc::cannot_connect);
  }
}
