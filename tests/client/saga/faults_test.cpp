// What goes wrong, in the engine alone: clocks that step, orders and replies that cross, upgrades there and
// back.
#include <doctest/doctest.h>

#include "tests/client/saga/order_saga.hpp"

namespace skald::sagas::test {

namespace {

// The order saga with its steps under these names, as a version of its own.
definition renamed(std::uint32_t number, std::uint32_t from, std::map<std::string, std::string> names) {
  definition made = order_steps().build();
  made.version = version{number};
  made.migrations[from] = names;
  for (step& at : made.steps)
    for (const auto& [old, now] : names)
      if (at.name == old) at.name = now;
  return made;
}

// An event at a time, as a transition whose local steps have run.
instance after(instance state, const event& what, timestamp now) {
  const definition of = order_steps().build();
  std::vector<outgoing> records;
  return perform_locals(of, advance(of, std::move(state), what, now, 0.5), now, 0.5, records).next;
}

}  // namespace

TEST_CASE("a clock that steps back and forth changes no decision") {
  const definition of = order_steps().build();
  constexpr timestamp noon{std::chrono::hours(24 * 365 * 50)};
  std::vector<outgoing> records;
  const auto play = [&](milliseconds step) {
    timestamp now = noon;
    instance is =
        perform_locals(of, start(of, "o-1", order{.total = 500}.to_bytes(), "", now, 0.5), now, 0.5, records)
            .next;
    is = after(is, replied{.command = "o-1/stock"}, now += step);
    is = after(is, alarm_rang{is.find("credit")->alarm}, now -= step);
    is = after(is, alarm_rang{is.find("credit")->alarm}, now -= step);
    is = after(is, replied{.command = "o-1/credit"}, now += 2 * step);
    CHECK(is.changed == now);
    is = after(is, replied{.command = "o-1/ship"}, now - step);
    return is;
  };
  const instance steady_clock = play(milliseconds(10));
  for (const milliseconds step : {milliseconds(0), milliseconds(24h), milliseconds(-24h)}) {
    const instance stepping = play(step);
    CHECK(stepping.phase == phase::completed);
    CHECK(stepping.data == steady_clock.data);
    REQUIRE(stepping.steps.size() == steady_clock.steps.size());
    for (std::size_t i = 0; i < stepping.steps.size(); ++i) {
      CHECK(stepping.steps[i].progress == steady_clock.steps[i].progress);
      CHECK(stepping.steps[i].attempts == steady_clock.steps[i].attempts);
    }
  }
}

TEST_CASE("replies that cross the order to turn back do not approve the saga") {
  scenario play(order_steps().build(), "o-1");
  play.start(order{.total = 500}).order(ordered::order::compensate);
  play.happen(replied{.command = "o-1/credit"}).happen(replied{.command = "o-1/stock"});
  play.expect(phase::compensating);
  play.reply("stock").reply("credit").expect(phase::compensated);
  CHECK(play.data<order>().state.find("approved") == std::string::npos);
}

TEST_CASE("a late reply to a compensation that was sent again counts once") {
  scenario play(order_steps().build(), "o-1");
  play.start(order{.total = 50}).order(ordered::order::compensate);
  play.pass(30s).pass(1s);  // no reply: the same compensation again
  const std::string id = play.expect_command("credit").id;
  play.happen(replied{.command = id}).expect(phase::compensated);
  const std::string before = encode_state(play.state());
  play.happen(replied{.command = id}).happen(replied{.command = id, .failed = true});
  CHECK(encode_state(play.state()) == before);
}

TEST_CASE("an instance goes to a new version and back in mid-flight, by names mapped both ways") {
  scenario play(order_steps().build(), "o-1");
  play.start(order{.total = 500});
  play.upgrade(renamed(3, 2, {{"credit", "reserve"}, {"stock", "pick"}}));
  play.reply("pick").expect(phase::running);
  definition back = order_steps().build();
  back.version = version{4};
  back.migrations[3] = {{"reserve", "credit"}, {"pick", "stock"}};
  play.upgrade(back);
  CHECK(play.state().version == version{4});
  SUBCASE("and forward to its end") {
    play.reply("credit").reply("ship").expect(phase::completed);
  }
  SUBCASE("or back, with the ids that commands were sent with") {
    play.fail("credit", credit_limit_exceeded{}).expect(phase::compensating);
    CHECK(play.expect_command("stock").compensates == "o-1/stock");
    play.reply("stock").expect(phase::compensated);
  }
}

}  // namespace skald::sagas::test
