// Definitions that change while instances of them run.
#include <doctest/doctest.h>

#include <skald/protocol/error.hpp>

#include "tests/client/saga/order_saga.hpp"

namespace skald::sagas::test {

namespace {

// Version 3 calls the credit another name, checks for fraud before it, and packs before shipping.
definition version_three(std::map<std::string, std::string> names) {
  return saga<order>("create-order", version{3})
      .migrates(version{2}, std::move(names))
      .step("create")
      .local([](order&) {})
      .compensate([](order& data) { data.state = "rejected"; })
      .step("fraud-check")
      .call<ship>("fraud", of_total<ship>)
      .step("reserve")
      .call<reserve_credit>("customers", of_total<reserve_credit>)
      .compensate<release_credit>(of_total<release_credit>)
      .pivot("approve")
      .local([](order& data) { data.state = "approved"; })
      .step("pack")
      .local([](order& data) { data.state += " packed"; })
      .step("ship")
      .call<ship>("warehouse", of_total<ship>)
      .build();
}

}  // namespace

TEST_CASE("a running instance goes on as the new version, by its mapped names") {
  scenario play(order_steps().build(), "o-1");
  play.start(order{.total = 50}).upgrade(version_three({{"credit", "reserve"}, {"stock", "stock"}}));
  CHECK(play.state().version == version{3});
  play.expect("fraud-check", progress::skipped);  // it was added where the saga has been
  play.happen(replied{.command = "o-1/credit"});
  play.expect("pack", progress::done);
  CHECK(play.data<order>().state == "approved packed");
  play.reply("ship").expect(phase::completed);
}

TEST_CASE("a migrated instance compensates under its new names, with the old ids") {
  scenario play(order_steps().build(), "o-1");
  play.start(order{.total = 50}).upgrade(version_three({{"credit", "reserve"}}));
  play.order(ordered::order::compensate);
  CHECK(play.expect_command("reserve").compensates == "o-1/credit");
  play.reply("reserve").expect(phase::compensated);
}

TEST_CASE("a step that has begun and has no name in the new version parks the instance") {
  scenario play(order_steps().build(), "o-1");
  play.start(order{.total = 50}).upgrade(version_three({}));
  play.expect(phase::parked);
  CHECK(play.state().why.find("'credit'") != std::string::npos);
  CHECK(play.state().version == version{2});
}

TEST_CASE("an instance that a version cannot take over waits for one that can, whatever is ordered") {
  scenario play(order_steps().build(), "o-1");
  play.start(order{.total = 50}).upgrade(version_three({}));
  play.happen(replied{.command = "o-1/credit"}).pass(1h);
  for (const ordered::order one : {ordered::order::retry, ordered::order::skip, ordered::order::compensate}) {
    play.order(one).expect(phase::parked);
    CHECK(play.state().why.find("map its name") != std::string::npos);
  }
  SUBCASE("the reply that came meanwhile is asked for again") {
    play.upgrade(version_three({{"credit", "reserve"}})).order(ordered::order::retry);
    CHECK(play.expect_command("reserve").id == "o-1/credit");
    play.reply("reserve").reply("ship").expect(phase::completed);
  }
  SUBCASE("or it is aborted") {
    play.order(ordered::order::abort).expect(phase::aborted);
  }
}

TEST_CASE("a definition that has lost a step under its old version holds who waits for it") {
  scenario play(order_steps().build(), "o-1");
  play.start(order{.total = 50});
  definition changed = order_steps().build();
  for (step& at : changed.steps)
    if (at.name == "credit") at.name = "reserve";
  play.upgrade(changed).happen(replied{.command = "o-1/credit"}).expect(phase::parked);
  CHECK(play.state().why.find("'credit'") != std::string::npos);
  play.order(ordered::order::retry).expect(phase::parked);
  play.upgrade(order_steps().build()).order(ordered::order::retry);
  play.reply("credit").reply("ship").expect(phase::completed);
}

TEST_CASE("the registry finds who runs an instance") {
  registry known;
  definition one = order_steps().build();
  one.version = version{1};
  known.add(one);
  known.add(order_steps().build());
  CHECK(known.newest("create-order")->version == version{2});
  CHECK(known.for_instance("create-order", version{1})->version == version{1});
  CHECK(known.for_instance("create-order", version{2})->version == version{2});
  CHECK(known.for_instance("create-order", version{3}) == nullptr);
  CHECK(known.newest("delete-order") == nullptr);
  known.add(version_three({{"credit", "reserve"}}));
  CHECK(known.for_instance("create-order", version{2})->version == version{3});
  CHECK(known.for_instance("create-order", version{1})->version == version{1});
  CHECK_THROWS_AS(known.add(order_steps().build()), error);
}

}  // namespace skald::sagas::test
