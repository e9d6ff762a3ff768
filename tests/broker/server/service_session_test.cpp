// Callers and responders as sessions: what they are told, whatever they send. The rules of routing are tested
// with the registry; here it is the way there and back.
#include <doctest/doctest.h>

#include "tests/broker/server/scene.hpp"

namespace skald::server::test {

namespace {

using builder = flatbuffers::FlatBufferBuilder;

bytes as_bytes(std::string_view text) {
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}
std::string text_of(const reply& said) {
  return {reinterpret_cast<const char*>(said.payload.data()), said.payload.size()};
}

// Two connections, whose services are one; the second is as if on another reactor.
struct two_sessions {
  two_sessions() {
    caller.greet();
    responder.greet();
  }

  static auto serve_message(std::uint64_t number, const char* subject = "price", std::uint32_t window = 0) {
    return [=](builder& b) {
      const std::vector metadata = {wire::CreatePropertyDirect(b, "zone", "a")};
      return wire::CreateServeDirect(b, number, subject, "one", "1.0", &metadata, window, 1000);
    };
  }
  void serve(std::uint32_t window = 0) {
    REQUIRE(responder.ask(5, serve_message(3, "price", window)).type() == wire::Body::ServeOk);
  }
  void ask(std::uint64_t id, std::string_view body = "sku 7", std::uint32_t timeout_ms = 5000) {
    caller.send(
        id,
        [&](builder& b) {
          const std::vector headers = {wire::CreatePropertyDirect(b, "trace", "7f")};
          return wire::CreateRequestDirect(b, "price", &headers, timeout_ms);
        },
        as_bytes(body));
  }
  void respond(std::uint64_t id, std::uint64_t correlation, std::string_view body = "9.50") {
    responder.send(id, [&](builder& b) { return wire::CreateRespond(b, correlation); }, as_bytes(body));
  }
  // The single request that the responder has been given.
  reply delivered() {
    reply said = responder.answer();
    REQUIRE(said.type() == wire::Body::RequestDelivery);
    return said;
  }

  scene caller;
  scene responder{&caller.hub};
};

}  // namespace

TEST_CASE("a request goes from one connection to another and its reply back") {
  two_sessions on;
  on.serve();
  on.ask(9);
  const reply asked = on.delivered();
  const auto* delivery = asked.frame().body_as_RequestDelivery();
  CHECK(delivery->responder() == 3);
  CHECK(delivery->timeout_ms() == 5000);
  REQUIRE(delivery->headers()->size() == 1);
  CHECK(protocol::text(delivery->headers()->Get(0)->value()) == "7f");
  CHECK(text_of(asked) == "sku 7");

  on.respond(0, delivery->correlation());
  const reply said = on.caller.answer();
  CHECK(said.id() == 9);
  REQUIRE(said.type() == wire::Body::Reply);
  CHECK(protocol::text(said.frame().body_as_Reply()->instance_id()) == "one");
  CHECK(text_of(said) == "9.50");
  CHECK(on.responder.replies().empty());
}

TEST_CASE("a body too large to be copied is passed on as it was received") {
  two_sessions on;
  on.serve();
  on.ask(9, std::string(100'000, 'x'));
  CHECK(on.delivered().payload.size() == 100'000);
}

TEST_CASE("one connection may be both caller and responder") {
  scene both;
  both.greet();
  REQUIRE(both.ask(5, two_sessions::serve_message(3)).type() == wire::Body::ServeOk);
  both.send(9, [](builder& b) { return wire::CreateRequestDirect(b, "price"); });
  const reply asked = both.answer();
  REQUIRE(asked.type() == wire::Body::RequestDelivery);
  const auto correlation = asked.frame().body_as_RequestDelivery()->correlation();
  both.send(0, [&](builder& b) { return wire::CreateRespond(b, correlation); });
  CHECK(both.answer().type() == wire::Body::Reply);
}

TEST_CASE("a request without responders is answered at once") {
  two_sessions on;
  on.ask(9);
  CHECK(on.caller.answer().error() == errc::no_responders);
}

TEST_CASE("a deadline passes by itself") {
  two_sessions on;
  on.serve();
  on.ask(9, "", 1500);
  on.delivered();
  on.caller.time.advance(std::chrono::milliseconds(1499));
  CHECK(on.caller.replies().empty());
  on.caller.time.advance(std::chrono::milliseconds(1));
  CHECK(on.caller.answer().error() == errc::deadline_exceeded);
}

TEST_CASE("requests with short deadlines leave no timers behind") {
  two_sessions on;
  on.serve();
  for (std::uint64_t id = 10; id < 210; ++id) {
    on.ask(id, "", 50);
    on.respond(0, on.delivered().frame().body_as_RequestDelivery()->correlation());
    CHECK(on.caller.answer().type() == wire::Body::Reply);
    on.caller.time.advance(std::chrono::milliseconds(60));
  }
  CHECK(on.caller.time.delayed() < 10);
}

TEST_CASE("a responder's connection that ends loses its requests") {
  two_sessions on;
  on.serve();
  on.ask(9);
  on.delivered();
  on.responder.conversation.reset();
  CHECK(on.caller.answer().error() == errc::responder_lost);
}

TEST_CASE("a responder that breaks the protocol loses its requests at once") {
  two_sessions on;
  on.serve();
  on.ask(9);
  on.delivered();
  on.responder.send(6, [](builder& b) { return wire::CreatePong(b); });
  CHECK(on.caller.answer().error() == errc::responder_lost);
}

TEST_CASE("a caller's connection that ends cancels its requests") {
  two_sessions on;
  on.serve();
  on.ask(9);
  const reply asked = on.delivered();
  on.caller.conversation.reset();
  const reply told = on.responder.answer();
  REQUIRE(told.type() == wire::Body::RequestCancelled);
  CHECK(told.frame().body_as_RequestCancelled()->correlation() ==
        asked.frame().body_as_RequestDelivery()->correlation());
}

TEST_CASE("cancelling a request, or one that does not exist, has no answer") {
  two_sessions on;
  on.serve();
  on.ask(9);
  on.delivered();
  on.caller.send(0, [](builder& b) { return wire::CreateCancelRequest(b, 9); });
  CHECK(on.caller.replies().empty());
  CHECK(on.responder.answer().type() == wire::Body::RequestCancelled);
  on.caller.send(0, [](builder& b) { return wire::CreateCancelRequest(b, 77); });
  CHECK(on.caller.replies().empty());
}

TEST_CASE("a reply to nobody is answered when it has an id, and dropped when it has none") {
  two_sessions on;
  on.serve();
  on.respond(6, 12'345);
  CHECK(on.responder.answer().error() == errc::unknown_request);
  on.respond(0, 12'345);
  CHECK(on.responder.replies().empty());
}

TEST_CASE("another connection cannot answer a request by guessing its correlation") {
  two_sessions on;
  on.serve();
  on.ask(9);
  const auto correlation = on.delivered().frame().body_as_RequestDelivery()->correlation();
  const reply said = on.caller.ask(10, [&](builder& b) { return wire::CreateRespond(b, correlation); });
  CHECK(said.error() == errc::unknown_request);
  on.respond(7, correlation);
  CHECK(on.responder.answer().type() == wire::Body::Ok);
}

TEST_CASE("bad names of services are refused, and shown without their bytes") {
  two_sessions on;
  for (const char* subject : {"", ".", "a b", "__mine", "no\x1b[2Jpe"}) {
    CHECK(on.responder.ask(5, two_sessions::serve_message(3, subject)).error() == errc::invalid_topic_name);
    const reply said = on.caller.ask(9, [&](builder& b) { return wire::CreateRequestDirect(b, subject); });
    CHECK(said.error() == errc::invalid_topic_name);
    CHECK(protocol::text(said.frame().body_as_Error()->message()).find('\x1b') == std::string_view::npos);
  }
}

TEST_CASE("a responder's number is used once, and known until it ends") {
  two_sessions on;
  on.serve();
  CHECK(on.responder.ask(6, two_sessions::serve_message(3)).error() == errc::invalid_request);
  CHECK(on.responder.ask(7, [](builder& b) { return wire::CreateUnserve(b, 3); }).type() == wire::Body::Ok);
  CHECK(on.responder.ask(8, [](builder& b) { return wire::CreateUnserve(b, 3); }).error() ==
        errc::unknown_responder);
  CHECK(on.responder.ask(9, [](builder& b) { return wire::CreateDrain(b, 3); }).error() ==
        errc::unknown_responder);
  on.responder.send(10, [](builder& b) { return wire::CreateHeartbeat(b, 3); });
  CHECK(on.responder.replies().empty());
}

TEST_CASE("a drain is answered after the last reply") {
  two_sessions on;
  on.serve();
  on.ask(9);
  const auto correlation = on.delivered().frame().body_as_RequestDelivery()->correlation();
  on.responder.send(6, [](builder& b) { return wire::CreateDrain(b, 3); });
  CHECK(on.responder.replies().empty());
  on.respond(0, correlation);
  const reply done = on.responder.answer();
  CHECK(done.type() == wire::Body::Ok);
  CHECK(done.id() == 6);
}

TEST_CASE("missed heartbeats end a responder with a notice") {
  two_sessions on;
  on.serve();
  on.caller.time.advance(std::chrono::milliseconds(3000));
  on.ask(9);
  CHECK(on.caller.answer().error() == errc::no_responders);
  on.caller.time.advance(std::chrono::milliseconds(7000));
  const reply notice = on.responder.answer();
  REQUIRE(notice.type() == wire::Body::ResponderNotice);
  CHECK(static_cast<errc>(notice.frame().body_as_ResponderNotice()->code()) == errc::responder_lost);
}

TEST_CASE("all instances are asked, each outcome pushed, and the end answered") {
  two_sessions on;
  on.serve();
  on.caller.send(9, [](builder& b) { return wire::CreateRequestAllDirect(b, "price"); });
  const auto correlation = on.delivered().frame().body_as_RequestDelivery()->correlation();
  on.respond(0, correlation);
  const auto said = on.caller.replies();
  REQUIRE(said.size() == 2);
  REQUIRE(said[0].type() == wire::Body::PartialReply);
  CHECK(said[0].frame().body_as_PartialReply()->request() == 9);
  CHECK(text_of(said[0]) == "9.50");
  CHECK(said[1].frame().body_as_RequestAllOk()->replied() == 1);
}

TEST_CASE("services are listed and watched") {
  two_sessions on;
  CHECK(on.caller.ask(7, [](builder& b) { return wire::CreateWatchServicesDirect(b, 4); }).type() ==
        wire::Body::Ok);
  on.serve();
  const reply event = on.caller.answer();
  REQUIRE(event.type() == wire::Body::ServiceEvent);
  CHECK(protocol::text(event.frame().body_as_ServiceEvent()->instance()->instance_id()) == "one");
  const reply list = on.caller.ask(8, [](builder& b) { return wire::CreateListServices(b); });
  const auto* services = list.frame().body_as_ListServicesOk()->services();
  REQUIRE(services->size() == 1);
  const auto* instance = services->Get(0)->instances()->Get(0);
  CHECK(protocol::text(instance->version()) == "1.0");
  CHECK(protocol::text(instance->metadata()->Get(0)->name()) == "zone");
  CHECK(on.caller.ask(9, [](builder& b) { return wire::CreateUnwatchServices(b, 4); }).type() ==
        wire::Body::Ok);
  CHECK(on.caller.ask(10, [](builder& b) { return wire::CreateUnwatchServices(b, 4); }).error() ==
        errc::invalid_request);
}

TEST_CASE("the largest page of instances fits into a header") {
  scene on;
  on.greet();
  // As many entries as there may be, with as many bytes in all.
  const std::string text(30, 'x');
  for (std::uint64_t number = 1; number <= 200; ++number) {
    const std::string id = std::to_string(number) + std::string(240, 'i');
    const reply said = on.ask(number + 10, [&](builder& b) {
      std::vector<flatbuffers::Offset<wire::Property>> metadata;
      for (int i = 0; i < 128; ++i) metadata.push_back(wire::CreatePropertyDirect(b, "na", text.c_str()));
      return wire::CreateServeDirect(b, number, "price", id.c_str(), "", &metadata);
    });
    REQUIRE(said.type() == wire::Body::ServeOk);
  }
  const reply page = on.ask(9, [](builder& b) { return wire::CreateListServices(b); });
  REQUIRE(page.type() == wire::Body::ListServicesOk);
  CHECK(page.header_bytes < protocol::frame_limits{}.header_bytes_max);
  CHECK(page.frame().body_as_ListServicesOk()->more());
}

TEST_CASE("a caller that does not read its replies gets errors instead, and costs a bounded amount") {
  two_sessions on;
  on.caller.settings.output_bytes_max = 10'000;
  on.serve();
  for (std::uint64_t id = 10; id < 110; ++id) on.ask(id);
  const auto asked = on.responder.replies();
  REQUIRE(asked.size() == 100);
  for (const reply& one : asked) {
    on.respond(0, one.frame().body_as_RequestDelivery()->correlation(), std::string(2000, 'x'));
  }
  CHECK(on.caller.conversation->output().bytes() < 100'000);
  std::size_t dropped = 0;
  for (const reply& one : on.caller.replies()) dropped += one.error() == errc::overloaded ? 1 : 0;
  CHECK(dropped > 50);
}

TEST_CASE("a watcher that does not read is let go") {
  two_sessions on;
  on.caller.settings.output_bytes_max = 1000;
  on.caller.ask(7, [](builder& b) { return wire::CreateWatchServicesDirect(b, 4); });
  for (int i = 0; i < 100; ++i) {
    on.responder.ask(8, two_sessions::serve_message(3));
    on.responder.ask(9, [](builder& b) { return wire::CreateUnserve(b, 3); });
  }
  CHECK(on.caller.replies().back().closing() == errc::overloaded);
}

TEST_CASE("a broker that stops answers those who wait for a reply") {
  two_sessions on;
  on.serve();
  on.ask(9);
  on.delivered();
  on.caller.conversation->stop();
  const auto said = on.caller.replies();
  REQUIRE(said.size() == 2);
  CHECK(said[0].error() == errc::shutting_down);
  CHECK(said[1].closing() == errc::shutting_down);
}

TEST_CASE("a request's header that was changed in any one byte never does harm") {
  protocol::frame_writer writer;
  auto& b = writer.begin();
  const std::vector headers = {wire::CreatePropertyDirect(b, "trace", "7f")};
  const auto front = writer.finish(5, wire::CreateRequestDirect(b, "price", &headers, 1000));
  for (std::size_t at = 8; at < front.size(); ++at) {
    for (const unsigned change : {0x01u, 0x80u, 0xffu}) {
      two_sessions on;
      on.serve();
      auto raw = std::make_shared<bytes>(front.begin(), front.end());
      (*raw)[at] ^= static_cast<std::byte>(change);
      REQUIRE(on.caller.send_raw(raw));
      on.caller.replies();
      on.responder.replies();
    }
  }
}

}  // namespace skald::server::test
