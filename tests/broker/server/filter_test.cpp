// Subscriptions with a filter: what travels, what it costs, and what is told where nothing matches.
#include <doctest/doctest.h>

#include <algorithm>

#include "broker/server/record_filter.hpp"
#include "tests/broker/server/scene.hpp"

namespace skald::server::test {

namespace {

struct keyed {
  std::optional<std::string_view> key;
  std::string value;
  std::vector<protocol::header_view> headers = {};
};

bytes batch_of(const std::vector<keyed>& records, const protocol::batch_options& options = {}) {
  protocol::batch_builder builder;
  for (const keyed& one : records) {
    REQUIRE(builder.append(one.key, one.value, one.headers, timestamp(std::chrono::milliseconds(1000))) ==
            errc::ok);
  }
  return builder.finish(options);
}

// What one delivery says.
struct told {
  std::uint64_t from = 0;
  std::uint64_t next = 0;
  std::size_t payload = 0;
  bool selected = false;
  std::vector<std::pair<std::uint64_t, std::string>> records = {};
};

std::vector<told> told_in(const std::vector<reply>& replies) {
  std::vector<told> out;
  protocol::batch_decoder decoder;
  for (const reply& one : replies) {
    const auto* delivery = one.frame().body_as_Delivery();
    if (delivery == nullptr) continue;
    const protocol::each offsets(delivery->offsets());
    told said{delivery->offset(), delivery->next_offset(), one.payload.size(), !offsets.empty()};
    for (protocol::batch_splitter rest(one.payload); !rest.done();) {
      const auto batch = rest.next();
      REQUIRE(batch.has_value());
      const auto records = decoder.check(*batch);
      REQUIRE(records.has_value());
      for (const auto& record : *records) {
        const std::size_t at = said.records.size();
        said.records.emplace_back(
            said.selected ? delivery->offsets()->Get(static_cast<unsigned>(at)) : record.offset.value(),
            std::string(record.value.value_or("")));
      }
    }
    out.push_back(std::move(said));
  }
  return out;
}

using records = std::vector<std::pair<std::uint64_t, std::string>>;

records all_of(const std::vector<told>& deliveries) {
  records all;
  for (const told& one : deliveries) all.insert(all.end(), one.records.begin(), one.records.end());
  return all;
}

flatbuffers::Offset<wire::RecordFilter> filter_of(flatbuffers::FlatBufferBuilder& b, std::string_view key,
                                                  std::optional<std::string_view> prefix = {}) {
  const auto encode = [&](std::string_view text) {
    return b.CreateVector(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  };
  const auto bytes = encode(key);
  return prefix ? wire::CreateRecordFilter(b, bytes, encode(*prefix)) : wire::CreateRecordFilter(b, bytes);
}

auto fetch_of_key(std::string_view key, std::uint64_t from, std::uint32_t wait_ms = 0) {
  return [=](flatbuffers::FlatBufferBuilder& b) {
    const auto topic = b.CreateString("orders");
    const auto filter = filter_of(b, key);
    return wire::CreateFetch(b, topic, 0, from, 0, 1, wait_ms, filter);
  };
}

const reply* answer_to(std::uint64_t id, const std::vector<reply>& replies) {
  const auto found = std::ranges::find_if(replies, [&](const reply& one) { return one.id() == id; });
  return found == replies.end() ? nullptr : &*found;
}

struct filtering : scene {
  filtering() {
    greet();
    create("orders");
  }
  void subscribe_to_key(std::string_view key, std::uint64_t credit = plenty,
                        std::string_view topics = "orders") {
    send(4, [&](auto& b) {
      const auto topic = b.CreateString(topics.data(), topics.size());
      const auto filter = filter_of(b, key);
      wire::SubscribeBuilder message(b);
      message.add_subscription(8);
      message.add_topic(topic);
      message.add_start(wire::Start::earliest);
      message.add_credit_bytes(credit);
      message.add_filter(filter);
      return message.Finish();
    });
  }
};

}  // namespace

TEST_CASE("a filter holds when all of it does") {
  const std::vector<protocol::header_view> headers{{"kind", "new"}, {"kind", "eu"}, {"flag", std::nullopt}};
  const auto matches = [&](const record_filter& filter, std::optional<std::string_view> key) {
    const bytes stored = batch_of({{key, "v", headers}});
    protocol::batch_decoder decoder;
    return filter(*decoder.check(*protocol::batch_view::parse(stored)).value().begin());
  };
  CHECK(matches({}, std::nullopt));
  CHECK(matches({.key = "42"}, "42"));
  CHECK_FALSE(matches({.key = "42"}, "421"));
  CHECK_FALSE(matches({.key = "42"}, std::nullopt));
  CHECK(matches({.key = ""}, ""));
  CHECK_FALSE(matches({.key = ""}, std::nullopt));
  CHECK(matches({.key_prefix = "4"}, "42"));
  CHECK(matches({.key_prefix = ""}, "42"));
  CHECK_FALSE(matches({.key_prefix = ""}, std::nullopt));
  CHECK_FALSE(matches({.key_prefix = "421"}, "42"));
  CHECK(matches({.headers = {{"kind", "eu"}}}, "42"));
  CHECK(matches({.headers = {{"kind", "eu"}, {"kind", "new"}, {"flag", std::nullopt}}}, "42"));
  CHECK_FALSE(matches({.headers = {{"kind", "eu"}, {"kind", "old"}}}, "42"));
  CHECK_FALSE(matches({.headers = {{"flag", ""}}}, "42"));
  CHECK_FALSE(matches({.key = "42", .headers = {{"kind", "old"}}}, "42"));
  CHECK_FALSE(matches({.key = "43", .headers = {{"kind", "eu"}}}, "42"));
}

TEST_CASE("only what matches travels, with its offsets, and only that uses credit") {
  filtering on;
  on.publish("orders", 0, batch_of({{"a", "1"}, {"b", "2"}, {"a", "3"}}));
  on.publish("orders", 0, batch_of({{"b", std::string(5000, 'x')}}));
  on.publish("orders", 0, batch_of({{"b", "5"}, {"a", "6"}}, {.compression = compression::zstd}));
  on.subscribe_to_key("a", 1000);
  const auto first = told_in(on.replies());
  REQUIRE(first.size() == 1);
  CHECK(first[0].selected);
  CHECK(first[0].next == 6);
  CHECK(first[0].payload < 200);
  CHECK(first[0].records == records{{0, "1"}, {2, "3"}, {5, "6"}});

  // What did not match has left the credit alone: this is delivered, too.
  on.publish("orders", 0, batch_of({{"b", std::string(5000, 'x')}, {"a", "8"}}));
  on.send_publish(5, "orders", 0, batch_of({{"b", std::string(5000, 'x')}, {"a", std::string(700, 'y')}}));
  CHECK(all_of(told_in(on.replies())) == records{{9, std::string(700, 'y')}});
}

TEST_CASE("what matches as a whole is sent as it is stored") {
  filtering on;
  const bytes stored = batch_of({{"a", std::string(500, 'x')}, {"a", std::string(500, 'x')}},
                                {.compression = compression::lz4});
  on.publish("orders", 0, stored);
  on.subscribe_to_key("a");
  const auto got = told_in(on.replies());
  REQUIRE(got.size() == 1);
  CHECK_FALSE(got[0].selected);
  CHECK(got[0].payload == stored.size());
  CHECK(got[0].next == 2);
}

TEST_CASE("a delivery stops at the credit within a batch, and goes on there") {
  filtering on;
  std::vector<keyed> many;
  for (int i = 0; i < 100; ++i) many.push_back({i % 2 == 0 ? "a" : "b", std::to_string(i)});
  on.publish("orders", 0, batch_of(many));
  on.subscribe_to_key("a", 200);
  records all = all_of(told_in(on.replies()));
  CHECK(all.size() > 1);
  CHECK(all.size() < 50);
  for (int grants = 0; all.size() < 50 && grants < 100; ++grants) {
    on.send(0, [](auto& b) { return wire::CreateCredit(b, 8, 200); });
    for (const auto& one : all_of(told_in(on.replies()))) all.push_back(one);
  }
  REQUIRE(all.size() == 50);
  for (std::size_t i = 0; i < all.size(); ++i) {
    CHECK(all[i] == std::pair<std::uint64_t, std::string>(2 * i, std::to_string(2 * i)));
  }
}

TEST_CASE("where nothing matches, the end is told at once, and then about once a second") {
  filtering on;
  on.publish("orders", 0, batch_of({{"b", "1"}, {"b", "2"}}));
  on.subscribe_to_key("a", 1);
  const auto first = told_in(on.replies());
  REQUIRE(first.size() == 1);
  CHECK(first[0].payload == 0);
  CHECK(first[0].from == 0);
  CHECK(first[0].next == 2);

  for (int i = 0; i < 20; ++i) {
    on.send_publish(5, "orders", 0, batch_of({{"b", "x"}}));
    CHECK(told_in(on.replies()).empty());
    on.time.advance(std::chrono::milliseconds(10));
  }
  on.conversation->sweep();
  const auto second = told_in(on.replies());
  REQUIRE(second.size() == 1);
  CHECK(second[0].from == 2);
  CHECK(second[0].next == 22);
  on.conversation->sweep();
  CHECK(told_in(on.replies()).empty());

  on.time.advance(std::chrono::seconds(2));
  on.send_publish(5, "orders", 0, batch_of({{"b", "x"}}));
  const auto third = told_in(on.replies());
  REQUIRE(third.size() == 1);
  CHECK(third[0].next == 23);
}

TEST_CASE("a subscription to a pattern chooses in all of its topics, also in those that join later") {
  filtering on;
  on.create("orders.eu");
  on.publish("orders.eu", 0, batch_of({{"a", "1"}, {"b", "2"}}));
  on.subscribe_to_key("a", plenty, "orders.>");
  CHECK(all_of(told_in(on.replies())) == records{{0, "1"}});
  on.create("orders.us");
  on.conversation->topic_changed(
      change_of(on.shard.topics.at("orders.us"), shard::topic_change::kind::created));
  on.send_publish(5, "orders.us", 0, batch_of({{"b", "3"}, {"a", "4"}}));
  CHECK(all_of(told_in(on.replies())) == records{{1, "4"}});
}

TEST_CASE("a filter that nothing can match, or that is too large, is refused with the reason") {
  filtering on;
  const auto refused = [&](const std::string& key, const std::string& prefix) {
    const auto build = [&](auto& b) {
      const auto topic = b.CreateString("orders");
      const auto filter = filter_of(b, key, prefix);
      wire::FetchBuilder message(b);
      message.add_topic(topic);
      message.add_filter(filter);
      return message.Finish();
    };
    const reply fetched = on.ask(5, build);
    CHECK(fetched.error() == errc::invalid_request);
    const reply subscribed = on.ask(6, [&](auto& b) {
      const auto topic = b.CreateString("orders");
      const auto filter = filter_of(b, key, prefix);
      wire::SubscribeBuilder message(b);
      message.add_subscription(8);
      message.add_topic(topic);
      message.add_filter(filter);
      return message.Finish();
    });
    CHECK(subscribed.error() == errc::invalid_request);
    return std::string(protocol::text(subscribed.frame().body_as_Error()->message()));
  };
  CHECK(refused("eu-1", "us") ==
        "the filter's key does not begin with its key prefix: no record can match; give one of them");
  CHECK(refused(std::string(40'000, 'x'), std::string(30'000, 'x')) ==
        "a filter has at most 65536 bytes; this one has 70000");
}

TEST_CASE("a fetch with a filter answers with what matches, and where to go on") {
  filtering on;
  on.publish("orders", 0, batch_of({{"a", "1"}, {"b", "2"}, {"a", "3"}}));
  on.publish("orders", 0, batch_of({{"b", "4"}, {"b", "5"}}));
  const auto found = on.ask(5, fetch_of_key("a", 0));
  const auto* ok = found.frame().body_as_FetchOk();
  REQUIRE(ok != nullptr);
  const std::vector<std::uint64_t> offsets(ok->offsets()->begin(), ok->offsets()->end());
  CHECK(offsets == std::vector<std::uint64_t>{0, 2});
  CHECK(ok->next_offset() == 5);

  const auto nothing = on.ask(6, fetch_of_key("a", 3));
  CHECK(nothing.payload.empty());
  CHECK(nothing.frame().body_as_FetchOk()->next_offset() == 5);
}

TEST_CASE("a fetch with a filter waits for a record that matches, and tells how far there was none") {
  filtering on;
  on.publish("orders", 0, batch_of({{"b", "1"}}));
  on.send(5, fetch_of_key("a", 0, 1000));
  CHECK(on.replies().empty());
  on.send_publish(6, "orders", 0, batch_of({{"b", "2"}}));
  CHECK(answer_to(5, on.replies()) == nullptr);
  on.send_publish(7, "orders", 0, batch_of({{"b", "3"}, {"a", "4"}}));
  const auto met = on.replies();
  REQUIRE(answer_to(5, met) != nullptr);
  CHECK(answer_to(5, met)->frame().body_as_FetchOk()->offsets()->Get(0) == 3);

  on.send(8, fetch_of_key("a", 4, 1000));
  on.send_publish(9, "orders", 0, batch_of({{"b", "5"}}));
  CHECK(answer_to(8, on.replies()) == nullptr);
  on.time.advance(std::chrono::milliseconds(1001));
  const auto late = on.replies();
  REQUIRE(answer_to(8, late) != nullptr);
  CHECK(answer_to(8, late)->payload.empty());
  CHECK(answer_to(8, late)->frame().body_as_FetchOk()->next_offset() == 5);
}

TEST_CASE("a slow subscriber is not told of progress until it reads") {
  filtering on;
  on.publish("orders", 0, batch_of({{"b", "1"}}));
  on.subscribe_to_key("a");
  CHECK(told_in(on.replies()).size() == 1);
  on.publish("orders", 0, batch_of({{"b", "2"}}));

  on.settings.output_bytes_max = 1;
  on.send(7, [](auto& b) { return wire::CreatePing(b); });  // its answer stays in the queue
  const std::size_t queued = on.conversation->output().bytes();
  on.conversation->sweep();
  CHECK(on.conversation->output().bytes() == queued);

  CHECK(told_in(on.replies()).empty());
  on.conversation->sweep();
  const auto later = told_in(on.replies());
  REQUIRE(later.size() == 1);
  CHECK(later[0].next == 2);
}

TEST_CASE("a seek begins anew, and is told of from there") {
  filtering on;
  on.publish("orders", 0, batch_of({{"a", "1"}, {"b", "2"}, {"b", "3"}}));
  on.subscribe_to_key("a");
  CHECK(all_of(told_in(on.replies())) == records{{0, "1"}});
  on.time.advance(std::chrono::seconds(2));
  on.send(5, [](auto& b) {
    const auto to = wire::CreatePartitionStart(b, 0, wire::Start::offset, 1);
    return wire::CreateSeek(b, 8, 1, b.CreateVector(std::vector{to}));
  });
  const auto got = told_in(on.replies());
  REQUIRE(got.size() == 1);
  CHECK(got[0].payload == 0);
  CHECK(got[0].from == 1);
  CHECK(got[0].next == 3);
}

TEST_CASE("a damaged batch is delivered as it is, for the subscriber to find") {
  filtering on;
  on.publish("orders", 0, batch_of({{"a", "1"}}));
  on.publish("orders", 0, batch_of({{"a", "2"}, {"b", "3"}}));
  on.publish("orders", 0, batch_of({{"b", "4"}, {"a", "5"}}));
  on.shard.topics.at("orders").partitions[0].batches[1].data.back() ^= std::byte{1};
  on.subscribe_to_key("a");
  std::vector<std::pair<std::size_t, std::uint64_t>> seen;  // payload, and where to go on
  bool damage_found = false;
  for (const reply& one : on.replies()) {
    const auto* delivery = one.frame().body_as_Delivery();
    if (delivery == nullptr) continue;
    const auto batch = protocol::batch_view::parse(one.payload);
    REQUIRE(batch.has_value());
    damage_found |= !batch->crc_matches();
    seen.emplace_back(one.payload.size(), delivery->next_offset());
  }
  CHECK(damage_found);
  REQUIRE(seen.size() == 3);
  CHECK(seen[0].second == 1);
  CHECK(seen[1].second == 3);
  CHECK(seen[2].second == 5);
}

TEST_CASE("going through many records lets others have their turn, and comes to its end") {
  filtering on;
  const bytes unwanted = batch_of({{"b", std::string(200'000, 'x')}});
  for (int i = 0; i < 30; ++i) on.publish("orders", 0, unwanted);
  on.send_publish(5, "orders", 0, batch_of({{"a", "found"}, {"b", "not"}}));
  on.replies();
  on.subscribe_to_key("a", 100);
  CHECK(all_of(told_in(on.replies())) == records{{30, "found"}});
}

}  // namespace skald::server::test
