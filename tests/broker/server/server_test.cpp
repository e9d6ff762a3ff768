// The whole broker over loopback, with clients that behave and clients that do not.
#include <doctest/doctest.h>

#include <filesystem>
#include <thread>

#include "broker/server/server.hpp"
#include "tests/broker/server/raw_client.hpp"

namespace skald::server::test {

namespace {

using std::chrono::milliseconds;

struct running {
  running() {
    std::string name = (std::filesystem::temp_directory_path() / "skald-server-XXXXXX").string();
    settings.data_directory = ::mkdtemp(name.data());
    settings.port = 0;
    settings.threads = 2;
    settings.shard.journal.segment_bytes = 8u << 20;
    settings.shard.state_map_bytes = 256u << 20;
  }
  ~running() {
    broker.reset();
    std::filesystem::remove_all(settings.data_directory);
  }
  running& start() {
    broker = std::make_unique<server>(settings);
    port = broker->start().port;
    return *this;
  }
  raw_client connect() { return raw_client(port); }
  // A client that has said hello.
  raw_client client() {
    raw_client made(port);
    made.greet();
    return made;
  }

  server_settings settings;
  std::unique_ptr<server> broker;
  std::uint16_t port = 0;
};

bytes text_bytes(std::string_view text) {
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

}  // namespace

TEST_CASE("what is published is delivered, and still there after a restart") {
  running on;
  on.start();
  {
    raw_client one = on.client();
    one.create("orders");
    CHECK(one.publish("orders", make_batch({"a", "b"})) == 0);
    CHECK(one.publish("orders", make_batch({"c"})) == 2);
    one.subscribe("orders", 1u << 20);
    CHECK(one.values(3) == std::vector<std::string>{"a", "b", "c"});
  }
  CHECK(on.broker->stop(milliseconds(10'000)));
  on.start();
  raw_client two = on.client();
  two.subscribe("orders", 1u << 20);
  CHECK(two.values(3) == std::vector<std::string>{"a", "b", "c"});
  CHECK(two.publish("orders", make_batch({"d"})) == 3);
  CHECK(two.values(1) == std::vector<std::string>{"d"});
}

TEST_CASE("pipelined publishes are stored in their order") {
  running on;
  on.start();
  raw_client one = on.client();
  one.create("orders");
  constexpr std::uint64_t count = 2000;
  std::thread publisher([&] {
    for (std::uint64_t i = 0; i < count; ++i)
      one.send_publish(10 + i, "orders", 0, make_batch({std::to_string(i)}));
  });
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto is = one.receive();
    REQUIRE(is.has_value());
    REQUIRE(is->type() == wire::Body::PublishOk);
    REQUIRE(is->frame().body_as_PublishOk()->appended()->Get(0)->base_offset() ==
            static_cast<std::int64_t>(is->id() - 10));
  }
  publisher.join();
  raw_client two = on.client();
  two.subscribe("orders", 1u << 30);
  const auto values = two.values(count);
  for (std::uint64_t i = 0; i < count; ++i) REQUIRE(values[i] == std::to_string(i));
}

TEST_CASE("garbage is answered with the reason and closed, and others do not notice") {
  running on;
  on.start();
  raw_client good = on.client();
  good.create("orders");
  raw_client bad = on.connect();
  bad.send_bytes(text_bytes("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  CHECK(bad.reason() == errc::frame_too_large);
  CHECK(good.publish("orders", make_batch({"a"})) == 0);
}

TEST_CASE("an oversized frame is refused when it is announced") {
  running on;
  on.start();
  raw_client bad = on.client();
  const std::uint32_t lengths[] = {200u << 20, 64};
  bad.send_bytes(std::as_bytes(std::span(lengths)));
  CHECK(bad.reason() == errc::frame_too_large);
}

TEST_CASE("a client that does not say hello, or not all of a frame, or nothing, is let go") {
  running on;
  // Long enough to greet, however slow the machine is.
  on.settings.session.hello_timeout = milliseconds(1'000);
  on.settings.session.frame_timeout = milliseconds(1'000);
  on.settings.session.idle_timeout = milliseconds(1'500);
  on.start();
  raw_client mute = on.connect();
  raw_client slow = on.client();
  raw_client idle = on.client();
  const std::uint32_t begun[] = {100, 64};
  slow.send_bytes(std::as_bytes(std::span(begun)));
  CHECK(mute.reason() == errc::deadline_exceeded);
  CHECK(slow.reason() == errc::deadline_exceeded);
  CHECK(idle.reason() == errc::deadline_exceeded);
}

TEST_CASE("a frame may take as long as the broker itself does not read it") {
  running on;
  on.settings.session.frame_timeout = milliseconds(1000);
  on.settings.session.requests_in_flight_max = 1;
  on.start();
  raw_client one = on.client();
  one.create("orders");
  // A long poll holds reading back while half a publish has arrived.
  REQUIRE(one.send(7, [](auto& b) {
    const auto topic = b.CreateString("orders");
    return wire::CreateFetch(b, topic, 0, 0, 1u << 20, 1, 1500);
  }));
  const bytes frame = one.publish_frame(8, "orders", 0, make_batch({"a"}));
  const auto half = std::span(frame).first(frame.size() / 2);
  REQUIRE(one.send_bytes(half));
  CHECK(one.answer(7).type() == wire::Body::FetchOk);
  pollfd hung_up{one.descriptor(), POLLIN, 0};
  CHECK(::poll(&hung_up, 1, 400) == 0);
  REQUIRE(one.send_bytes(std::span(frame).subspan(half.size())));
  CHECK(one.answer(8).type() == wire::Body::PublishOk);
}

TEST_CASE("pings keep a connection") {
  running on;
  on.settings.session.idle_timeout = milliseconds(1'000);
  on.start();
  raw_client lively = on.client();
  raw_client silent = on.client();
  const auto until = steady::now() + milliseconds(2'500);
  for (std::uint64_t id = 10; steady::now() < until; ++id) {
    CHECK(lively.ask(id, [](auto& b) { return wire::CreatePing(b); }).type() == wire::Body::Pong);
  }
  CHECK(silent.reason() == errc::deadline_exceeded);
}

TEST_CASE("connections beyond the limit are told so, and there is room again when one goes") {
  running on;
  on.settings.connections_max = 2;
  on.start();
  raw_client one = on.client();
  {
    raw_client two = on.client();
    raw_client three = on.connect();
    CHECK(three.reason() == errc::overloaded);
  }
  const auto deadline = steady::now() + std::chrono::seconds(20);
  bool admitted = false;
  while (!admitted && steady::now() < deadline) {
    raw_client again = on.connect();
    again.send(1, [](auto& b) { return wire::CreateHello(b, 1, 1, 0); });
    const auto said = again.receive();
    admitted = said && said->type() == wire::Body::HelloOk;
  }
  CHECK(admitted);
}

TEST_CASE("a subscriber that never reads costs others nothing, and is cut off") {
  running on;
  on.settings.session.write_timeout = milliseconds(500);
  on.start();
  raw_client writer = on.client();
  writer.create("orders");
  const std::string value(100'000, 'x');
  raw_client stuck(on.port, 4096);
  stuck.greet();
  stuck.send(4, [&](auto& b) {
    return wire::CreateSubscribe(b, 8, b.CreateString("orders"), 0, wire::Start::earliest, 0, 1ull << 40, 0);
  });
  raw_client reader = on.client();
  reader.subscribe("orders", 1ull << 40);
  for (int i = 0; i < 200; ++i) {
    writer.publish("orders", make_batch({value}));
    CHECK(reader.values(1).front().size() == value.size());
  }
  const auto connections = [&] {
    const reply is = writer.ask(7, [](auto& b) { return wire::CreateStatus(b); });
    return is.frame().body_as_StatusOk()->connections();
  };
  const auto deadline = steady::now() + std::chrono::seconds(20);
  while (connections() > 2 && steady::now() < deadline) std::this_thread::yield();
  CHECK(connections() == 2);
}

TEST_CASE("a client that vanishes mid-publish leaves only whole batches") {
  running on;
  on.start();
  raw_client good = on.client();
  good.create("orders");
  for (int i = 0; i < 20; ++i) {
    raw_client gone = on.client();
    const bytes batch = make_batch({std::string(50'000, 'x')});
    gone.send_publish(3, "orders", 0, batch);
    const std::uint32_t begun[] = {60'000, 64};
    gone.send_bytes(std::as_bytes(std::span(begun)));
    gone.send_bytes(std::span(batch).first(10'000));
  }
  good.publish("orders", make_batch({"mine"}));
  good.subscribe("orders", 1u << 30);
  bool seen = false;
  while (!seen) {
    for (const std::string& value : good.values(1)) {
      seen |= value == "mine";
      const bool whole = value == "mine" || value == std::string(50'000, 'x');
      CHECK(whole);
    }
  }
}

TEST_CASE("publishers that send more than the memory budget wait, and all succeed") {
  std::size_t value_bytes = 0;
  constexpr int publishers_count = 8;
  constexpr int publishes = 6;
  SUBCASE("in frames that get their memory at once") {
    value_bytes = 900'000;
  }
  SUBCASE("in frames that grow") {
    value_bytes = 3'900'000;
  }
  running on;
  on.settings.memory_bytes_max = 3u << 20;
  on.start();
  raw_client owner = on.client();
  const reply made = owner.ask(2, [](auto& b) {
    const auto name = b.CreateString("orders");
    wire::TopicSettingsBuilder with(b);
    with.add_record_bytes_max(4'000'000);
    return wire::CreateCreateTopic(b, name, with.Finish());
  });
  REQUIRE(made.type() == wire::Body::Ok);
  const bytes batch = make_batch({std::string(value_bytes, 'x')});
  std::vector<std::thread> publishers;
  std::atomic<int> stored{0};
  for (int p = 0; p < publishers_count; ++p) {
    publishers.emplace_back([&] {
      raw_client one = on.client();
      std::thread sender([&] {
        for (std::uint64_t i = 0; i < publishes; ++i) one.send_publish(10 + i, "orders", 0, batch);
      });
      for (int i = 0; i < publishes; ++i) {
        const auto is = one.receive();
        if (is && is->type() == wire::Body::PublishOk &&
            is->frame().body_as_PublishOk()->appended()->Get(0)->code() == 0) {
          ++stored;
        }
      }
      sender.join();
    });
  }
  for (std::thread& one : publishers) one.join();
  CHECK(stored == publishers_count * publishes);
}

TEST_CASE("a stop tells the clients and keeps what it acknowledged") {
  running on;
  on.start();
  raw_client one = on.client();
  one.create("orders");
  raw_client idle = on.client();
  for (std::uint64_t i = 0; i < 100; ++i) one.send_publish(10 + i, "orders", 0, make_batch({"x"}));
  one.answer(10);
  std::thread stopper([&] { CHECK(on.broker->stop(milliseconds(10'000))); });
  std::int64_t acknowledged = 0;
  errc why = errc::ok;
  while (const auto is = one.receive()) {
    if (is->type() == wire::Body::PublishOk) {
      acknowledged =
          std::max(acknowledged, is->frame().body_as_PublishOk()->appended()->Get(0)->base_offset());
    }
    if (is->closing() != errc::ok) why = is->closing();
  }
  CHECK(why == errc::shutting_down);
  CHECK(idle.reason() == errc::shutting_down);
  one.close();
  idle.close();
  stopper.join();
  on.start();
  raw_client after = on.client();
  CHECK(after.publish("orders", make_batch({"y"})) > acknowledged);
}

TEST_CASE("a port in use is an error that says so") {
  running first;
  first.start();
  running second;
  second.settings.port = first.port;
  try {
    second.start();
    FAIL("two brokers have one port");
  } catch (const error& failed) {
    CHECK(failed.code() == errc::cannot_connect);
    CHECK(failed.message().find("another program has that port") != std::string::npos);
  }
}

TEST_CASE("a broker that is destroyed without a stop ends at once") {
  running on;
  on.start();
  raw_client one = on.client();
  one.create("orders");
  one.subscribe("orders", 1000);
  one.send_publish(5, "orders", 0, make_batch({"x"}));
  on.broker.reset();
  while (one.receive()) {
  }
  on.start();
  CHECK(on.client().ask(5, [](auto& b) { return wire::CreatePing(b); }).type() == wire::Body::Pong);
}

}  // namespace skald::server::test
