// Requests and replies, which are in memory only.
#include <doctest/doctest.h>

#include "tests/system/model/world.hpp"

namespace skald::tests {

void world::request() {
  const std::string body = new_value();
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    try {
      const reply answer = client_.request("echo", body);
      CHECK(answer.body == "re " + body);
      return;
    } catch (const error& why) {
      // Somebody's connection was lost, and the responder may not be back yet.
      const bool expected = why.code() == errc::no_responders || why.code() == errc::responder_lost ||
                            why.code() == errc::connection_lost;
      REQUIRE_MESSAGE(expected, why.what());
      REQUIRE(std::chrono::steady_clock::now() < deadline);
    }
  }
}

}  // namespace skald::tests
