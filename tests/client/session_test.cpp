// The session, spoken to as a broker would, in simulated time.
#include "client/src/session.hpp"

#include <doctest/doctest.h>

using namespace skald;
using namespace std::chrono_literals;
using detail::incoming_frame;
using detail::on_loss;
using detail::session;
using detail::steady_time;
using flatbuffers::FlatBufferBuilder;

namespace {

const steady_time start(1'000s);

// A session and the broker's side of it.
struct conversation {
  conversation() {
    client.set_events({[this] { ++readies; }, [this] { ++losses; },
                       [this](const incoming_frame& frame) { pushed.push_back(frame.header->body_type()); }});
  }

  // What the client writes, by type; remembers the ids.
  std::vector<wire::Body> written(steady_time now = start) {
    std::vector<wire::Body> types;
    for (const auto& frame : client.take_output(now)) {
      const auto parsed = protocol::parse_frame(frame->front, {}).value();
      const auto* header = reader.read(parsed.frame).value();
      types.push_back(header->body_type());
      last_id = header->id();
    }
    return types;
  }

  template <class Build>
  result<> answer(std::uint64_t id, Build&& build, steady_time now = start) {
    protocol::frame_writer writer;
    const auto bytes = writer.finish(id, build(writer.begin()));
    const auto parsed = protocol::parse_frame(bytes, {}).value();
    return client.received({parsed.frame, nullptr}, now);
  }

  result<> greet(std::uint32_t idle_timeout_ms = 30'000, std::uint16_t version = 1) {
    return answer(last_id, [&](FlatBufferBuilder& builder) {
      const auto text = builder.CreateString("b");
      return wire::CreateHelloOk(builder, version, text, text, 1u << 20, idle_timeout_ms);
    });
  }

  void connect() {
    client.opened(start);
    REQUIRE(written() == std::vector{wire::Body::Hello});
    REQUIRE(greet());
  }

  std::uint64_t ask(on_loss lost, std::optional<steady_time> deadline = {}, bool wait = true) {
    const auto id = client.next_id();
    auto frame = client.encode(id, [](FlatBufferBuilder& builder) { return wire::CreateStatus(builder); });
    client.submit({id, std::move(frame), "asking", lost, wait, deadline},
                  [this](const result<incoming_frame>& outcome) {
                    outcomes.push_back(outcome ? errc::ok : outcome.error().code);
                    if (!outcome) last_message = outcome.error().message;
                  });
    return id;
  }

  result<> reply(std::uint64_t id) {
    return answer(id, [](FlatBufferBuilder& builder) { return wire::CreateOk(builder); });
  }

  session client{"test", "here:1"};
  protocol::header_reader reader;
  std::uint64_t last_id = 0;
  int readies = 0;
  int losses = 0;
  std::vector<wire::Body> pushed;
  std::vector<errc> outcomes;
  std::string last_message;
};

const failure gone{errc::connection_lost, "reset by peer"};

}  // namespace

TEST_SUITE("session") {
  TEST_CASE("requests wait for the greeting, then go out in order and are answered in any") {
    conversation talk;
    const auto first = talk.ask(on_loss::repeat);
    talk.client.opened(start);
    const auto second = talk.ask(on_loss::fail);
    CHECK(talk.written() == std::vector{wire::Body::Hello});
    REQUIRE(talk.greet());
    CHECK(talk.readies == 1);
    CHECK(talk.written() == std::vector{wire::Body::Status, wire::Body::Status});
    REQUIRE(talk.reply(second));
    REQUIRE(talk.reply(first));
    CHECK(talk.outcomes == std::vector{errc::ok, errc::ok});
  }

  TEST_CASE(
      "a lost connection repeats what may be repeated, fails what may have happened, keeps what was not "
      "written") {
    conversation talk;
    talk.connect();
    const auto repeated = talk.ask(on_loss::repeat);
    talk.ask(on_loss::fail);
    CHECK(talk.written().size() == 2);
    const auto unwritten = talk.ask(on_loss::fail);
    talk.client.lost(gone);
    CHECK(talk.losses == 1);
    CHECK(talk.outcomes == std::vector{errc::connection_lost});
    CHECK(talk.last_message.find("reset by peer") != std::string::npos);

    talk.connect();
    CHECK(talk.written().size() == 2);
    REQUIRE(talk.reply(repeated));
    REQUIRE(talk.reply(unwritten));
    CHECK(talk.outcomes == std::vector{errc::connection_lost, errc::ok, errc::ok});
  }

  TEST_CASE("what the broker would close the connection for fails by itself, and others go on") {
    conversation talk;
    const auto send_large = [&] {
      const auto id = talk.client.next_id();
      const auto payload = std::make_shared<const std::vector<std::byte>>(1u << 20);
      auto frame = talk.client.encode(
          id, [](FlatBufferBuilder& builder) { return wire::CreateCommit(builder); }, {payload});
      talk.client.submit({id, std::move(frame), "committing", on_loss::repeat, true, {}},
                         [&talk](const result<incoming_frame>& outcome) {
                           talk.outcomes.push_back(outcome ? errc::ok : outcome.error().code);
                           if (!outcome) talk.last_message = outcome.error().message;
                         });
    };
    send_large();
    const auto small = talk.ask(on_loss::repeat);
    talk.connect();
    CHECK(talk.outcomes == std::vector{errc::frame_too_large});
    CHECK(talk.last_message.starts_with("committing: "));
    CHECK(talk.written() == std::vector{wire::Body::Status});
    send_large();
    REQUIRE(talk.reply(small));
    CHECK(talk.outcomes == std::vector{errc::frame_too_large, errc::frame_too_large, errc::ok});
  }

  TEST_CASE("what cannot wait fails at once without a connection") {
    conversation talk;
    talk.ask(on_loss::fail, {}, false);
    CHECK(talk.outcomes == std::vector{errc::connection_lost});
  }

  TEST_CASE("a deadline that passes says why: no connection, or no answer") {
    conversation talk;
    talk.ask(on_loss::repeat, start + 5s);
    CHECK(talk.client.next_tick() == start + 5s);
    talk.client.unreachable({errc::cannot_connect, "connection refused"});
    REQUIRE(talk.client.tick(start + 4s));
    CHECK(talk.outcomes.empty());
    REQUIRE(talk.client.tick(start + 5s));
    CHECK(talk.outcomes == std::vector{errc::cannot_connect});
    CHECK(talk.last_message.find("connection refused") != std::string::npos);

    talk.connect();
    const auto late = talk.ask(on_loss::fail, start + 6s);
    CHECK(talk.written().size() == 1);
    REQUIRE(talk.client.tick(start + 6s));
    CHECK(talk.outcomes.back() == errc::deadline_exceeded);
    CHECK(talk.last_message.find("may have happened") != std::string::npos);
    SUBCASE("and the answer that comes after all is ignored") {
      REQUIRE(talk.reply(late));
      CHECK(talk.outcomes.size() == 2);
    }
  }

  TEST_CASE("a forgotten request that was not written never is") {
    conversation talk;
    talk.connect();
    const auto id = talk.ask(on_loss::fail);
    talk.client.forget(id);
    CHECK(talk.written().empty());
    CHECK(talk.outcomes.empty());
  }

  TEST_CASE("connect() fails early when nobody listens, unless it keeps trying") {
    conversation talk;
    std::vector<errc> told;
    const auto note = [&](const result<incoming_frame>& outcome) {
      told.push_back(outcome ? errc::ok : outcome.error().code);
    };
    talk.client.wait_until_ready(start + 10s, true, note);
    talk.client.wait_until_ready(start + 10s, false, note);
    talk.client.unreachable({errc::cannot_connect, "refused"});
    CHECK(told == std::vector{errc::cannot_connect});
    talk.connect();
    CHECK(told == std::vector{errc::cannot_connect, errc::ok});
  }

  TEST_CASE("an Error answers its request only") {
    conversation talk;
    talk.connect();
    const auto id = talk.ask(on_loss::repeat);
    REQUIRE(talk.answer(id, [](FlatBufferBuilder& builder) {
      return wire::CreateError(builder, static_cast<std::uint16_t>(errc::unknown_topic),
                               builder.CreateString("no"));
    }));
    CHECK(talk.outcomes == std::vector{errc::unknown_topic});
    CHECK(talk.last_message == "no");
    CHECK(talk.client.ready());
  }

  TEST_CASE("a broker of another version, and one that is none, are refused") {
    conversation talk;
    talk.client.opened(start);
    talk.written();
    const auto outcome = talk.greet(30'000, 9);
    REQUIRE(!outcome);
    CHECK(outcome.error().code == errc::unsupported_version);

    conversation other;
    other.client.opened(start);
    other.written();
    const auto nonsense = other.reply(other.last_id);
    REQUIRE(!nonsense);
    CHECK(nonsense.error().code == errc::protocol_error);
    other.ask(on_loss::repeat, start + 5s);
    other.client.lost(nonsense.error());
    REQUIRE(other.client.tick(start + 5s));
    CHECK(other.last_message.find("not a skald broker") != std::string::npos);
  }

  TEST_CASE("Closing ends the connection with the broker's reason") {
    conversation talk;
    talk.connect();
    const auto outcome = talk.answer(0, [](FlatBufferBuilder& builder) {
      return wire::CreateClosing(builder, static_cast<std::uint16_t>(errc::shutting_down),
                                 builder.CreateString("bye"));
    });
    REQUIRE(!outcome);
    CHECK(outcome.error().message.find("bye") != std::string::npos);
  }

  TEST_CASE("deliveries are passed on") {
    conversation talk;
    talk.connect();
    REQUIRE(talk.answer(0, [](FlatBufferBuilder& builder) { return wire::CreateDelivery(builder, 5); }));
    CHECK(talk.pushed == std::vector{wire::Body::Delivery});
  }

  TEST_CASE("an idle connection is kept alive, a silent one is given up") {
    conversation talk;
    talk.client.opened(start);
    talk.written();
    REQUIRE(talk.greet(30'000));
    CHECK(talk.client.next_tick() == start + 10s);
    REQUIRE(talk.client.tick(start + 10s));
    CHECK(talk.written(start + 10s) == std::vector{wire::Body::Ping});
    CHECK(talk.client.next_tick() == start + 20s);
    REQUIRE(
        talk.answer(1, [](FlatBufferBuilder& builder) { return wire::CreatePong(builder); }, start + 11s));
    REQUIRE(talk.client.tick(start + 40s));
    CHECK(talk.written(start + 40s) == std::vector{wire::Body::Ping});
    const auto silent = talk.client.tick(start + 41s);
    REQUIRE(!silent);
    CHECK(silent.error().code == errc::connection_lost);
  }

  TEST_CASE("a keep-alive that waits behind a write is not repeated at once") {
    conversation talk;
    talk.connect();
    REQUIRE(talk.client.tick(start + 10s));
    CHECK(talk.client.next_tick() == start + 20s);
    REQUIRE(talk.client.tick(start + 15s));
    REQUIRE(talk.client.tick(start + 20s));
    CHECK(talk.client.next_tick() == start + 30s);
    CHECK(talk.written(start + 21s) == std::vector{wire::Body::Ping, wire::Body::Ping});
  }

  TEST_CASE("what is wrong with the connection is known until there is another") {
    conversation talk;
    CHECK(talk.client.trouble() == "");
    talk.connect();
    CHECK(talk.client.trouble() == "");
    talk.client.lost(gone);
    CHECK(talk.client.trouble() == "reset by peer");
    talk.client.unreachable({errc::cannot_connect, "refused"});
    CHECK(talk.client.trouble() == "refused");
    talk.connect();
    CHECK(talk.client.trouble() == "");
  }

  TEST_CASE("closing fails everything, and what comes later") {
    conversation talk;
    talk.connect();
    talk.ask(on_loss::repeat);
    talk.client.close({errc::closed, "closed"});
    talk.ask(on_loss::repeat);
    CHECK(talk.outcomes == std::vector{errc::closed, errc::closed});
    CHECK(talk.written().empty());
  }

  TEST_CASE("a garbled header ends the connection") {
    conversation talk;
    talk.connect();
    std::vector<std::byte> bytes(40, std::byte{0xee});
    const auto outcome = talk.client.received({{std::span(bytes).first(24), {}}, nullptr}, start);
    REQUIRE(!outcome);
    CHECK(outcome.error().code == errc::protocol_error);
  }
}
