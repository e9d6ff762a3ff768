// Aggregates made of events, against a real broker.
#include <skald/eventsourcing/repository.hpp>
#include <stdexcept>

#include "tests/system/services/broker_scene.hpp"

namespace skald::test {

namespace {

using eventsourcing::event;
using eventsourcing::recorded_event;
using eventsourcing::repository;
using eventsourcing::versioned;

struct account {
  int balance = 0;
  std::uint64_t version_seen = 0;
  void apply(const recorded_event& happened) {
    CHECK(happened.version == ++version_seen);
    const int amount = std::stoi(std::string(happened.data));
    balance += happened.type == "deposited" ? amount : -amount;
  }
};

struct saved_account : account {
  std::string save() const { return std::to_string(balance) + " " + std::to_string(version_seen); }
  static saved_account restore(std::string_view text) {
    saved_account result;
    const std::string copy(text);
    result.balance = std::stoi(copy);
    result.version_seen = std::stoull(copy.substr(copy.find(' ')));
    return result;
  }
};

static_assert(!eventsourcing::snapshotable<account>);
static_assert(eventsourcing::snapshotable<saved_account>);

struct accounts_scene : services_scene {
  accounts_scene() {
    run([](client& to) -> asio::awaitable<void> {
      co_await to.create_topic("accounts", {.partitions = 3, .index = topic_index::key});
      co_await to.create_topic("snapshots", {.partitions = 3, .index = topic_index::key});
    }(*caller));
  }
};

template <class Account>
asio::awaitable<void> deposit(repository<Account>& in, std::string key, int times) {
  for (int i = 0; i < times; ++i)
    co_await in.update(key, [](const Account&) { return std::vector<event>{{"deposited", "1"}}; });
}

}  // namespace

TEST_SUITE("event sourced aggregates") {
  TEST_CASE_FIXTURE(accounts_scene, "an aggregate is what its events amount to") {
    repository<account> accounts(*caller, "accounts");
    run([](repository<account>& in) -> asio::awaitable<void> {
      versioned<account> now = co_await in.load("ann");
      CHECK(now.version == 0);
      now = co_await in.update("ann", [](const account&) {
        return std::vector<event>{{"deposited", "100"}, {"withdrawn", "30"}};
      });
      CHECK(now.version == 2);
      CHECK(now.state.balance == 70);
      now = co_await in.load("ann");
      CHECK(now.version == 2);
      CHECK(now.state.balance == 70);
      now = co_await in.load("bob");
      CHECK(now.version == 0);
      now = co_await in.update("ann", [](const account&) { return std::vector<event>(); });
      CHECK(now.version == 2);
    }(accounts));
    CHECK(accounts.statistics().updates == 1);
  }

  TEST_CASE_FIXTURE(accounts_scene, "what is appended says what has caused it, its snapshot, too") {
    repository<saved_account> accounts(*caller, "accounts",
                                       {.snapshot_topic = "snapshots", .snapshot_every = 1});
    run([](repository<saved_account>& in, client& to) -> asio::awaitable<void> {
      const tracing::lineage cause{.correlation_id = "order-1", .causation_id = "request-7"};
      const auto decide = [](const account&) { return std::vector<event>{{"deposited", "1"}}; };
      co_await in.update("ann", decide, cause);
      for (const char* topic : {"accounts", "snapshots"}) {
        const key_records found = co_await to.read_key(topic, "ann");
        for (const record& one : found.records) {
          CHECK(tracing::find_header(one, tracing::correlation_id_header) == "order-1");
          CHECK(tracing::find_header(one, tracing::causation_id_header) == "request-7");
        }
        CHECK(found.version == 1);
      }
    }(accounts, *caller));
  }

  TEST_CASE_FIXTURE(accounts_scene, "what a decision throws changes nothing") {
    repository<account> accounts(*caller, "accounts");
    CHECK_THROWS_AS(run([](repository<account>& in) -> asio::awaitable<void> {
                      co_await in.update("ann", [](const account& now) {
                        if (now.balance < 100) throw std::domain_error("insufficient credit");
                        return std::vector<event>{{"withdrawn", "100"}};
                      });
                    }(accounts)),
                    std::domain_error);
    run([](repository<account>& in) -> asio::awaitable<void> {
      const auto now = co_await in.load("ann");
      CHECK(now.version == 0);
    }(accounts));
  }

  TEST_CASE_FIXTURE(accounts_scene, "updates at the same time all take effect, one after the other") {
    repository<account> one(*caller, "accounts", {.attempts_max = 1'000});
    client other_client = make_client();
    repository<account> two(other_client, "accounts", {.attempts_max = 1'000});
    for (int i = 0; i < 4; ++i) {
      spawn(deposit(one, "ann", 25));
      spawn(deposit(two, "ann", 25));
    }
    until([&] { return running == 0; });
    run([](repository<account>& in) -> asio::awaitable<void> {
      const auto now = co_await in.load("ann");
      CHECK(now.version == 200);
      CHECK(now.state.balance == 200);
    }(one));
    CHECK(one.statistics().conflicts + two.statistics().conflicts > 0);
    CHECK(one.statistics().updates + two.statistics().updates == 200);
  }

  TEST_CASE_FIXTURE(accounts_scene, "too many conflicts are said") {
    repository<account> accounts(*caller, "accounts", {.attempts_max = 1});
    std::optional<errc> code;
    run([](repository<account>& in, client& to, std::optional<errc>& result) -> asio::awaitable<void> {
      bool faster = false;
      try {
        co_await in.update("ann", [&](const account&) {
          // Somebody else appends between loading and appending, on the same connection.
          skald::commit other;
          other.append("accounts", {.key = "ann", .value = "1"});
          to.commit(std::move(other), {}, [&](std::exception_ptr, const committed&) { faster = true; });
          return std::vector<event>{{"deposited", "1"}};
        });
      } catch (const error& why) {
        result = static_cast<errc>(why.code().value());
      }
      CHECK(faster);
    }(accounts, *caller, code));
    CHECK(code == errc::version_conflict);
  }

  TEST_CASE_FIXTURE(accounts_scene, "a snapshot spares the events before it") {
    repository<saved_account> accounts(*caller, "accounts",
                                       {.snapshot_topic = "snapshots", .snapshot_every = 10});
    run(deposit(accounts, "ann", 25));
    CHECK(accounts.statistics().snapshots == 2);
    repository<saved_account> fresh(*caller, "accounts", {.snapshot_topic = "snapshots"});
    run([](repository<saved_account>& in) -> asio::awaitable<void> {
      const auto now = co_await in.load("ann");
      CHECK(now.version == 25);
      CHECK(now.state.balance == 25);
    }(fresh));
    CHECK(fresh.statistics().events_applied == 5);
  }

  TEST_CASE_FIXTURE(accounts_scene, "an aggregate of many pages of events is read whole") {
    repository<account> accounts(*caller, "accounts");
    run([](repository<account>& in) -> asio::awaitable<void> {
      co_await in.update("ann", [](const account&) { return std::vector<event>(2'500, {"deposited", "1"}); });
      const auto now = co_await in.load("ann");
      CHECK(now.state.balance == 2'500);
    }(accounts));
  }

  TEST_CASE_FIXTURE(accounts_scene, "aggregates survive the broker") {
    repository<account> accounts(*caller, "accounts");
    run(deposit(accounts, "ann", 10));
    restart();
    run(deposit(accounts, "ann", 10));
    run([](repository<account>& in) -> asio::awaitable<void> {
      const auto now = co_await in.load("ann");
      CHECK(now.state.balance == 20);
    }(accounts));
  }
}

}  // namespace skald::test
