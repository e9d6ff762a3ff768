// What is stored of an instance, and read back.
#include <doctest/doctest.h>

#include <skald/protocol/error.hpp>

#include "tests/client/saga/order_saga.hpp"

namespace skald::sagas::test {

TEST_CASE("an instance is what it was after it was stored, wherever it is") {
  scenario play(order_steps().build(), "o-1");
  play.start(order{.total = 500});
  const auto check = [&] {
    const instance& is = play.state();
    const instance again = decode_state(encode_state(is), is.id, is.data);
    CHECK(encode_state(again) == encode_state(is));
    CHECK(again.id == "o-1");
    CHECK(again.data == is.data);
    CHECK(again.steps.size() == is.steps.size());
  };
  check();
  play.answer("stock", true, "", "no \"stock\"");
  check();
  play.reply("credit");
  check();
  play.reply("credit").expect(phase::compensated);
  check();
}

TEST_CASE("ids and causes may be any bytes, and of what a participant says a cause is an extract") {
  const std::string bytes = "\xff\xc3(" + std::string(1, '\0') + std::string(1'000, '\xe4');
  scenario play(order_steps().build(), "\xfeid");
  play.start(order{.total = 500}).reply("stock").answer("credit", true, "odd \xff", bytes);
  instance is = play.state();
  REQUIRE(is.phase == phase::compensating);
  CHECK(is.find("credit")->cause.starts_with("odd \xff: \xff\xc3("));
  CHECK(is.find("credit")->cause.size() < 300);
  instance again = decode_state(encode_state(is), is.id, is.data);
  CHECK(again.why == is.why);
  CHECK(again.find("credit")->cause == is.find("credit")->cause);
  CHECK(again.find("stock")->command == "\xfeid/stock");
  CHECK(encode_state(again) == encode_state(is));
}

TEST_CASE("what is no state says so") {
  const std::string good = [] {
    scenario play(order_steps().build());
    play.start(order{});
    return encode_state(play.state());
  }();
  for (std::size_t cut = 0; cut < good.size(); ++cut)
    CHECK_THROWS_AS(decode_state(good.substr(0, cut), "o-1", ""), error);
  std::string unknown = good;
  unknown.replace(unknown.find("running"), 7, "dancing");
  CHECK_THROWS_AS(decode_state(unknown, "o-1", ""), error);
}

}  // namespace skald::sagas::test
