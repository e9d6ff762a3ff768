#include "tests/client/async_fixture.hpp"

using namespace skald;
using namespace skald::test;

namespace {

struct subscribing : async_fixture {
  // Publishes "0", "1", ... into partition 0 of "t", each in a batch of its own.
  void publish(int from, int to, std::uint32_t partition = 0) {
    run([](skald::client& client, int first, int last, std::uint32_t into) -> asio::awaitable<void> {
      for (int i = first; i < last; ++i)
        co_await client.publish("t", {.value = std::to_string(i), .partition = partition_id(into)});
    }(*broker, from, to, partition));
  }
  subscription subscribe(const subscribe_options& options) {
    subscription made;
    run([](skald::client& client, const subscribe_options& how, subscription& into) -> asio::awaitable<void> {
      into = co_await client.subscribe("t", how);
    }(*broker, options, made));
    return made;
  }
  // The values of the next `count` records.
  std::vector<std::string> receive(subscription& from, std::size_t count) {
    std::vector<std::string> values;
    run([](subscription& of, std::vector<std::string>& into, std::size_t enough) -> asio::awaitable<void> {
      while (into.size() < enough)
        for (const record& r : co_await of.receive({.timeout = 10s})) into.emplace_back(*r.value());
    }(from, values, count));
    return values;
  }
  errc receive_code(subscription& from, std::string* message = nullptr) {
    return code_of(
        [&] {
          run([](subscription& of) -> asio::awaitable<void> { co_await of.receive({.timeout = 10s}); }(from));
        },
        message);
  }
};

using texts = std::vector<std::string>;

std::vector<std::string> numbers(int from, int to) {
  std::vector<std::string> all;
  for (int i = from; i < to; ++i) all.push_back(std::to_string(i));
  return all;
}

}  // namespace

TEST_SUITE("subscription") {
  TEST_CASE_FIXTURE(subscribing,
                    "a pattern follows topics that come and go, also while there is no connection") {
    server.add_topic("t.eu");
    subscription all;
    run([](skald::client& client, subscription& into) -> asio::awaitable<void> {
      into = co_await client.subscribe("t.*", {.from = latest});
    }(*broker, all));
    const auto publish_to = [&](std::string_view topic, std::string_view value) {
      run([](skald::client& client, std::string_view to, std::string_view what) -> asio::awaitable<void> {
        co_await client.publish(to, {.value = what});
      }(*broker, topic, value));
    };
    publish_to("t.eu", "1");
    CHECK(receive(all, 1) == texts{"1"});
    server.add_topic("t.us");
    publish_to("t.us", "2");
    CHECK(receive(all, 1) == texts{"2"});
    CHECK(all.positions().back().topic == "t.us");

    server.delete_topic("t.eu");
    server.cut_connections();
    server.add_topic("t.fr");
    publish_to("t.fr", "3");
    publish_to("t.us", "4");
    auto got = receive(all, 2);
    std::ranges::sort(got);
    CHECK(got == texts{"3", "4"});
    const std::array again{partition_start{partition_id(0), earliest, "t.us"}};
    run([](subscription& of, std::span<const partition_start> to) -> asio::awaitable<void> {
      co_await of.seek(to);
    }(all, again));
    CHECK(receive(all, 2) == texts{"2", "4"});
  }

  TEST_CASE_FIXTURE(subscribing, "from the beginning, the end, an offset, a time") {
    server.add_topic("t");
    publish(0, 5);
    auto all = subscribe({.from = earliest});
    auto fresh = subscribe({.from = latest});
    auto some = subscribe({.from = offset(3)});
    auto future = subscribe({.from = timestamp(std::chrono::milliseconds(4'000'000'000'000))});
    publish(5, 6);
    CHECK(receive(all, 6) == numbers(0, 6));
    CHECK(receive(fresh, 1) == numbers(5, 6));
    CHECK(receive(some, 3) == numbers(3, 6));
    CHECK(receive(future, 1) == numbers(5, 6));
  }

  TEST_CASE_FIXTURE(subscribing, "a filter goes along on every connection") {
    server.add_topic("t");
    std::vector<std::string> seen;
    server.script = [&](const wire::Frame& frame) {
      const auto* request = frame.body_as_Subscribe();
      if (request == nullptr) return action::serve;
      std::string text;
      if (const auto* filter = request->filter()) {
        if (filter->key() != nullptr)
          text += "key=" + std::string(filter->key()->begin(), filter->key()->end());
        if (filter->key_prefix() != nullptr)
          text += " prefix=" + std::to_string(filter->key_prefix()->size());
        for (const auto* one : protocol::each(filter->headers()))
          text += " " + std::string(protocol::text(one->name())) + (one->value() != nullptr ? "=" : "") +
                  std::to_string(protocol::each(one->value()).size());
      }
      seen.push_back(text);
      return action::serve;
    };
    auto plain = subscribe({.from = earliest});
    CHECK(seen == std::vector<std::string>{""});
    {
      const std::string key = "a key";
      const std::array headers{header{"kind", "new"}, header{"none", std::nullopt}};
      plain = subscribe({.from = earliest, .filter = {.key = key, .key_prefix = "", .headers = headers}});
    }
    const std::string filter = "key=a key prefix=0 kind=3 none0";
    CHECK(seen == std::vector<std::string>{"", filter});
    server.cut_connections();
    until([&] { return seen.size() == 3; });
    CHECK(seen.back() == filter);
    const std::vector<header> many(17, header{"a", "b"});
    CHECK(code_of([&] { subscribe({.filter = {.headers = many}}); }) == errc::invalid_request);
  }

  TEST_CASE_FIXTURE(subscribing, "positions, high watermark and lag") {
    server.add_topic("t", 2);
    publish(0, 10, 1);
    auto all = subscribe({.from = earliest, .delivery_bytes_max = 1});
    CHECK(receive(all, 4) == numbers(0, 4));
    const auto positions = all.positions();
    REQUIRE(positions.size() == 2);
    CHECK(positions[0].lag() == 0);
    CHECK(positions[1].next == offset(4));
    CHECK(positions[1].high_watermark == offset(10));
    CHECK(positions[1].lag() == 6);
  }

  TEST_CASE_FIXTURE(subscribing, "a subscriber that does not receive is sent its credit and no more") {
    server.add_topic("t");
    publish(0, 100);
    const auto batch = server.topics.at("t").partitions[0].batches[50].bytes.size();
    auto slow = subscribe({.from = earliest, .credit_bytes = 5 * batch, .delivery_bytes_max = 1});
    run([](skald::client& to) -> asio::awaitable<void> { co_await to.status(); }(*broker));
    std::size_t waiting = 0;
    while (slow.try_receive()) ++waiting;
    CHECK(waiting <= 6);
    CHECK(waiting >= 5);
    CHECK(receive(slow, 90).size() >= 90);  // receiving grants more
  }

  TEST_CASE_FIXTURE(subscribing, "the connection is cut again and again: nothing is lost or repeated") {
    server.add_topic("t", 2);
    publish(0, 60);
    auto all = subscribe({.from = earliest, .credit_bytes = 600, .delivery_bytes_max = 200});
    std::vector<std::string> values;
    for (int i = 0; i < 6; ++i) {
      const auto more = receive(all, 7);
      values.insert(values.end(), more.begin(), more.end());
      server.cut_connections();
      if (i == 3) publish(60, 70);
    }
    const auto rest = receive(all, 70 - values.size());
    values.insert(values.end(), rest.begin(), rest.end());
    CHECK(values == numbers(0, 70));
    CHECK(server.connections >= 5);
  }

  TEST_CASE_FIXTURE(subscribing, "each step of resuming may be cut in turn") {
    server.add_topic("t", 2);
    publish(0, 5);
    auto all = subscribe({.from = earliest});
    CHECK(receive(all, 5) == numbers(0, 5));
    int expected = 5;
    for (const auto step : {wire::Body::Hello, wire::Body::DescribeTopic, wire::Body::Subscribe,
                            wire::Body::Seek, wire::Body::Credit})
      for (const auto how : {action::cut_before, action::cut_after}) {
        CAPTURE(wire::EnumNameBody(step));
        bool cut = false;
        server.script = [&](const wire::Frame& frame) {
          return frame.body_type() == step && !std::exchange(cut, true) ? how : action::serve;
        };
        server.cut_connections();
        publish(expected, expected + 2);
        CHECK(receive(all, 2) == numbers(expected, expected + 2));
        expected += 2;
      }
  }

  TEST_CASE_FIXTURE(subscribing,
                    "partitions that the topic gets later are received, also across a lost connection") {
    server.add_topic("t", 1);
    auto all = subscribe({.from = latest});
    server.topics.at("t").partitions.resize(2);
    publish(0, 1, 1);
    CHECK(receive(all, 1) == numbers(0, 1));
    server.cut_connections();
    server.topics.at("t").partitions.resize(3);
    publish(1, 2, 2);
    CHECK(receive(all, 1) == numbers(1, 2));
  }

  TEST_CASE_FIXTURE(subscribing, "seek back and forth") {
    server.add_topic("t");
    publish(0, 10);
    auto all = subscribe({.from = earliest});
    CHECK(receive(all, 10) == numbers(0, 10));
    run([](subscription& of) -> asio::awaitable<void> {
      co_await of.seek(offset(4));
      CHECK(of.positions()[0].next == offset(4));
    }(all));
    CHECK(receive(all, 6) == numbers(4, 10));
    run([](subscription& of) -> asio::awaitable<void> {
      const std::array to{partition_start{partition_id(0), latest}};
      co_await of.seek(to);
    }(all));
    publish(10, 11);
    CHECK(receive(all, 1) == numbers(10, 11));
    SUBCASE("across a lost connection") {
      server.script = [&, cut = false](const wire::Frame& frame) mutable {
        return frame.body_type() == wire::Body::Seek && !std::exchange(cut, true) ? action::cut_before
                                                                                  : action::serve;
      };
      run([](subscription& of) -> asio::awaitable<void> { co_await of.seek(earliest); }(all));
      CHECK(receive(all, 11) == numbers(0, 11));
    }
    SUBCASE("refused") {
      const std::array nowhere{partition_start{partition_id(9), latest}};
      CHECK(code_of([&] {
              run([](subscription& of, std::span<const partition_start> to) -> asio::awaitable<void> {
                co_await of.seek(to);
              }(all, nowhere));
            }) == errc::unknown_partition);
    }
  }

  TEST_CASE_FIXTURE(subscribing, "retention that overtakes a subscriber is told as a gap") {
    server.add_topic("t");
    publish(0, 20);
    auto all = subscribe({.from = earliest, .credit_bytes = 1, .delivery_bytes_max = 1});
    CHECK(receive(all, 1) == numbers(0, 1));
    server.topics.at("t").partitions[0].trim(15);
    std::optional<offset_gap> gap;
    run([](subscription& of, std::optional<offset_gap>& into) -> asio::awaitable<void> {
      while (!into) into = (co_await of.receive({.timeout = 10s})).gap();
    }(all, gap));
    CHECK(gap->to == offset(15));
    CHECK(receive(all, 5) == numbers(15, 20));
  }

  TEST_CASE_FIXTURE(subscribing, "retention that went by while there was no connection is told as a gap") {
    server.add_topic("t");
    publish(0, 20);
    const std::array chosen{partition_id(0)};
    std::span<const partition_id> partitions;
    SUBCASE("by all partitions") {}
    SUBCASE("by chosen partitions") {
      partitions = chosen;
    }
    auto some =
        subscribe({.from = earliest, .partitions = partitions, .credit_bytes = 1, .delivery_bytes_max = 1});
    CHECK(receive(some, 1) == numbers(0, 1));
    server.topics.at("t").partitions[0].trim(15);
    server.cut_connections();
    std::optional<offset_gap> gap;
    run([](subscription& of, std::optional<offset_gap>& into) -> asio::awaitable<void> {
      while (!into) into = (co_await of.receive({.timeout = 10s})).gap();
    }(some, gap));
    CHECK(gap->to == offset(15));
    CHECK(receive(some, 5) == numbers(15, 20));
  }

  TEST_CASE_FIXTURE(subscribing, "a corrupt batch is named, and can be sought past") {
    server.add_topic("t");
    publish(0, 3);
    server.topics.at("t").partitions[0].batches[1].bytes.back() ^= std::byte{1};
    auto all = subscribe({.from = earliest, .delivery_bytes_max = 1});
    CHECK(receive(all, 1) == numbers(0, 1));
    std::string message;
    CHECK(receive_code(all, &message) == errc::corrupt_batch);
    CHECK(message.find("offset 1 of topic \"t\" partition 0") != std::string::npos);
    CHECK(receive_code(all) == errc::corrupt_batch);
    run([](subscription& of) -> asio::awaitable<void> { co_await of.seek(offset(2)); }(all));
    CHECK(receive(all, 1) == numbers(2, 3));
  }

  TEST_CASE_FIXTURE(subscribing, "the end of a topic is the end of its subscriptions") {
    server.add_topic("t");
    publish(0, 2);
    auto all = subscribe({.from = earliest});
    CHECK(receive(all, 2) == numbers(0, 2));
    SUBCASE("while connected") {
      server.delete_topic("t");
      std::string message;
      CHECK(receive_code(all, &message) == errc::unknown_topic);
      CHECK(message.find("deleted") != std::string::npos);
    }
    SUBCASE("while disconnected") {
      server.topics.erase("t");
      server.cut_connections();
      CHECK(receive_code(all) == errc::unknown_topic);
    }
    SUBCASE("also when another has its name") {
      server.add_topic("t");
      server.cut_connections();
      std::string message;
      CHECK(receive_code(all, &message) == errc::unknown_topic);
      CHECK(message.find("created anew") != std::string::npos);
    }
    CHECK(receive_code(all) == errc::unknown_topic);
  }

  TEST_CASE_FIXTURE(subscribing, "what cannot be subscribed to") {
    CHECK(code_of([&] { subscribe({}); }) == errc::unknown_topic);
    server.add_topic("t");
    const std::array partitions{partition_id(5)};
    CHECK(code_of([&] { subscribe({.partitions = partitions}); }) == errc::unknown_partition);
    CHECK(code_of([&] { subscribe({.credit_bytes = 0}); }) == errc::invalid_request);
  }

  TEST_CASE_FIXTURE(subscribing,
                    "closing: a waiting receive ends, the broker hears of it, the client goes on") {
    server.add_topic("t");
    auto all = subscribe({});
    std::optional<errc> code;
    all.receive({}, [&](std::exception_ptr why, const records&) {
      code = code_of([&] { std::rethrow_exception(why); });
    });
    std::optional<errc> second;
    all.receive({}, [&](std::exception_ptr why, const records&) {
      second = code_of([&] { std::rethrow_exception(why); });
    });
    until([&] { return second.has_value(); });
    CHECK(*second == errc::invalid_request);  // one at a time
    all.close();
    until([&] { return code.has_value() && server.requests[wire::Body::Unsubscribe] == 1; });
    CHECK(*code == errc::closed);
    publish(0, 1);
  }
}
