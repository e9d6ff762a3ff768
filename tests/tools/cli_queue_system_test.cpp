// skald queue, skald dead and skald sub --queue, end to end.
#include <doctest/doctest.h>

#include <skald/blocking_client.hpp>

#include "tests/tools/cli_scene.hpp"

namespace skald::tests {
namespace {

void publish(const std::string& topic, const std::string& lines) {
  const process_result published = skald({"pub", topic}, lines);
  REQUIRE_MESSAGE(published.exit_code == 0, published.errors);
}

std::string output_of(const arguments& given) {
  const process_result ran = skald(given);
  CHECK_MESSAGE(ran.exit_code == 0, ran.errors);
  return ran.output;
}

TEST_CASE("A queue is created, seen and deleted") {
  create_topic("queue-life");
  output_of({"queue", "create", "queue-life", "work", "--lease", "5s", "--max-attempts", "3"});
  CHECK(contains(output_of({"queue", "list", "queue-life"}), "work"));
  const std::string about = output_of({"queue", "describe", "queue-life", "work"});
  CHECK(contains(about, "5s"));
  CHECK(contains(about, "queue-life.work.dead"));
  CHECK(contains(output_of({"queue", "describe", "queue-life", "work", "--output", "json"}),
                 "\"max_attempts\":3"));
  output_of({"queue", "alter", "queue-life", "work", "--lease", "7s"});
  CHECK(contains(output_of({"queue", "describe", "queue-life", "work"}), "7s"));

  const process_result twice = skald({"queue", "create", "queue-life", "work"});
  CHECK(twice.exit_code == 1);
  CHECK(contains(twice.errors, "work"));
  output_of({"queue", "delete", "queue-life", "work"});
  const process_result gone = skald({"queue", "describe", "queue-life", "work"});
  CHECK(gone.exit_code == 1);
  CHECK(contains(gone.errors, "skald queue create queue-life work"));
}

TEST_CASE("sub --queue writes each record once, whichever of several takes it") {
  create_topic("queue-sub");
  output_of({"queue", "create", "queue-sub", "work"});
  publish("queue-sub", "a\nb\nc\n");
  CHECK(output_of({"queue", "peek", "queue-sub", "work", "--count", "2"}).find("c\n") == std::string::npos);
  CHECK(output_of({"sub", "queue-sub", "--queue", "work", "--count", "2", "--prefetch", "2"}) == "a\nb\n");
  CHECK(output_of({"sub", "queue-sub", "--queue", "work", "--no-follow"}) == "c\n");
  CHECK(output_of({"sub", "queue-sub", "--queue", "work", "--no-follow"}).empty());
  const process_result unknown = skald({"sub", "queue-sub", "--queue", "none", "--no-follow"});
  CHECK(unknown.exit_code == 1);
  CHECK(contains(unknown.errors, "none"));
}

TEST_CASE("A purge says what it is about, and needs --yes") {
  create_topic("queue-purge");
  output_of({"queue", "create", "queue-purge", "work"});
  publish("queue-purge", "a\nb\n");
  CHECK(contains(output_of({"queue", "purge", "queue-purge", "work", "--dry-run"}), "2 records"));
  CHECK(skald({"queue", "purge", "queue-purge", "work"}).exit_code == 2);
  output_of({"queue", "purge", "queue-purge", "work", "--yes"});
  CHECK(output_of({"sub", "queue-purge", "--queue", "work", "--no-follow"}).empty());
}

TEST_CASE("Dead letters are listed with their reason, shown, put back and dropped") {
  create_topic("queue-dead");
  output_of({"queue", "create", "queue-dead", "work"});
  publish("queue-dead", "poison\nbad\n");
  blocking_client client({.address = shared_broker().address()});
  blocking_queue work = client.open_queue("queue-dead", "work", {.prefetch = 2});
  for (std::size_t rejected = 0; rejected < 2;) {
    const auto some = work.receive_for(patience);
    REQUIRE(some);
    for (const delivery& one : *some) work.reject(one, "cannot eat that");
    rejected += some->size();
  }
  work.flush();
  work.close();

  const std::string listed = output_of({"dead", "list", "queue-dead", "work"});
  CHECK(contains(listed, "0/0"));
  CHECK(contains(listed, "cannot eat that"));
  CHECK(contains(output_of({"dead", "show", "queue-dead", "work", "0/0"}), "skald-dead-reason"));
  CHECK(contains(output_of({"dead", "retry", "queue-dead", "work", "0/0"}), "1 record"));
  CHECK(output_of({"sub", "queue-dead", "--queue", "work", "--no-follow"}) == "poison\n");
  CHECK(skald({"dead", "drop", "queue-dead", "work", "--all"}).exit_code == 2);
  CHECK(contains(output_of({"dead", "drop", "queue-dead", "work", "--all", "--yes"}), "1 record"));
  CHECK(output_of({"dead", "list", "queue-dead", "work"}).empty());
}

}  // namespace
}  // namespace skald::tests
