// The guards around requests of a client to services that fail, hang and come back.
#include <array>
#include <skald/resilience/resilience.hpp>

#include "tests/system/services/broker_scene.hpp"

namespace skald::test {

namespace {

using namespace skald::resilience;

retry_config quick(std::uint32_t attempts) {
  return {.max_attempts = attempts, .wait = {.initial_interval = 1ms, .max_interval = 2ms}};
}

circuit_breaker_config touchy() {
  return {.name = "price",
          .sliding_window_size = 4,
          .minimum_number_of_calls = 4,
          .wait_duration_in_open_state = 20ms,
          .permitted_number_of_calls_in_half_open_state = 2};
}

// Answers, says that it cannot, or does neither.
struct price_service {
  enum class mood { well, failing, silent };

  asio::awaitable<void> serve(client& broker) {
    auto requests = co_await broker.serve("price");
    ready = true;
    try {
      for (;;) {
        service_request asked = co_await requests.receive();
        ++calls;
        if (how == mood::well)
          asked.reply("7");
        else if (how == mood::failing)
          asked.fail(1, "out of order");
        else
          unanswered.push_back(std::move(asked));
      }
    } catch (const error& ended) {
      CHECK(ended.code() == errc::closed);
    }
  }

  mood how = mood::well;
  bool ready = false;
  int calls = 0;
  std::vector<service_request> unanswered;
};

struct guarded_scene : services_scene {
  guarded_scene() {
    responder_client.emplace(make_client());
    spawn(service.serve(*responder_client));
    until([&] { return service.ready; });
  }
  ~guarded_scene() {
    service.unanswered.clear();
    responder_client->close();
    until([&] { return running == 0; });
  }

  // What a guarded request comes to.
  template <class Guard>
  errc ask(const Guard& guard, milliseconds timeout = 30s) {
    errc result = errc::internal_error;
    run([](const Guard& by, client& broker, milliseconds patience, errc& code) -> asio::awaitable<void> {
      code = co_await code_of(by.run([&] { return broker.request("price", "sku", {.timeout = patience}); }));
    }(guard, *caller, timeout, result));
    return result;
  }

  price_service service;
  std::optional<client> responder_client;
};

}  // namespace

TEST_SUITE("resilience around requests") {
  TEST_CASE_FIXTURE(guarded_scene, "a breaker opens on a failing service, and closes when it is well again") {
    circuit_breaker breaker(touchy());
    std::vector<breaker_state> seen;
    breaker.on_state_transition([&](const state_transition& each) { seen.push_back(each.to); });
    service.how = price_service::mood::failing;
    for (int i = 0; i < 4; ++i) CHECK(ask(breaker) == errc::responder_failed);
    CHECK(ask(breaker) == errc::overloaded);
    CHECK(service.calls == 4);

    service.how = price_service::mood::well;
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (breaker.state() != breaker_state::closed && std::chrono::steady_clock::now() < deadline)
      ask(breaker);
    CHECK(ask(breaker) == errc::ok);
    CHECK(seen == std::vector{breaker_state::open, breaker_state::half_open, breaker_state::closed});
    CHECK(breaker.metrics().not_permitted_total > 0);
  }

  TEST_CASE_FIXTURE(guarded_scene, "refusals of business do not open a breaker whose judge knows them") {
    circuit_breaker_config config = touchy();
    config.judge = [](const std::exception_ptr& failed) {
      try {
        std::rethrow_exception(failed);
      } catch (const responder_error& said) {
        return said.responder_code() == 1 ? verdict::success : verdict::failure;
      } catch (...) {
        return judge_call(failed);
      }
    };
    const circuit_breaker breaker(config);
    service.how = price_service::mood::failing;
    for (int i = 0; i < 10; ++i) CHECK(ask(breaker) == errc::responder_failed);
    CHECK(breaker.state() == breaker_state::closed);
    CHECK(breaker.metrics().successful_total == 10);
  }

  TEST_CASE_FIXTURE(guarded_scene, "a silent service is given up, retried, and shut off") {
    const retry again(quick(2));
    const circuit_breaker breaker(touchy());
    const time_limiter at_most({.timeout_duration = 20ms});
    const auto guarded = compose(again, breaker, at_most);
    service.how = price_service::mood::silent;
    CHECK(ask(guarded) == errc::deadline_exceeded);
    CHECK(again.metrics().retries == 1);
    CHECK(ask(guarded) == errc::deadline_exceeded);
    CHECK(at_most.metrics().timed_out_total == 4);
    CHECK(breaker.state() == breaker_state::open);
    // A timed out request is taken back: the service hears of it.
    until([&] {
      return std::all_of(service.unanswered.begin(), service.unanswered.end(),
                         [](const service_request& each) { return each.cancelled(); });
    });
  }

  TEST_CASE_FIXTURE(guarded_scene, "a retry outlives the broker") {
    const retry again({.max_attempts = 1'000, .wait = {.initial_interval = 1ms, .max_interval = 20ms}});
    CHECK(ask(again) == errc::ok);
    std::optional<errc> result;
    server.reset();
    spawn([](const retry& by, client& broker, std::optional<errc>& code) -> asio::awaitable<void> {
      code = co_await code_of(by.run([&] { return broker.request("price", "sku", {.timeout = 200ms}); }));
    }(again, *caller, result));
    until([&] { return again.metrics().retries > 1; });
    start();
    until([&] { return result.has_value(); });
    CHECK(*result == errc::ok);
    CHECK(again.metrics().successful_calls_with_retry == 1);
  }

  TEST_CASE_FIXTURE(guarded_scene, "everything together, as a user writes it") {
    const auto guarded =
        compose(retry(quick(3)), circuit_breaker(touchy()), rate_limiter({.limit_for_period = 1'000}),
                time_limiter({.timeout_duration = 30s}), bulkhead({.max_concurrent_calls = 8}));
    run([](const auto& by, client& broker) -> asio::awaitable<void> {
      const std::string sku(100, 's');
      const std::array headers{header{"trace", "abc"}};
      const reply said =
          co_await by.run([&] { return broker.request("price", sku, {.headers = headers, .timeout = 30s}); });
      CHECK(said.body == "7");
    }(guarded, *caller));
  }
}

}  // namespace skald::test
